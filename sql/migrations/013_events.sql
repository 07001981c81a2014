-- What agents really did: job events as they were reported, the jobs that they tell of, and rollups of those by time.
-- Whatever adds an event keeps all of it exact, by trigger: no figure is ever behind, and none needs a schedule.

create type plant.job_event_kind as enum ('job_started', 'job_completed', 'job_failed');
create type plant.rollup_grain as enum ('quarter', 'day', 'all'); -- 15 minutes; a day of UTC; all time, from -infinity

-- Raw, one partition a UTC day, which plant.make_event_day makes when it is first needed. No foreign keys here
-- and below: an agent was looked up before its events are stored, its row is busy enough without these locks, and nobody
-- deletes agents.
create table plant.job_events (
  agent_id    uuid not null,
  event_id    text collate "C" not null check (length(event_id) between 1 and 128),
  occurred_at timestamptz not null,
  job_id      text collate "C" not null check (length(job_id) between 1 and 128),
  kind        plant.job_event_kind not null,
  duration_ms bigint check (duration_ms between 0 and 31536000000), -- a year
  cost        numeric(12, 2) check (cost >= 0), -- in the agent's currency
  received_at timestamptz not null default now(),
  primary key (agent_id, event_id, occurred_at),
  check (occurred_at between received_at - interval '2160 hours' and received_at + interval '5 minutes')
) partition by range (occurred_at);

-- A job that ended, as the earliest of its ends says, so that the order in which events arrive makes no difference. It
-- outlives the raw events: a job counts once, however late its end is told again.
create table plant.jobs (
  agent_id    uuid not null,
  job_id      text collate "C" not null,
  ended_at    timestamptz not null,
  event_id    text collate "C" not null, -- of equally early ends the one with the lesser id is the earliest
  completed   boolean not null,
  duration_ms bigint,
  cost        numeric(12, 2),
  primary key (agent_id, job_id)
) with (fillfactor = 90);

-- Counts and sums that can be added up over any time. Durations are of completed jobs, counted by slot.
create table plant.job_rollups (
  agent_id        uuid not null,
  grain           plant.rollup_grain not null,
  starts_at       timestamptz not null,
  jobs            bigint not null check (jobs > 0),
  completed       bigint not null check (completed between 0 and jobs),
  duration_ms_sum numeric(20) not null check (duration_ms_sum >= 0),
  cost_sum        numeric(20, 2) not null check (cost_sum >= 0),
  cost_samples    bigint not null check (cost_samples between 0 and jobs),
  slots           smallint[] not null, -- ascending
  counts          bigint[] not null check (cardinality(counts) = cardinality(slots) and 0 < all (counts) and array_position(counts, null) is null),
  primary key (agent_id, grain, starts_at)
) partition by list (grain);
create table plant.job_rollups_quarter partition of plant.job_rollups for values in ('quarter') with (fillfactor = 90);
create table plant.job_rollups_day partition of plant.job_rollups for values in ('day') with (fillfactor = 75);
create table plant.job_rollups_all partition of plant.job_rollups for values in ('all') with (fillfactor = 75);
create index job_rollups_day_by_time on plant.job_rollups_day using brin (starts_at) with (pages_per_range = 32);

-- Durations of up to 25 ms have a slot each; beyond, a slot is 4 % wide, so that the value that stands for it is within
-- 2 % of each duration in it (as in DDSketch, arXiv:1908.10693). A year is in slot 560. (Not
-- strict, so that they can be inlined; null gives null.)
create function plant.duration_slot(ms bigint) returns smallint
  language sql immutable parallel safe
  return case when ms <= 25 then ms else 25 + ceil(ln(ms / 25.0::float8) / ln(1.04::float8)) end::smallint;

create function plant.slot_duration(slot smallint) returns float8
  language sql immutable parallel safe
  return case when slot <= 25 then slot else round((25 * 1.04::float8 ^ (slot - 25) * (2 / 2.04))::numeric, 2) end::float8;

-- Nothing was ever reported before this: figures that say otherwise were made up.
update plant.agent_statistics set total_jobs = 0, completed_jobs = 0, duration_ms_sum = 0, duration_samples = 0, updated_at = now()
where total_jobs > 0;

-- What filters and orders read. The rank is a Bayesian mean, as if ten reviews of 3 stars had come first.
alter table plant.agent_statistics
  add cost_sum numeric(20, 2) not null default 0 check (cost_sum >= 0),
  add cost_samples bigint not null default 0 check (cost_samples between 0 and total_jobs),
  add p95_duration_ms float8 check (p95_duration_ms >= 0), -- of duration_samples; null where there are none
  add success_rate numeric(5, 4) not null generated always as (
    case when total_jobs = 0 then 0 else round(completed_jobs::numeric / total_jobs, 4) end) stored,
  add rank_score numeric(4, 3) not null generated always as (round((rating_sum + 30)::numeric / (reviews + 10), 3)) stored;
alter table plant.agent_statistics set (fillfactor = 80);
create index agent_statistics_by_rank on plant.agent_statistics (rank_score desc, agent_id desc);
create index agent_statistics_by_success on plant.agent_statistics (success_rate desc, agent_id desc);
create index agent_statistics_by_jobs on plant.agent_statistics (total_jobs desc, agent_id desc);
create index agent_statistics_by_p95 on plant.agent_statistics (coalesce(p95_duration_ms, 'infinity'), agent_id);

-- Adds ends of jobs to the rollups, or takes them off where the sign is -1, and brings the statistics of their agents up to
-- that. Plans are made once, of tables that may be empty still, so they are told to go through the indexes. Whoever calls it
-- holds the statistics' rows, so that nobody changes meanwhile what is read here.
create function plant.roll_up(agents uuid[], ends timestamptz[], completes boolean[], durations bigint[], costs numeric[], signs int[]) returns void
  language plpgsql set search_path = plant, pg_temp set plan_cache_mode = force_generic_plan
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  with deltas as materialized (
    select e.agent_id, g.grain, g.starts_at, e.completed, e.sign, e.cost, e.duration_ms, duration_slot(e.duration_ms) as slot
    from (
      select agent_id, ended_at, completed, case when completed then duration_ms end as duration_ms, cost, sign
      from unnest(agents, ends, completes, durations, costs, signs) u (agent_id, ended_at, completed, duration_ms, cost, sign)) e
    cross join lateral (values
      ('quarter'::rollup_grain, date_bin('15 minutes', e.ended_at, 'epoch')),
      ('day', date_trunc('day', e.ended_at, 'UTC')), ('all', '-infinity')) g (grain, starts_at)),
  sums as materialized (
    select agent_id, grain, starts_at, sum(jobs) as jobs, sum(completed) as completed, sum(duration_ms_sum) as duration_ms_sum,
      sum(cost_sum) as cost_sum, sum(cost_samples) as cost_samples,
      coalesce(array_agg(slot order by slot) filter (where slot is not null), '{}') as slots,
      coalesce(array_agg(jobs order by slot) filter (where slot is not null), '{}') as counts
    from (
      select agent_id, grain, starts_at, slot, sum(sign) as jobs, coalesce(sum(sign) filter (where completed), 0) as completed,
        coalesce(sum(sign * duration_ms), 0) as duration_ms_sum, coalesce(sum(sign * cost), 0) as cost_sum,
        coalesce(sum(sign) filter (where cost is not null), 0) as cost_samples
      from deltas group by 1, 2, 3, 4) d
    group by 1, 2, 3),
  emptied as (
    delete from job_rollups r using sums s
    where (r.agent_id, r.grain, r.starts_at) = (s.agent_id, s.grain, s.starts_at) and r.jobs + s.jobs = 0),
  changed as (
    update job_rollups r set jobs = r.jobs + s.jobs, completed = r.completed + s.completed,
      duration_ms_sum = r.duration_ms_sum + s.duration_ms_sum, cost_sum = r.cost_sum + s.cost_sum, cost_samples = r.cost_samples + s.cost_samples,
      (slots, counts) = (
        select coalesce(array_agg(slot order by slot), '{}'), coalesce(array_agg(n order by slot), '{}')
        from (select slot, sum(n)::bigint as n from unnest(r.slots || s.slots, r.counts || s.counts) h (slot, n) group by slot having sum(n) <> 0) h)
    from sums s
    where (r.agent_id, r.grain, r.starts_at) = (s.agent_id, s.grain, s.starts_at) and r.jobs + s.jobs > 0
    returning r.*),
  added as (
    insert into job_rollups (agent_id, grain, starts_at, jobs, completed, duration_ms_sum, cost_sum, cost_samples, slots, counts)
    select agent_id, grain, starts_at, jobs, completed, duration_ms_sum, cost_sum, cost_samples, slots, counts from sums s
    where s.jobs > 0 and not exists (select from job_rollups r where (r.agent_id, r.grain, r.starts_at) = (s.agent_id, s.grain, s.starts_at))
    returning *)
  update agent_statistics t set total_jobs = a.jobs, completed_jobs = a.completed, duration_ms_sum = a.duration_ms_sum,
    duration_samples = coalesce((select sum(n) from unnest(a.counts) n), 0), cost_sum = a.cost_sum, cost_samples = a.cost_samples,
    p95_duration_ms = ( -- by nearest rank
      select slot_duration(min(slot)) from (select slot, sum(n) over (order by slot) as upto, sum(n) over () as total from unnest(a.slots, a.counts) h (slot, n)) r
      where upto >= 0.95 * total),
    updated_at = now()
  from (select * from changed where grain = 'all' union all select * from added where grain = 'all') a
  where t.agent_id = a.agent_id;
end $$;

-- Events that were added, of whatever statement. Those of one agent wait for each other at its statistics' row, always in
-- the order of the agents, and look only then what is there: each end is seen by all that come after it.
create function plant.job_events_added() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp set plan_cache_mode = force_generic_plan
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  ends record;
begin
  perform from agent_statistics where agent_id in (select agent_id from added where kind <> 'job_started') order by agent_id for no key update;
  with ended as materialized (
    select distinct on (agent_id, job_id) agent_id, job_id, occurred_at as ended_at, event_id, kind = 'job_completed' as completed, duration_ms, cost
    from added where kind <> 'job_started' order by agent_id, job_id, occurred_at, event_id),
  later as ( -- what an earlier end takes the place of
    select j.* from ended e join jobs j using (agent_id, job_id) where (e.ended_at, e.event_id) < (j.ended_at, j.event_id)),
  earliest as (
    insert into jobs (agent_id, job_id, ended_at, event_id, completed, duration_ms, cost) table ended
    on conflict (agent_id, job_id) do update set ended_at = excluded.ended_at, event_id = excluded.event_id,
      completed = excluded.completed, duration_ms = excluded.duration_ms, cost = excluded.cost
    where (excluded.ended_at, excluded.event_id) < (jobs.ended_at, jobs.event_id)
    returning *)
  select array_agg(agent_id) as agents, array_agg(ended_at) as times, array_agg(completed) as completed, array_agg(duration_ms) as durations,
    array_agg(cost) as costs, array_agg(sign) as signs into ends
  from (select *, 1 as sign from earliest union all select *, -1 from later) c;
  if ends.agents is not null then
    perform roll_up(ends.agents, ends.times, ends.completed, ends.durations, ends.costs, ends.signs);
  end if;
  return null;
end $$;
create trigger added after insert on plant.job_events referencing new table as added
  for each statement execute function plant.job_events_added();

-- Makes the partition of a UTC day where it is missing. It is attached, so that nobody who writes to others waits.
create function plant.make_event_day(day date) returns boolean
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  name text := 'job_events_' || to_char(day, 'YYYYMMDD');
begin
  if to_regclass('plant.' || name) is not null then
    return false;
  end if;
  lock table job_events in share update exclusive mode; -- attaching takes it too; an advisory lock would show no new tables
  if to_regclass('plant.' || name) is not null then -- made while we waited
    return false;
  end if;
  execute format('create table plant.%I (like plant.job_events including all)', name);
  execute format('alter table plant.job_events attach partition plant.%I for values from (%L) to (%L)', name,
    day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
  return true;
end $$;

-- What POST /internal/rollup does, each in transactions of its own. First it makes the days that events may come of, and a
-- week ahead.
create function plant.make_event_days() returns int
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  today date := (now() at time zone 'UTC')::date;
begin
  if caller_role() is distinct from 'service' then
    raise insufficient_privilege using message = 'only scheduled work makes the days';
  end if;
  return (select count(*) filter (where make_event_day(today - 90 + n)) from generate_series(0, 97) n);
end $$;

-- Then it drops the oldest day whose events are all older than 91 days, and returns whether it has. That locks out all who
-- report events, and those who come while it waits: so it waits for nobody for long, such as a dump, but leaves it to the next run.
create function plant.drop_event_day() returns boolean
  language plpgsql security definer set search_path = plant, pg_temp set lock_timeout = '100ms' as $$
declare
  name text := (
    select min(c.relname) from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'plant.job_events'::regclass and c.relname < 'job_events_' || to_char((now() at time zone 'UTC')::date - 91, 'YYYYMMDD'));
begin
  if caller_role() is distinct from 'service' then
    raise insufficient_privilege using message = 'only scheduled work drops the days';
  elsif name is null then
    return false;
  end if;
  execute format('drop table plant.%I', name);
  return true;
exception
  when lock_not_available then
    return false;
end $$;

-- Stores events of agents that the caller reports for, and tells what became of each, in their order. Of two that are the
-- same the first is stored. They are stored in the order of their key, so that those who send the same never wait for each
-- other in a circle.
create function plant.record_job_events(agents uuid[], events text[], jobs text[], kinds text[], times timestamptz[], durations bigint[], costs numeric[])
  returns table (outcome text)
  language plpgsql security definer set search_path = plant, pg_temp set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
  perform make_event_day(day) from (
    select distinct (t at time zone 'UTC')::date as day from unnest(times) t
    where t between now() - interval '2160 hours' and now() + interval '5 minutes') d
  where to_regclass('plant.job_events_' || to_char(day, 'YYYYMMDD')) is null;
  return query
  with sent as materialized (
    select u.*, case
        when a.id is null then 'unknown'
        when caller_role() in ('governor', 'service') or caller_role() = 'partner' and caller_owns(a.owner_issuer, a.owner) then
          case when u.occurred_at > now() + interval '5 minutes' then 'future' when u.occurred_at < now() - interval '2160 hours' then 'late' else 'stored' end
        else 'foreign'
      end as outcome,
      row_number() over (partition by u.agent_id, u.event_id, u.occurred_at order by u.n) as nth
    from unnest(agents, events, jobs, kinds, times, durations, costs) with ordinality u (agent_id, event_id, job_id, kind, occurred_at, duration_ms, cost, n)
    left join plant.agents a on a.id = u.agent_id and a.deleted_at is null),
  stored as (
    insert into job_events (agent_id, event_id, occurred_at, job_id, kind, duration_ms, cost)
    select agent_id, event_id, occurred_at, job_id, kind::job_event_kind, duration_ms, cost from sent
    where outcome = 'stored' and nth = 1 order by agent_id, event_id collate "C", occurred_at
    on conflict do nothing
    returning agent_id, event_id, occurred_at)
  select case when s.outcome <> 'stored' or s.nth = 1 and t.agent_id is not null then s.outcome else 'duplicate' end
  from sent s left join stored t on (t.agent_id, t.event_id, t.occurred_at) = (s.agent_id, s.event_id collate "C", s.occurred_at)
  order by s.n;
end $$;

-- Makes jobs, rollups and statistics of the raw events anew, of all agents, for who has loaded events past the trigger.
-- Jobs that ended before the oldest day that is left are as they were.
create function plant.rebuild_job_rollups() returns void
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  oldest timestamptz := (select to_date(min(right(inhrelid::regclass::text, 8)), 'YYYYMMDD')::timestamp at time zone 'UTC'
    from pg_inherits where inhparent = 'plant.job_events'::regclass);
begin
  lock table job_events in share row exclusive mode;
  delete from jobs where ended_at >= oldest;
  insert into jobs (agent_id, job_id, ended_at, event_id, completed, duration_ms, cost)
    select distinct on (agent_id, job_id) agent_id, job_id, occurred_at, event_id, kind = 'job_completed', duration_ms, cost
    from job_events where kind <> 'job_started' order by agent_id, job_id, occurred_at, event_id
    on conflict do nothing; -- what is older is earlier
  truncate job_rollups;
  update agent_statistics set total_jobs = 0, completed_jobs = 0, duration_ms_sum = 0, duration_samples = 0, cost_sum = 0, cost_samples = 0,
    p95_duration_ms = null, updated_at = now() where total_jobs > 0;
  perform roll_up(array_agg(agent_id), array_agg(ended_at), array_agg(completed), array_agg(duration_ms), array_agg(cost), array_agg(1))
    from jobs group by agent_id;
end $$;

revoke all on function plant.duration_slot(bigint), plant.slot_duration(smallint),
  plant.roll_up(uuid[], timestamptz[], boolean[], bigint[], numeric[], int[]), plant.job_events_added(), plant.make_event_day(date),
  plant.make_event_days(), plant.drop_event_day(),
  plant.record_job_events(uuid[], text[], text[], text[], timestamptz[], bigint[], numeric[]), plant.rebuild_job_rollups() from public;
grant execute on function plant.slot_duration(smallint), plant.make_event_days(), plant.drop_event_day(),
  plant.record_job_events(uuid[], text[], text[], text[], timestamptz[], bigint[], numeric[]) to plant_app;
-- Rollups are public. Raw events and jobs are not: only these functions see them.
grant select on plant.job_rollups to plant_app;

---- create above / drop below ----

drop function plant.rebuild_job_rollups(), plant.record_job_events(uuid[], text[], text[], text[], timestamptz[], bigint[], numeric[]),
  plant.drop_event_day(), plant.make_event_days(), plant.make_event_day(date);
drop table plant.job_events, plant.jobs, plant.job_rollups;
drop function plant.job_events_added(), plant.roll_up(uuid[], timestamptz[], boolean[], bigint[], numeric[], int[]),
  plant.slot_duration(smallint), plant.duration_slot(bigint);
drop index plant.agent_statistics_by_jobs;
alter table plant.agent_statistics drop rank_score, drop success_rate, drop p95_duration_ms, drop cost_samples, drop cost_sum;
alter table plant.agent_statistics reset (fillfactor);
drop type plant.rollup_grain, plant.job_event_kind;
