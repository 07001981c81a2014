-- Amendments: who changed what of the catalogue, when, and from what to what, in a form that outsiders can check. One is
-- written for each version of an entity, by trigger, in the transaction of the change itself. Each holds the hash of the
-- one before it of the same entity; the sequencer then numbers all of them, and grows a Merkle tree (RFC 6962) over their
-- hashes, whose root is signed.

-- Whose text stands behind a pseudonym. Without its row nobody can tell whom the amendments mean, and they verify as
-- before: what is hashed is the pseudonym. Deleting rows here is how a person is forgotten.
create table plant.amendment_salts (
  pseudonym text primary key check (pseudonym ~ '^[0-9a-f]{64}$'),
  issuer    text not null,
  subject   text not null, -- of a token, or the owner claim of one
  salt      bytea not null check (length(salt) = 32)
);
create index amendment_salts_subject on plant.amendment_salts (issuer, subject);

create table plant.amendments (
  -- In the order of writing, with gaps where a transaction was undone. Whoever saw a change has a greater number than it:
  -- the number is taken while the change is made, and so before anyone can see it.
  id            bigint not null generated always as identity,
  entity_type   text not null check (entity_type in ('agent', 'skill', 'job_role', 'industry', 'team')),
  entity_id     uuid not null,
  version       bigint not null check (version > 0), -- of the entity, that the change made
  action        text not null check (action in (
    'adopt', 'create', 'update', 'status', 'certify', 'uncertify', 'transfer', 'delete', 'restore', 'remove')),
  actor_issuer  text not null, -- of the token; postgresql for who came without one, through psql say
  actor_role    text not null,
  actor         text not null, -- the pseudonym of the token's subject, or of the database's login
  change        text not null, -- canonical: {"name":[old,new],…}
  at            timestamptz not null,
  previous_hash bytea not null check (length(previous_hash) = 32), -- of the entity's last amendment; zeros for its first
  hash          bytea not null check (length(hash) = 32),          -- SHA-256 of amendment_text
  seq           bigint check (seq > 0),                            -- its place among all; null until it has one
  primary key (entity_id, entity_type, version)
);
create unique index amendments_seq_key on plant.amendments (seq) where seq is not null;
create index amendments_unsequenced on plant.amendments (id) where seq is null;

-- The tree: node n of a level covers the leaves n × 2^level up to (n + 1) × 2^level, and is there when all of them are.
-- Leaf n is the hash of amendment seq = n + 1.
create table plant.tree_hashes (
  level smallint not null check (level >= 0),
  n     bigint not null check (n >= 0),
  hash  bytea not null check (length(hash) = 32),
  primary key (level, n)
);

-- Signed heads of the tree. They also go out of the database, where nobody who writes here can reach them.
create table plant.checkpoints (
  size bigint primary key check (size >= 0), -- of the tree
  note text not null check (length(note) between 1 and 8192),
  at   timestamptz not null default now()
);

-- JSON with one form for each value: names sorted by their bytes, numbers as strings, no blanks, and of characters only
-- those escaped that have to be (as RFC 8785 says). A column has one type, so a number is never taken for a string.
create function plant.canonical(value jsonb) returns text
  language plpgsql immutable strict parallel safe as $$
begin
  case jsonb_typeof(value)
    when 'number' then
      return '"' || value::text || '"';
    when 'array' then
      return '[' || coalesce((
        select string_agg(case jsonb_typeof(e) when 'string' then e::text else plant.canonical(e) end, ',' order by place)
        from jsonb_array_elements(value) with ordinality x (e, place)), '') || ']';
    when 'object' then
      return '{' || coalesce((
        select string_agg(to_json(key)::text || ':' || plant.canonical(e.value), ',' order by key collate "C")
        from jsonb_each(value) e), '') || '}';
    else
      return value::text;
  end case;
end $$;

-- A time as amendments have it: in the form that jsonb gives times, in UTC.
create function plant.amendment_time(at timestamptz) returns text
  language sql immutable parallel safe
  return trim(both '"' from to_json(at at time zone 'UTC')::text) || '+00:00';

-- What is hashed of an amendment: canonical JSON.
create function plant.amendment_text(a plant.amendments) returns text
  language sql immutable parallel safe
  return '{"action":' || to_json(a.action)::text
    || ',"actor":{"issuer":' || to_json(a.actor_issuer)::text || ',"role":' || to_json(a.actor_role)::text || ',"subject":' || to_json(a.actor)::text
    || '},"at":"' || plant.amendment_time(a.at) || '","change":' || a.change
    || ',"entity_id":"' || a.entity_id || '","entity_type":' || to_json(a.entity_type)::text
    || ',"previous_hash":"' || encode(a.previous_hash, 'hex') || '","version":"' || a.version || '"}';

-- A person has one pseudonym for as long as its row stands, and another one afterwards; two, where the first two changes
-- of a lifetime come at once, so that neither has to wait for the other.
create function plant.pseudonym_of(for_issuer text, for_subject text) returns text
  language plpgsql as $$
declare
  found_one text;
  new_salt  bytea;
begin
  select s.pseudonym into found_one from plant.amendment_salts s where s.issuer = for_issuer and s.subject = for_subject order by s.pseudonym limit 1;
  if found then
    return found_one;
  end if;
  new_salt := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()); -- 244 bits by chance
  insert into plant.amendment_salts (pseudonym, issuer, subject, salt)
    values (encode(sha256(new_salt || convert_to(plant.canonical(jsonb_build_array(for_issuer, for_subject)), 'UTF8')), 'hex'),
      for_issuer, for_subject, new_salt)
    returning pseudonym into found_one;
  return found_one;
end $$;

-- Writes the amendment that turns one row into another. Either may be null. Personal names pairs of columns: one whose text
-- is personal, and the one with its issuer.
create function plant.amend(for_type text, for_id uuid, new_version bigint, how text, old_row jsonb, new_row jsonb, personal text[]) returns void
  language plpgsql as $$
declare
  a    plant.amendments;
  keys text[];
  was  text;
begin
  for i in 1 .. coalesce(array_length(personal, 1), 0) by 2 loop
    was := old_row ->> personal[i];
    if was is not null then
      old_row := old_row || jsonb_build_object(personal[i], plant.pseudonym_of(old_row ->> personal[i + 1], old_row ->> personal[i]));
    end if;
    if new_row ->> personal[i] is not null and (new_row ->> personal[i], new_row ->> personal[i + 1]) is not distinct from (was, old_row ->> personal[i + 1]) then
      new_row := new_row || jsonb_build_object(personal[i], old_row ->> personal[i]);
    elsif new_row ->> personal[i] is not null then
      new_row := new_row || jsonb_build_object(personal[i], plant.pseudonym_of(new_row ->> personal[i + 1], new_row ->> personal[i]));
    end if;
  end loop;
  -- Absent and null are the same: a row has a value for each column, or none.
  select '{' || coalesce(string_agg(to_json(d.key)::text || ':[' || plant.canonical(d.was) || ',' || plant.canonical(d.is_now) || ']', ',' order by d.key collate "C"), '') || '}',
    coalesce(array_agg(d.key), '{}')
  into a.change, keys
  from (
    select e.key, coalesce(old_row -> e.key, 'null') as was, coalesce(new_row -> e.key, 'null') as is_now
    from jsonb_each(coalesce(new_row, old_row)) e) d
  where d.was <> d.is_now and d.key not in ('id', 'version', 'updated_at');

  a.entity_type := for_type;
  a.entity_id := for_id;
  a.version := new_version;
  a.action := case
    when how <> 'update' then how
    when 'deleted_at' = any (keys) then case when new_row ->> 'deleted_at' is null then 'restore' else 'delete' end
    when 'owner' = any (keys) then 'transfer'
    when 'certified_at' = any (keys) then case when new_row ->> 'certified_at' is null then 'uncertify' else 'certify' end
    when keys = '{status}' then 'status'
    else how end;
  a.at := now();
  a.actor_issuer := coalesce(nullif(current_setting('plant.issuer', true), ''), 'postgresql');
  a.actor_role := coalesce(plant.caller_role(), 'login');
  a.actor := plant.pseudonym_of(a.actor_issuer, coalesce(nullif(current_setting('plant.subject', true), ''), session_user));
  a.previous_hash := decode(repeat('00', 32), 'hex'); -- a literal '\x…' would depend on the session's settings
  if how not in ('create', 'adopt') then
    select p.hash into a.previous_hash from plant.amendments p
      where p.entity_id = for_id and p.entity_type = for_type and p.version = new_version - 1;
    if not found then
      raise check_violation using message = 'the version before was never amended', constraint = 'amendments_version_follows';
    end if;
  end if;
  a.hash := sha256(convert_to(plant.amendment_text(a), 'UTF8'));
  insert into plant.amendments (entity_type, entity_id, version, action, actor_issuer, actor_role, actor, change, at, previous_hash, hash)
    values (a.entity_type, a.entity_id, a.version, a.action, a.actor_issuer, a.actor_role, a.actor, a.change, a.at, a.previous_hash, a.hash);
end $$;

-- The trigger of every table of entities. Its arguments: the entity's type, then what amend calls personal. It runs as the
-- owner, so that nobody else needs the right to write amendments; times are written in UTC.
create function plant.amended() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp set timezone = 'UTC' as $$
begin
  case tg_op
    when 'INSERT' then
      if new.version <> 1 then
        raise check_violation using message = 'a new entity has version 1', constraint = 'amendments_version_follows';
      end if;
      perform plant.amend(tg_argv[0], new.id, 1, 'create', null, to_jsonb(new), tg_argv[1:]);
    when 'UPDATE' then
      if new.version <> old.version + 1 or new.id <> old.id then
        raise check_violation using message = 'the next version is one more than the last', constraint = 'amendments_version_follows';
      end if;
      perform plant.amend(tg_argv[0], new.id, new.version, 'update', to_jsonb(old), to_jsonb(new), tg_argv[1:]);
    else
      perform plant.amend(tg_argv[0], old.id, old.version + 1, 'remove', to_jsonb(old), null, tg_argv[1:]);
  end case;
  return null;
end $$;

-- Who changes a row by hand need not think of its version.
create function plant.next_version() returns trigger
  language plpgsql set search_path = plant, pg_temp as $$
begin
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end $$;

create function plant.refuse() returns trigger
  language plpgsql set search_path = plant, pg_temp as $$
begin
  raise insufficient_privilege using message = tg_argv[0];
end $$;

-- Amendments are added and nothing else: the owner too has to get the triggers out of the way first, which the tree shows.
create trigger append_only before update on plant.amendments for each row
  when (old.seq is not null or new.seq is null or (old.id, old.entity_type, old.entity_id, old.version, old.action, old.actor_issuer, old.actor_role, old.actor, old.change, old.at, old.previous_hash, old.hash)
    is distinct from (new.id, new.entity_type, new.entity_id, new.version, new.action, new.actor_issuer, new.actor_role, new.actor, new.change, new.at, new.previous_hash, new.hash))
  execute function plant.refuse('amendments cannot be changed');
create trigger append_only_delete before delete on plant.amendments
  for each row execute function plant.refuse('amendments cannot be deleted');
create trigger append_only_truncate before truncate on plant.amendments
  for each statement execute function plant.refuse('amendments cannot be deleted');
create trigger append_only before update or delete on plant.tree_hashes
  for each row execute function plant.refuse('the tree only grows');
create trigger append_only_truncate before truncate on plant.tree_hashes
  for each statement execute function plant.refuse('the tree only grows');

-- Gives the amendments that are committed, and have none, their places, at most so many of them at once, and grows the
-- tree. It returns how many amendments have one then, and whether that is all that it saw.
--
-- Only one runs at a time. Who does not wait leaves the work to the one that runs. Places are given in the order of id, so
-- nothing comes before what it could have seen: that was committed before it was written, has a lesser id, and is seen here
-- too. A transaction that still runs holds nobody up: what it commits comes later.
--
-- Statistics tell how many amendments had no place when they were taken, which is never true for long: so the planner is
-- told to go by the indexes.
create function plant.sequence_amendments(wait boolean, most int, out size bigint, out done boolean)
  language plpgsql security definer set search_path = plant, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  lock_key constant bigint := 4208816155370221901; -- any number that nothing else locks
  first  bigint;
  grown  bigint;
  height int := 0;
begin
  -- What has a place, and what the tree has: they differ only where somebody has tampered, and no place is given twice.
  -- Where the lock is not had, another may be at work this moment, and what it has done is not seen yet.
  select greatest(coalesce((select seq from amendments where seq is not null order by seq desc limit 1), 0),
    coalesce((select n + 1 from tree_hashes where level = 0 order by n desc limit 1), 0)) into size;
  done := (select id from amendments where seq is null order by id limit 1) is null;
  if done then
    return;
  elsif wait then
    perform pg_advisory_xact_lock(lock_key);
  elsif not pg_try_advisory_xact_lock(lock_key) then
    return;
  end if;
  select greatest(coalesce((select seq from amendments where seq is not null order by seq desc limit 1), 0),
    coalesce((select n + 1 from tree_hashes where level = 0 order by n desc limit 1), 0)) into size;
  first := size;
  with next as (
    select id, row_number() over (order by id) as place
    from (select id from amendments where seq is null order by id limit most) batch),
  placed as (
    update amendments a set seq = first + next.place from next where a.id = next.id and a.seq is null
    returning a.seq, a.hash)
  insert into tree_hashes (level, n, hash) select 0, seq - 1, sha256(decode('00', 'hex') || hash) from placed;
  get diagnostics grown = row_count;
  size := size + grown;
  done := grown < most;
  -- A node follows from its two halves. It is new when the right one is.
  while grown > 0 loop
    height := height + 1;
    insert into tree_hashes (level, n, hash)
      select height, r.n / 2, sha256(decode('01', 'hex') || l.hash || r.hash)
      from tree_hashes r join tree_hashes l on l.level = height - 1 and l.n = r.n - 1
      where r.level = height - 1 and r.n >= first >> (height - 1) and r.n % 2 = 1;
    get diagnostics grown = row_count;
  end loop;
end $$;

create trigger append_only before update or delete on plant.checkpoints
  for each row execute function plant.refuse('checkpoints cannot be changed');
create trigger append_only_truncate before truncate on plant.checkpoints
  for each statement execute function plant.refuse('checkpoints cannot be deleted');

revoke all on function plant.canonical(jsonb), plant.amendment_time(timestamptz), plant.amendment_text(plant.amendments), plant.pseudonym_of(text, text),
  plant.amend(text, uuid, bigint, text, jsonb, jsonb, text[]), plant.amended(), plant.next_version(), plant.refuse(),
  plant.sequence_amendments(boolean, int) from public;
grant execute on function plant.canonical(jsonb), plant.amendment_time(timestamptz), plant.amendment_text(plant.amendments), plant.sequence_amendments(boolean, int) to plant_app;

-- The underscore sorts before every letter, so that a row is amended before what follows from it can change it again.
create trigger _amended after insert or update or delete on plant.industries for each row execute function plant.amended('industry');
create trigger _amended after insert or update or delete on plant.skills for each row execute function plant.amended('skill', 'certified_by', 'certified_by_issuer');
create trigger _amended after insert or update or delete on plant.job_roles for each row execute function plant.amended('job_role', 'certified_by', 'certified_by_issuer');
create trigger _amended after insert or update or delete on plant.agents for each row execute function plant.amended('agent', 'owner', 'owner_issuer');
create trigger _amended after insert or update or delete on plant.teams for each row execute function plant.amended('team', 'owner', 'owner_issuer');
create trigger next_version before update on plant.industries for each row when (old.version = new.version) execute function plant.next_version();
create trigger next_version before update on plant.skills for each row when (old.version = new.version) execute function plant.next_version();
create trigger next_version before update on plant.job_roles for each row when (old.version = new.version) execute function plant.next_version();
create trigger next_version before update on plant.agents for each row when (old.version = new.version) execute function plant.next_version();
create trigger next_version before update on plant.teams for each row when (old.version = new.version) execute function plant.next_version();
create trigger truncated before truncate on plant.industries for each statement execute function plant.refuse('a truncation would leave no amendment');
create trigger truncated before truncate on plant.skills for each statement execute function plant.refuse('a truncation would leave no amendment');
create trigger truncated before truncate on plant.job_roles for each statement execute function plant.refuse('a truncation would leave no amendment');
create trigger truncated before truncate on plant.agents for each statement execute function plant.refuse('a truncation would leave no amendment');
create trigger truncated before truncate on plant.teams for each statement execute function plant.refuse('a truncation would leave no amendment');

-- What is there already begins here, with the version that it has. The triggers keep writers out until this is done.
set local timezone = 'UTC';
select plant.amend('industry', id, version, 'adopt', null, to_jsonb(r), '{}') from plant.industries r order by created_at, id;
select plant.amend('skill', id, version, 'adopt', null, to_jsonb(r), '{certified_by,certified_by_issuer}') from plant.skills r order by created_at, id;
select plant.amend('job_role', id, version, 'adopt', null, to_jsonb(r), '{certified_by,certified_by_issuer}') from plant.job_roles r order by created_at, id;
select plant.amend('agent', id, version, 'adopt', null, to_jsonb(r), '{owner,owner_issuer}') from plant.agents r order by created_at, id;
select plant.amend('team', id, version, 'adopt', null, to_jsonb(r), '{owner,owner_issuer}') from plant.teams r order by created_at, id;

-- Whose pseudonym it is, is told to governors and to the person.
alter table plant.amendment_salts enable row level security, force row level security;
create policy owner on plant.amendment_salts to current_user using (true) with check (true);
create policy readers on plant.amendment_salts for select to plant_app using (
  plant.caller_role() = 'governor' or plant.caller_owns(issuer, subject)
  or issuer = nullif(current_setting('plant.issuer', true), '') and subject = nullif(current_setting('plant.subject', true), ''));
grant select on plant.amendments, plant.amendment_salts, plant.tree_hashes, plant.checkpoints to plant_app;
grant insert on plant.checkpoints to plant_app;

---- create above / drop below ----

drop trigger truncated on plant.teams;
drop trigger truncated on plant.agents;
drop trigger truncated on plant.job_roles;
drop trigger truncated on plant.skills;
drop trigger truncated on plant.industries;
drop trigger next_version on plant.teams;
drop trigger next_version on plant.agents;
drop trigger next_version on plant.job_roles;
drop trigger next_version on plant.skills;
drop trigger next_version on plant.industries;
drop trigger _amended on plant.teams;
drop trigger _amended on plant.agents;
drop trigger _amended on plant.job_roles;
drop trigger _amended on plant.skills;
drop trigger _amended on plant.industries;
drop function plant.amendment_text(plant.amendments), plant.amendment_time(timestamptz);
drop table plant.checkpoints, plant.tree_hashes, plant.amendments, plant.amendment_salts;
drop function plant.sequence_amendments(boolean, int), plant.refuse(), plant.next_version(), plant.amended(),
  plant.amend(text, uuid, bigint, text, jsonb, jsonb, text[]), plant.pseudonym_of(text, text), plant.canonical(jsonb);
