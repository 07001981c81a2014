-- Agents, the row of statistics that each has from birth, and what search reads of them.

create table plant.agents (
  id                uuid primary key,
  owner_issuer      text not null check (length(owner_issuer) between 1 and 2048),
  owner             text not null check (length(owner) between 1 and 255),
  external_id       text check (length(external_id) between 1 and 255),
  name              text not null check (length(name) between 1 and 255 and name is nfc normalized),
  specialization    text not null check (length(specialization) between 1 and 100 and specialization is nfc normalized),
  industry          text not null references plant.industries (slug),
  description       text not null default '' check (length(description) <= 8000),
  hourly_rate       numeric(12, 2) not null check (hourly_rate > 0),
  price             numeric(15, 2) not null generated always as (round(hourly_rate * 160, 2)) stored,
  currency          text not null default 'INR' check (currency ~ '^[A-Z]{3}$'),
  trial_days        int not null default 7 check (trial_days between 0 and 90),
  allowed_durations text[] not null default '{monthly,quarterly}'
    check (cardinality(allowed_durations) > 0 and allowed_durations <@ '{monthly,quarterly,yearly}'),
  tags              text[] not null default '{}' check (cardinality(tags) <= 50 and array_position(tags, null) is null),
  languages         text[] not null default '{}' check (cardinality(languages) <= 50 and array_position(languages, null) is null),
  exclusive         boolean not null default false,
  job_role_id       uuid references plant.job_roles,
  team_id           uuid,
  skill_ids         uuid[] not null default '{}' check (cardinality(skill_ids) <= 100 and array_position(skill_ids, null) is null),
  status            text not null default 'available' check (status in ('available', 'working', 'offline')),
  version           bigint not null default 1 check (version > 0),
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  deleted_at        timestamptz,
  foreign key (team_id, owner_issuer, owner) references plant.teams (id, owner_issuer, owner)
);
-- Unique per owner, so that no owner learns another's ids from a conflict. A deleted agent never blocks a new one.
create unique index agents_external_id_key on plant.agents (owner_issuer, owner, external_id)
  where external_id is not null and deleted_at is null;
create index agents_by_created_at on plant.agents (created_at desc, id desc) where deleted_at is null;
create index agents_by_updated_at on plant.agents (updated_at desc, id desc) where deleted_at is null;
create index agents_by_name on plant.agents (lower(name) collate "C", id) where deleted_at is null;
create index agents_by_hourly_rate on plant.agents (hourly_rate, id) where deleted_at is null;
create index agents_by_industry on plant.agents (industry, created_at desc, id desc) where deleted_at is null;
create index agents_by_specialization on plant.agents (lower(specialization), created_at desc, id desc) where deleted_at is null;
create index agents_by_status on plant.agents (status, created_at desc, id desc) where deleted_at is null;
create index agents_by_owner on plant.agents (owner, owner_issuer, created_at desc, id desc);
create index agents_by_job_role on plant.agents (job_role_id, created_at desc, id desc) where job_role_id is not null;
create index agents_by_team on plant.agents (team_id, created_at desc, id desc) where team_id is not null;
create index agents_by_tag on plant.agents using gin (tags) where deleted_at is null;
create index agents_by_language on plant.agents using gin (languages) where deleted_at is null;

-- The same links as skill_ids, written by trigger: foreign keys cannot look into an array.
create table plant.agent_skills (
  agent_id uuid not null references plant.agents on delete cascade,
  skill_id uuid not null references plant.skills,
  primary key (agent_id, skill_id)
);
create index agent_skills_by_skill on plant.agent_skills (skill_id, agent_id);

-- Counts and sums only, so that every figure is derived the same way wherever it is answered.
create table plant.agent_statistics (
  agent_id         uuid primary key references plant.agents on delete cascade,
  total_jobs       bigint not null default 0 check (total_jobs >= 0),
  completed_jobs   bigint not null default 0 check (completed_jobs between 0 and total_jobs),
  duration_ms_sum  numeric(20) not null default 0 check (duration_ms_sum >= 0), -- of completed jobs that told one
  duration_samples bigint not null default 0 check (duration_samples between 0 and completed_jobs),
  reviews          bigint not null default 0 check (reviews >= 0),
  rating_sum       bigint not null default 0 check (rating_sum between reviews and reviews * 5),
  trials_ended     bigint not null default 0 check (trials_ended >= 0),
  trials_retained  bigint not null default 0 check (trials_retained between 0 and trials_ended),
  -- the plain mean, for filters and orders; 0 where there is none, as in the answer
  avg_rating       numeric(3, 2) not null generated always as (
    case when reviews = 0 then 0 else round(rating_sum::numeric / reviews, 2) end) stored,
  updated_at       timestamptz not null default now()
);
create index agent_statistics_by_rating on plant.agent_statistics (avg_rating desc, agent_id desc);

create table plant.agent_search (
  agent_id uuid primary key references plant.agents on delete cascade,
  document tsvector not null, -- A name · B specialization, skills · C tags · D description
  words    text not null      -- name, specialization, skills and tags, for misspelt words
);
create index agent_search_document on plant.agent_search using gin (document) with (fastupdate = off);

-- Writes what follows from an agent's row, in its transaction: statistics from birth, links to skills, the search row.
create function plant.agent_written() returns trigger
  language plpgsql security definer set search_path = plant, public, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    insert into plant.agent_statistics (agent_id) values (new.id);
  end if;
  if tg_op = 'INSERT' or new.skill_ids is distinct from old.skill_ids then
    delete from plant.agent_skills where agent_id = new.id and skill_id <> all (new.skill_ids);
    insert into plant.agent_skills (agent_id, skill_id)
      select new.id, unnest(new.skill_ids) on conflict do nothing;
  end if;
  if tg_op = 'INSERT' or (new.name, new.specialization, new.description, new.tags, new.skill_ids)
      is distinct from (old.name, old.specialization, old.description, old.tags, old.skill_ids) then
    perform plant.index_agents(array[new.id]);
  end if;
  return null;
end $$;

create function plant.index_agents(ids uuid[]) returns void
  language sql security definer set search_path = plant, public, pg_temp
begin atomic
  insert into plant.agent_search (agent_id, document, words)
  select a.id,
    setweight(to_tsvector('english', a.name), 'A')
      || setweight(to_tsvector('english', concat_ws(' ', a.specialization, s.names)), 'B')
      || setweight(to_tsvector('english', concat_ws(' ', a.industry, array_to_string(a.tags, ' '))), 'C')
      || setweight(to_tsvector('english', a.description), 'D'),
    lower(concat_ws(' ', a.name, a.specialization, s.names, array_to_string(a.tags, ' ')))
  from plant.agents a
  left join lateral (
    select string_agg(k.name, ' ' order by k.id) as names from plant.skills k where k.id = any (a.skill_ids)) s on true
  where a.id = any (ids)
  on conflict (agent_id) do update set document = excluded.document, words = excluded.words;
end;

create function plant.skill_renamed() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
begin
  perform plant.index_agents(array(select agent_id from plant.agent_skills where skill_id = new.id));
  return null;
end $$;

revoke all on function plant.agent_written(), plant.index_agents(uuid[]), plant.skill_renamed() from public;

create trigger agent_inserted after insert on plant.agents
  for each row execute function plant.agent_written();
create trigger agent_updated after update of name, specialization, description, tags, skill_ids on plant.agents
  for each row execute function plant.agent_written();
create trigger skill_renamed after update of name on plant.skills
  for each row when (old.name is distinct from new.name) execute function plant.skill_renamed();

-- Anyone may read agents; visibility stands in each WHERE, since an expression here would keep LIKE from its index.
-- USING decides whose rows may be changed. Giving one's own agent away is legal, so the new owner is not checked.
alter table plant.agents enable row level security, force row level security;
create policy owner on plant.agents to current_user using (true) with check (true);
create policy readers on plant.agents for select to plant_app using (true);
create policy creators on plant.agents for insert to plant_app with check (
  plant.caller_role() = 'governor' or plant.caller_role() = 'partner' and plant.caller_owns(owner_issuer, owner));
create policy changers on plant.agents for update to plant_app using (
  plant.caller_role() in ('governor', 'service')
  or plant.caller_role() = 'partner' and plant.caller_owns(owner_issuer, owner)) with check (true);

-- No one deletes rows, and an agent's id, industry and birthday are for life.
grant select, insert on plant.agents to plant_app;
grant update (owner_issuer, owner, external_id, name, specialization, description, hourly_rate, currency, trial_days,
  allowed_durations, tags, languages, exclusive, job_role_id, team_id, skill_ids, status, version, updated_at, deleted_at)
  on plant.agents to plant_app;
grant select on plant.agent_skills, plant.agent_statistics, plant.agent_search to plant_app;

---- create above / drop below ----

drop trigger skill_renamed on plant.skills;
drop function plant.index_agents(uuid[]); -- its body depends on the tables
drop table plant.agent_search, plant.agent_statistics, plant.agent_skills, plant.agents;
drop function plant.skill_renamed(), plant.agent_written();
