-- Skills, job roles, industries and teams can be written, and certified. All that belongs to an entity stands on its own
-- row, so that one UPDATE of the row is one version of it; what other tables derive from it follows by trigger.

alter table plant.industries
  -- {id or slug} in an address has to be one or the other
  add constraint industries_slug_is_no_id check (slug !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$');

alter table plant.skills
  add certification_level text check (certification_level in ('foundation', 'advanced', 'expert')),
  add certification_evidence_url text check (certification_evidence_url ~ '^https://[^/?#]' and length(certification_evidence_url) <= 2048),
  add certification_issuer text check (length(certification_issuer) between 1 and 255 and certification_issuer is nfc normalized),
  add certified_at timestamptz,
  add certified_by_issuer text check (length(certified_by_issuer) between 1 and 2048), -- of the governor's token
  add certified_by text check (length(certified_by) between 1 and 255),                -- its subject
  add certification_expires_at timestamptz, -- null is never
  add constraint skills_certification_is_whole check (num_nonnulls(certification_level, certification_evidence_url,
    certification_issuer, certified_at, certified_by_issuer, certified_by) in (0, 6)),
  add constraint skills_certification_expires_later check (certification_expires_at is null
    or certified_at is not null and certification_expires_at > certified_at and certification_expires_at < '10000-01-01 00:00+00');

alter table plant.job_roles
  add required_skills uuid[] not null default '{}',
  add certification_level text check (certification_level in ('foundation', 'advanced', 'expert')),
  add certification_evidence_url text check (certification_evidence_url ~ '^https://[^/?#]' and length(certification_evidence_url) <= 2048),
  add certification_issuer text check (length(certification_issuer) between 1 and 255 and certification_issuer is nfc normalized),
  add certified_at timestamptz,
  add certified_by_issuer text check (length(certified_by_issuer) between 1 and 2048),
  add certified_by text check (length(certified_by) between 1 and 255),
  add certification_expires_at timestamptz,
  add constraint job_roles_certification_is_whole check (num_nonnulls(certification_level, certification_evidence_url,
    certification_issuer, certified_at, certified_by_issuer, certified_by) in (0, 6)),
  add constraint job_roles_certification_expires_later check (certification_expires_at is null
    or certified_at is not null and certification_expires_at > certified_at and certification_expires_at < '10000-01-01 00:00+00');

alter table plant.teams add agent_ids uuid[] not null default '{}';

-- What is there already. An agent that is deleted is in no team any more: its restoring does not bring it back into one.
update plant.job_roles j set required_skills = array(
  select l.skill_id from plant.job_role_skills l where l.job_role_id = j.id order by l.skill_id);
update plant.agents set team_id = null, version = version + 1, updated_at = now() where deleted_at is not null and team_id is not null;
update plant.teams t set agent_ids = array(
  select a.id from plant.agents a where a.team_id = t.id order by a.created_at, a.id);

-- What has to be sent has no default.
alter table plant.job_roles alter required_skills drop default;
alter table plant.teams alter agent_ids drop default;

-- Not validated: rows of before that break these stay readable, and are told of by the compliance run. No write keeps one.
alter table plant.job_roles add constraint job_roles_required_skills_check check (
  cardinality(required_skills) between 1 and 100 and array_position(required_skills, null) is null) not valid;
-- A team that is deleted keeps the list of those who were in it, for its restoring.
alter table plant.teams add constraint teams_agent_ids_check check (
  cardinality(agent_ids) between 1 and 1000 and array_position(agent_ids, null) is null) not valid;
-- So that agents and their team can come in one transaction, in either order: each refers to the other.
alter table plant.agents alter constraint agents_team_id_owner_issuer_owner_fkey deferrable initially immediate;

create index industries_by_created_at on plant.industries (created_at desc, id desc) where deleted_at is null;
create index skills_by_category on plant.skills (category, created_at desc, id desc) where deleted_at is null;
create index job_roles_by_industry on plant.job_roles (industry, created_at desc, id desc) where deleted_at is null;
create index job_roles_by_seniority_level on plant.job_roles (seniority_level, created_at desc, id desc) where deleted_at is null;
create index teams_by_created_at on plant.teams (created_at desc, id desc) where deleted_at is null;
create index teams_by_owner on plant.teams (owner, owner_issuer, created_at desc, id desc) where deleted_at is null;
create index teams_by_job_role on plant.teams (job_role_id, created_at desc, id desc) where deleted_at is null;

-- No reference to what is deleted. Whoever refers locks what it refers to, and then looks whether it is deleted; whoever
-- deletes has locked it, and then looks for what refers. Each looks in a second statement, which sees what was committed
-- while it waited for the lock. Of what is not there at all, the foreign keys tell.

-- Only what a write changes is looked at: an agent of before this rule can still be changed in everything else.
create function plant.agent_refers() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  comes boolean := tg_op = 'INSERT' or old.deleted_at is not null; -- into life, with all that it refers to
begin
  if new.deleted_at is not null then
    new.team_id := null; -- a team has no deleted agent, whichever version of the function deletes it
  end if;
  if comes or new.team_id is distinct from old.team_id then
    -- The strongest of the locks that follow, in one order for all, or two who enter one team would wait for each other.
    perform from teams where id in (old.team_id, new.team_id) order by id for no key update;
  end if;
  if new.deleted_at is not null then
    return new;
  end if;
  if (comes or new.skill_ids is distinct from old.skill_ids) and new.skill_ids <> '{}' then
    perform from skills where id = any (new.skill_ids) order by id for share;
    if exists (select from skills where id = any (new.skill_ids) and deleted_at is not null) then
      raise foreign_key_violation using message = 'an agent would have a deleted skill', constraint = 'agents_skill_ids_live';
    end if;
  end if;
  if (comes or new.job_role_id is distinct from old.job_role_id) and new.job_role_id is not null then
    perform from job_roles where id = new.job_role_id for share;
    if exists (select from job_roles where id = new.job_role_id and deleted_at is not null) then
      raise foreign_key_violation using message = 'an agent would fill a deleted job role', constraint = 'agents_job_role_id_live';
    end if;
  end if;
  if comes then
    perform from industries where slug = new.industry for share;
    if exists (select from industries where slug = new.industry and deleted_at is not null) then
      raise foreign_key_violation using message = 'an agent would be of a deleted industry', constraint = 'agents_industry_live';
    end if;
  end if;
  if exists (select from teams where id = new.team_id and deleted_at is not null) then
    raise foreign_key_violation using message = 'an agent would be in a deleted team', constraint = 'agents_team_id_live';
  end if;
  return new;
end $$;

create function plant.job_role_refers() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  comes boolean := tg_op = 'INSERT' or old.deleted_at is not null;
begin
  if new.deleted_at is not null then
    return new;
  end if;
  if comes or new.required_skills is distinct from old.required_skills then
    perform from skills where id = any (new.required_skills) order by id for share;
    if exists (select from skills where id = any (new.required_skills) and deleted_at is not null) then
      raise foreign_key_violation using message = 'a job role would require a deleted skill', constraint = 'job_roles_required_skills_live';
    end if;
  end if;
  if (comes or new.industry is distinct from old.industry) and new.industry is not null then
    perform from industries where slug = new.industry for share;
    if exists (select from industries where slug = new.industry and deleted_at is not null) then
      raise foreign_key_violation using message = 'a job role would be of a deleted industry', constraint = 'job_roles_industry_live';
    end if;
  end if;
  return new;
end $$;

create function plant.team_refers() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
begin
  perform from job_roles where id = new.job_role_id for share;
  if exists (select from job_roles where id = new.job_role_id and deleted_at is not null) then
    raise foreign_key_violation using message = 'a team would fill a deleted job role', constraint = 'teams_job_role_id_live';
  end if;
  return new;
end $$;

create trigger agent_refers_on_insert before insert on plant.agents
  for each row execute function plant.agent_refers();
create trigger agent_refers before update of skill_ids, job_role_id, team_id, deleted_at on plant.agents for each row
  when ((old.skill_ids, old.job_role_id, old.team_id, old.deleted_at) is distinct from (new.skill_ids, new.job_role_id, new.team_id, new.deleted_at))
  execute function plant.agent_refers();
create trigger job_role_refers_on_insert before insert on plant.job_roles
  for each row execute function plant.job_role_refers();
create trigger job_role_refers before update of required_skills, industry, deleted_at on plant.job_roles
  for each row execute function plant.job_role_refers();
create trigger team_refers_on_insert before insert on plant.teams
  for each row execute function plant.team_refers();
create trigger team_refers before update of job_role_id, deleted_at on plant.teams for each row
  when (new.deleted_at is null and (old.job_role_id <> new.job_role_id or old.deleted_at is not null))
  execute function plant.team_refers();

-- The other side. The row is locked already when a BEFORE trigger runs. Who asks politely has looked before, and can say
-- what uses it; this is for those who have not.
create function plant.refuse_while_used() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  used boolean;
begin
  if tg_table_name = 'skills' then
    used := exists (select from agent_skills l join agents a on a.id = l.agent_id where l.skill_id = new.id and a.deleted_at is null)
      or exists (select from job_role_skills l join job_roles j on j.id = l.job_role_id where l.skill_id = new.id and j.deleted_at is null);
  elsif tg_table_name = 'job_roles' then
    used := exists (select from agents where job_role_id = new.id and deleted_at is null)
      or exists (select from teams where job_role_id = new.id and deleted_at is null);
  else
    used := exists (select from agents where industry = new.slug and deleted_at is null)
      or exists (select from job_roles where industry = new.slug and deleted_at is null);
  end if;
  if used then
    raise foreign_key_violation using message = 'what is in use cannot be deleted', constraint = tg_table_name || '_in_use';
  end if;
  return new;
end $$;

create trigger refuse_while_used before update of deleted_at on plant.skills for each row
  when (old.deleted_at is null and new.deleted_at is not null) execute function plant.refuse_while_used();
create trigger refuse_while_used before update of deleted_at on plant.job_roles for each row
  when (old.deleted_at is null and new.deleted_at is not null) execute function plant.refuse_while_used();
create trigger refuse_while_used before update of deleted_at on plant.industries for each row
  when (old.deleted_at is null and new.deleted_at is not null) execute function plant.refuse_while_used();

-- The same links as required_skills: foreign keys cannot look into an array.
create function plant.job_role_written() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
begin
  delete from job_role_skills where job_role_id = new.id and skill_id <> all (new.required_skills);
  insert into job_role_skills (job_role_id, skill_id) select new.id, unnest(new.required_skills) on conflict do nothing;
  return null;
end $$;

create trigger job_role_inserted after insert on plant.job_roles
  for each row execute function plant.job_role_written();
create trigger job_role_updated after update of required_skills on plant.job_roles for each row
  when (old.required_skills <> new.required_skills) execute function plant.job_role_written();

-- teams.agent_ids and agents.team_id say the same, whichever is written: the other follows, by one UPDATE of each row that
-- changes, and what follows finds nothing left to do.

create function plant.agent_moved() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
begin
  update teams t set agent_ids = m.agent_ids, version = version + 1, updated_at = now()
  from (
    select id, array(
      select a.id from agents a where a.team_id = teams.id and a.deleted_at is null
      order by array_position(teams.agent_ids, a.id), a.id) as agent_ids -- those who enter come last
    from teams where id in (old.team_id, new.team_id) and deleted_at is null) m
  where t.id = m.id and t.agent_ids <> m.agent_ids;
  return null;
end $$;

create function plant.team_written() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  members uuid[] := case when new.deleted_at is null then new.agent_ids else '{}' end;
begin
  perform from agents where id = any (members) or team_id = new.id order by id for no key update;
  if (select count(*) from agents where id = any (members) and deleted_at is null) <> cardinality(members) then
    raise foreign_key_violation using message = 'a team would have an agent twice, or one that there is not', constraint = 'teams_agent_ids_live';
  end if;
  if exists (select from agents where id = any (members) and team_id <> new.id) then
    raise unique_violation using message = 'an agent would be in two teams', constraint = 'teams_agent_ids_key';
  end if;
  update agents set team_id = case when id = any (members) then new.id end, version = version + 1, updated_at = now()
  where id = any (members) and team_id is null or team_id = new.id and id <> all (members);
  return null;
end $$;

create trigger agent_moved_on_insert after insert on plant.agents for each row
  when (new.team_id is not null) execute function plant.agent_moved();
create trigger agent_moved after update of team_id, deleted_at on plant.agents for each row
  when (old.team_id is distinct from new.team_id) execute function plant.agent_moved();
create trigger team_written_on_insert after insert on plant.teams
  for each row execute function plant.team_written();
create trigger team_written after update of agent_ids, deleted_at on plant.teams for each row
  when (old.agent_ids <> new.agent_ids or (old.deleted_at is null) <> (new.deleted_at is null)) execute function plant.team_written();

revoke all on function plant.agent_refers(), plant.job_role_refers(), plant.team_refers(), plant.refuse_while_used(),
  plant.job_role_written(), plant.agent_moved(), plant.team_written() from public;

-- Anyone may read; governors write what all share, and owners their teams. Nobody deletes rows, and an id, a slug, an owner
-- and a birthday are for life.
alter table plant.industries enable row level security, force row level security;
create policy owner on plant.industries to current_user using (true) with check (true);
create policy readers on plant.industries for select to plant_app using (true);
create policy creators on plant.industries for insert to plant_app with check (plant.caller_role() = 'governor');
create policy changers on plant.industries for update to plant_app using (plant.caller_role() = 'governor') with check (plant.caller_role() = 'governor');

alter table plant.skills enable row level security, force row level security;
create policy owner on plant.skills to current_user using (true) with check (true);
create policy readers on plant.skills for select to plant_app using (true);
create policy creators on plant.skills for insert to plant_app with check (plant.caller_role() = 'governor');
create policy changers on plant.skills for update to plant_app using (plant.caller_role() = 'governor') with check (plant.caller_role() = 'governor');

alter table plant.job_roles enable row level security, force row level security;
create policy owner on plant.job_roles to current_user using (true) with check (true);
create policy readers on plant.job_roles for select to plant_app using (true);
create policy creators on plant.job_roles for insert to plant_app with check (plant.caller_role() = 'governor');
create policy changers on plant.job_roles for update to plant_app using (plant.caller_role() = 'governor') with check (plant.caller_role() = 'governor');

create policy creators on plant.teams for insert to plant_app with check (
  plant.caller_role() = 'governor' or plant.caller_role() = 'partner' and plant.caller_owns(owner_issuer, owner));
create policy changers on plant.teams for update to plant_app
  using (plant.caller_role() = 'governor' or plant.caller_role() = 'partner' and plant.caller_owns(owner_issuer, owner))
  with check (plant.caller_role() = 'governor' or plant.caller_role() = 'partner' and plant.caller_owns(owner_issuer, owner));

grant insert on plant.industries, plant.skills, plant.job_roles, plant.teams to plant_app;
grant update (name, description, version, updated_at, deleted_at) on plant.industries to plant_app;
grant update (name, description, category, certification_level, certification_evidence_url, certification_issuer, certified_at,
  certified_by_issuer, certified_by, certification_expires_at, version, updated_at, deleted_at) on plant.skills to plant_app;
grant update (name, description, required_skills, seniority_level, industry, specializations, certification_level,
  certification_evidence_url, certification_issuer, certified_at, certified_by_issuer, certified_by, certification_expires_at,
  version, updated_at, deleted_at) on plant.job_roles to plant_app;
grant update (name, description, job_role_id, agent_ids, version, updated_at, deleted_at) on plant.teams to plant_app;

---- create above / drop below ----

revoke insert on plant.industries, plant.skills, plant.job_roles, plant.teams from plant_app;
revoke update (name, description, version, updated_at, deleted_at) on plant.industries from plant_app;
revoke update (name, description, category, version, updated_at, deleted_at) on plant.skills from plant_app;
revoke update (name, description, seniority_level, industry, specializations, version, updated_at, deleted_at) on plant.job_roles from plant_app;
revoke update (name, description, job_role_id, version, updated_at, deleted_at) on plant.teams from plant_app;

drop policy changers on plant.teams;
drop policy creators on plant.teams;
drop policy changers on plant.job_roles;
drop policy creators on plant.job_roles;
drop policy readers on plant.job_roles;
drop policy owner on plant.job_roles;
alter table plant.job_roles disable row level security, no force row level security;
drop policy changers on plant.skills;
drop policy creators on plant.skills;
drop policy readers on plant.skills;
drop policy owner on plant.skills;
alter table plant.skills disable row level security, no force row level security;
drop policy changers on plant.industries;
drop policy creators on plant.industries;
drop policy readers on plant.industries;
drop policy owner on plant.industries;
alter table plant.industries disable row level security, no force row level security;

drop trigger team_written on plant.teams;
drop trigger team_written_on_insert on plant.teams;
drop trigger agent_moved on plant.agents;
drop trigger agent_moved_on_insert on plant.agents;
drop trigger job_role_updated on plant.job_roles;
drop trigger job_role_inserted on plant.job_roles;
drop trigger refuse_while_used on plant.industries;
drop trigger refuse_while_used on plant.job_roles;
drop trigger refuse_while_used on plant.skills;
drop trigger team_refers on plant.teams;
drop trigger team_refers_on_insert on plant.teams;
drop trigger job_role_refers on plant.job_roles;
drop trigger job_role_refers_on_insert on plant.job_roles;
drop trigger agent_refers on plant.agents;
drop trigger agent_refers_on_insert on plant.agents;
drop function plant.team_written(), plant.agent_moved(), plant.job_role_written(), plant.refuse_while_used(),
  plant.team_refers(), plant.job_role_refers(), plant.agent_refers();

drop index plant.teams_by_job_role, plant.teams_by_owner, plant.teams_by_created_at, plant.job_roles_by_seniority_level,
  plant.job_roles_by_industry, plant.skills_by_category, plant.industries_by_created_at;
alter table plant.agents alter constraint agents_team_id_owner_issuer_owner_fkey not deferrable;
alter table plant.teams drop agent_ids;
alter table plant.job_roles drop required_skills, drop certification_level, drop certification_evidence_url, drop certification_issuer,
  drop certified_at, drop certified_by_issuer, drop certified_by, drop certification_expires_at;
alter table plant.skills drop certification_level, drop certification_evidence_url, drop certification_issuer,
  drop certified_at, drop certified_by_issuer, drop certified_by, drop certification_expires_at;
alter table plant.industries drop constraint industries_slug_is_no_id;
