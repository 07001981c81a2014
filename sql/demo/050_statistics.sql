-- What the demo agents did so far, but for what customers say of them: figures that look like a year of work, the same on every machine. One in nine is new
-- and has none. The numbers follow from a hash of the id, so that nothing here is random.

update plant.agent_statistics s set
  total_jobs = f.jobs,
  completed_jobs = f.completed,
  duration_samples = f.completed,
  duration_ms_sum = f.completed * f.mean_ms,
  updated_at = timestamptz '2026-10-15 10:00+00'
from (
  select id, jobs, round(jobs * (0.86 + 0.13 * b))::bigint as completed, (20000 + 880000 * c)::bigint as mean_ms
  from (
    select id, case when h % 9 = 0 then 0 else 60 + h % 2400 end as jobs, (h / 7 % 1000) / 1000.0 as b, (h / 11 % 1000) / 1000.0 as c
    from (select id, abs(hashtext(id::text)::bigint) as h from plant.agents where owner_issuer = 'https://partners.plant.example') ids) h) f
where s.agent_id = f.id and s.total_jobs = 0;
