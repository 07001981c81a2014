-- What the demo agents did in the last 90 days, up to now: the same on every machine, but for where now is. Each works more
-- on weekdays and by day in India, some grow and some fade, one in nine is new and has done nothing. Whatever looks random
-- follows from hashes of agents and dates, so that what was loaded before is found again, and each start adds what is
-- missing since.

select plant.make_event_day((now() at time zone 'UTC')::date - n) from generate_series(0, 90) n;

with agents as materialized (
  select id, 3 + h % 9 as per_day, 0.2 + (h / 7 % 60) / 100.0 as swing, h / 17 % 360 as phase, 0.86 + (h / 11 % 135) / 1000.0 as success,
    20000 * 30 ^ ((h / 13 % 1000) / 1000.0) as median_ms, hourly_rate
  from (
    select id, hourly_rate, abs(hashtextextended(id::text, 1)) as h from plant.agents
    where owner_issuer = 'https://partners.plant.example' and deleted_at is null) a
  where h % 9 <> 0),
days as (
  select a.*, d.day, d.n, -- busy and quiet times follow each other in half a year
    round(per_day * (1 + swing * sind(phase + 2 * n)) * case when extract(isodow from d.day) > 5 then 0.35 else 1 end
      * (0.7 + 0.6 * (hashtextextended(id::text || ' ' || n, 2) & 1023) / 1023.0))::int as jobs
  from agents a cross join lateral (
    select day, day - date '2026-01-01' as n from (select (now() at time zone 'UTC')::date - ago as day from generate_series(0, 89) ago) d) d),
jobs as materialized (
  select id, 'job-' || to_char(day, 'YYYYMMDD') || '-' || k as job_id, success, hourly_rate,
    -- from half past eight in the morning to eight in the evening, most of them around two in the afternoon
    (day + interval '3 hours' + interval '11.5 hours' * (u1 + u2) / 2)::timestamp at time zone 'UTC' as started_at,
    round(median_ms * exp(0.55 * sqrt(-2 * ln(u3)) * cos(2 * pi() * u4)))::bigint as duration_ms, u5
  from days cross join lateral generate_series(1, jobs) k
  cross join lateral (
    select (1 + (h & 1023)) / 1025.0::float8 as u1, (1 + ((h >> 10) & 1023)) / 1025.0::float8 as u2, (1 + ((h >> 20) & 1023)) / 1025.0::float8 as u3,
      (1 + ((h >> 30) & 1023)) / 1025.0::float8 as u4, (1 + ((h >> 40) & 1023)) / 1025.0::float8 as u5
    from (select hashtextextended(id::text || ' ' || n || ' ' || k, 3) as h) h) u)
insert into plant.job_events (agent_id, event_id, occurred_at, job_id, kind, duration_ms, cost, received_at)
select id, job_id || '-' || e.suffix, e.at, job_id, e.kind::plant.job_event_kind, e.ms, e.cost, e.at
from jobs cross join lateral (values
  ('start', started_at, 'job_started', null, null),
  ('end', started_at + duration_ms * interval '1 millisecond', case when u5 < success then 'job_completed' else 'job_failed' end,
    duration_ms, round((hourly_rate * duration_ms / 3600000)::numeric, 2))) e (suffix, at, kind, ms, cost)
where e.at <= now()
on conflict do nothing;
