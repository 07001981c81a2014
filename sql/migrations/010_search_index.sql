-- What search reads of agents, skills and job roles: their words, ranked by BM25 inside the database, and their vectors.
-- It takes the place of 005's index, which knew agents only, and slowed down with each common word that a query had:
-- measured on 100,000 agents, 15 common words took 142 ms.

-- In the order that writers take them, so that none is waited for by whom it waits for.
lock table plant.agents, plant.skills, plant.job_roles, plant.agent_skills, plant.agent_search in access exclusive mode;

drop trigger agent_search_written on plant.agent_search;
drop function plant.agent_search_written();
drop trigger skill_renamed on plant.skills;
drop function plant.skill_renamed();
drop function plant.index_agents(uuid[]);
drop table plant.search_words, plant.agent_search;

-- Texts as search takes them: what punctuation joins is words of their own.
create function plant.plain(text) returns text
  language sql immutable strict parallel safe
  return translate($1, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', '                                ');

-- The place of a word's stem in a sparse vector. Two stems may share one: of 50,000, two or three do, and then one counts
-- a little for the other.
create function plant.search_place(stem text) returns int
  language sql immutable strict parallel safe
  return (hashtextextended(stem, 0) & 536870911)::int + 1;

-- What is said of each, and counts most in the name. Kinds: a is agents, s skills, j job roles.
create view plant.search_texts with (security_invoker = true) as
  select a.id, 'a'::"char" as kind, a.name, concat_ws(' ', a.specialization, k.names) as field,
    concat_ws(' ', a.industry, array_to_string(a.tags, ' ')) as keywords, a.description
  from plant.agents a
  left join lateral (
    select string_agg(k.name, ' ' order by k.id) as names from plant.skills k where k.id = any (a.skill_ids)) k on true
  where a.deleted_at is null
  union all
  select s.id, 's', s.name, '', '', s.description from plant.skills s where s.deleted_at is null
  union all
  select j.id, 'j', j.name, array_to_string(j.specializations, ' '), coalesce(j.industry, ''), concat_ws(' ', j.description, k.names)
  from plant.job_roles j
  left join lateral (
    select string_agg(k.name, ' ' order by k.id) as names from plant.skills k where k.id = any (j.required_skills)) k on true
  where j.deleted_at is null;

create table plant.search_documents (
  id    uuid primary key,
  kind  "char" not null check (kind in ('a', 's', 'j')),
  name  text not null, -- lower case
  terms sparsevec(536870912) not null -- of each stem its part of BM25, less the stem's rarity
);
create index search_documents_by_kind on plant.search_documents (kind);
create index search_documents_name_trigrams on plant.search_documents using gin (name gin_trgm_ops) with (fastupdate = off)
  where kind in ('s', 'j'); -- of agents there are too many for that

-- What names can be completed from: each from its beginning, and from each word inside. However many begin alike, the
-- first of them are found at once, as no index over whole names, or over their trigrams, would.
create table plant.search_starts (
  inside boolean not null,          -- from a word that is not the first
  start  text collate "C" not null, -- at most as much of the name as a prefix may have
  name   text collate "C" not null, -- lower case
  id     uuid not null
);
create index search_starts_by_start on plant.search_starts (inside, start, name, id);
create index search_starts_by_id on plant.search_starts (id);

-- The same by stem, the best first, so that a common word costs no more than a rare one. And by two stems of a name, in
-- their order and with a space between: what is called by two common words is not among the best of either.
create table plant.search_postings (
  kind   "char" not null,
  stem   text collate "C" not null,
  impact real not null check (impact > 0),
  id     uuid not null
);
create index search_postings_by_impact on plant.search_postings (kind, stem, impact desc, id);
create index search_postings_by_id on plant.search_postings (id);

-- How many texts there are, and have a stem, where that is many: the few are counted when they are asked for. Refreshed by
-- who indexes, so that no writer waits for another at a counter.
create table plant.search_frequencies (
  kind      "char" not null,
  stem      text collate "C" not null, -- '' counts all texts of the kind
  documents bigint not null check (documents > 0),
  primary key (kind, stem)
);

-- Every word of a text as it was written, to compare misspelt ones with. There is no unique key, so that no writer waits
-- for another, or deadlocks with it, over a common word: two that bring the same one at once leave it twice, which is
-- harmless.
create table plant.search_words (
  kind "char" not null,
  word text collate "C" not null
);
create index search_words_by_word on plant.search_words (kind, word);
create index search_words_trigrams on plant.search_words using gin (word gin_trgm_ops) with (fastupdate = off);

-- What makes vectors: one model serves, and the next is built beside it. Vectors of two are never compared: each has a
-- slot, and what is built takes over, in one transaction, when it has every text.
create table plant.embedding_models (
  slot     smallint primary key check (slot in (0, 1)),
  name     text not null check (length(name) between 1 and 255),
  state    text not null check (state in ('building', 'serving', 'retired')),
  learnt   bytea, -- of a model that was learnt from the texts: all that it knows
  texts    bigint not null check (texts >= 0), -- how many there were when it was begun
  begun_at timestamptz not null default now()
);
create unique index embedding_models_state_key on plant.embedding_models (state) where state <> 'retired';

create table plant.search_vectors (
  slot   smallint not null references plant.embedding_models,
  id     uuid not null,
  kind   "char" not null check (kind in ('a', 's', 'j')),
  digest bytea not null, -- of the text, so that none is embedded twice
  vector halfvec(384) check (l2_norm(vector) between 0.9 and 1.1), -- null: the text says nothing to the model
  primary key (id, slot)
);
alter table plant.search_vectors alter vector set storage plain; -- exact distances read many of them
create index search_vectors_a0 on plant.search_vectors using hnsw (vector halfvec_cosine_ops) where slot = 0 and kind = 'a';
create index search_vectors_a1 on plant.search_vectors using hnsw (vector halfvec_cosine_ops) where slot = 1 and kind = 'a';
create index search_vectors_s0 on plant.search_vectors using hnsw (vector halfvec_cosine_ops) where slot = 0 and kind = 's';
create index search_vectors_s1 on plant.search_vectors using hnsw (vector halfvec_cosine_ops) where slot = 1 and kind = 's';
create index search_vectors_j0 on plant.search_vectors using hnsw (vector halfvec_cosine_ops) where slot = 0 and kind = 'j';
create index search_vectors_j1 on plant.search_vectors using hnsw (vector halfvec_cosine_ops) where slot = 1 and kind = 'j';

-- Texts whose vectors are still to be made. One may be here twice: no writer waits for who is just making it.
create table plant.search_pending (
  seq bigint generated always as identity primary key,
  id  uuid not null
);

-- Indexes the words of texts anew, and leaves their vectors to be made; of a text that is no more, it takes all away.
create function plant.index_texts(ids uuid[]) returns void
  language sql security definer set search_path = plant, public, pg_temp
begin atomic
  delete from plant.search_postings where id = any (ids);
  delete from plant.search_documents where id = any (ids);
  delete from plant.search_starts where id = any (ids);
  delete from plant.search_vectors where id = any (ids) and id not in (select id from plant.search_texts t where t.id = any (ids));
  with texts as (
    select id, kind, lower(name) as name,
      setweight(to_tsvector('english', plant.plain(name)), 'A') || setweight(to_tsvector('english', plant.plain(field)), 'B')
        || setweight(to_tsvector('english', plant.plain(keywords)), 'C') || setweight(to_tsvector('english', plant.plain(description)), 'D') as document
    from plant.search_texts where id = any (ids)),
  counts as (
    select t.id, t.kind, l.lexeme collate "C" as stem, bool_or(w = 'A') as named,
      sum(case w when 'A' then 5 when 'B' then 2 when 'C' then 1.5 else 1 end)::float8 as count
    from texts t cross join lateral unnest(t.document) l cross join lateral unnest(l.weights) w
    where length(l.lexeme) <= 255
    group by t.id, t.kind, l.lexeme),
  impacts as ( -- BM25 with k1 = 1.2 and b = 0.5, over a text of 40 words
    select id, kind, stem, named, (2.2 * count / (count + 1.2 * (0.5 + 0.5 * sum(count) over (partition by id) / 40)))::real as impact from counts),
  named as ( -- the words of the name that count most
    select * from (select *, row_number() over (partition by id order by impact desc, stem) as place from impacts where named) i where place <= 6),
  postings as (
    insert into plant.search_postings (kind, stem, impact, id)
    select kind, stem, impact, id from impacts
    union all
    select a.kind, a.stem || ' ' || b.stem, (a.impact + b.impact) / 2, a.id from named a join named b on b.id = a.id and b.stem > a.stem
    order by kind, stem),
  starts as (
    insert into plant.search_starts (inside, start, name, id)
    select i > 1, substr(t.name, i, 100), t.name, t.id
    from texts t cross join lateral (
      select i from generate_series(1, length(t.name)) i
      where i = 1 or substr(plant.plain(t.name), i - 1, 1) = ' ' and substr(plant.plain(t.name), i, 1) <> ' '
      order by i limit 16) w),
  documents as (
    insert into plant.search_documents (id, kind, name, terms)
    select t.id, t.kind, t.name, coalesce(p.terms, '{}/536870912')::sparsevec(536870912)
    from texts t left join (
      select id, '{' || string_agg(place || ':' || impact, ',' order by place) || '}/536870912' as terms
      from (select id, plant.search_place(stem) as place, sum(impact) as impact from impacts group by id, place) p
      group by id) p on p.id = t.id)
  insert into plant.search_words (kind, word)
  select distinct t.kind, w.lexeme
  from plant.search_texts t cross join lateral unnest(to_tsvector('simple', plant.plain(concat_ws(' ', t.name, t.field, t.keywords, t.description)))) w
  where t.id = any (ids) and length(w.lexeme) between 3 and 64 and w.lexeme !~ '[[:digit:][:punct:]]'
    and not exists (select from plant.search_words k where k.kind = t.kind and k.word = w.lexeme);
  insert into plant.search_pending (id) select id from plant.search_texts where id = any (ids);
end;

create or replace function plant.agent_written() returns trigger
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
  if tg_op = 'INSERT' or (new.name, new.specialization, new.description, new.tags, new.skill_ids, new.deleted_at)
      is distinct from (old.name, old.specialization, old.description, old.tags, old.skill_ids, old.deleted_at) then
    perform plant.index_texts(array[new.id]);
  end if;
  return null;
end $$;
drop trigger agent_updated on plant.agents;
create trigger agent_updated after update of name, specialization, description, tags, skill_ids, deleted_at on plant.agents
  for each row execute function plant.agent_written();

-- Of a skill, and of those that are found by its name as well.
create function plant.skill_indexed() returns trigger
  language plpgsql security definer set search_path = plant, public, pg_temp as $$
begin
  perform plant.index_texts(array[new.id]);
  if tg_op = 'UPDATE' and new.name <> old.name then
    perform plant.index_texts(array(select agent_id from plant.agent_skills where skill_id = new.id
      union select job_role_id from plant.job_role_skills where skill_id = new.id));
  end if;
  return null;
end $$;

create function plant.job_role_indexed() returns trigger
  language plpgsql security definer set search_path = plant, public, pg_temp as $$
begin
  perform plant.index_texts(array[new.id]);
  return null;
end $$;

create trigger indexed_on_insert after insert on plant.skills
  for each row execute function plant.skill_indexed();
create trigger indexed after update of name, description, deleted_at on plant.skills for each row
  when ((old.name, old.description, old.deleted_at) is distinct from (new.name, new.description, new.deleted_at))
  execute function plant.skill_indexed();
create trigger indexed_on_insert after insert on plant.job_roles
  for each row execute function plant.job_role_indexed();
create trigger indexed after update of name, description, industry, specializations, required_skills, deleted_at on plant.job_roles for each row
  when ((old.name, old.description, old.industry, old.specializations, old.required_skills, old.deleted_at)
    is distinct from (new.name, new.description, new.industry, new.specializations, new.required_skills, new.deleted_at))
  execute function plant.job_role_indexed();

create function plant.text_removed() returns trigger
  language plpgsql security definer set search_path = plant, public, pg_temp as $$
begin
  perform plant.index_texts(array[old.id]);
  return null;
end $$;
create trigger unindexed after delete on plant.agents for each row execute function plant.text_removed();
create trigger unindexed after delete on plant.skills for each row execute function plant.text_removed();
create trigger unindexed after delete on plant.job_roles for each row execute function plant.text_removed();

-- Counts what is too much to be counted when it is asked for, where no one else is at it.
create function plant.count_frequencies() returns void
  language plpgsql security definer set search_path = plant, pg_temp as $$
begin
  if not pg_try_advisory_xact_lock(4208816155370221903) then
    return;
  end if;
  delete from plant.search_frequencies;
  insert into plant.search_frequencies (kind, stem, documents)
    select kind, stem, count(*) from plant.search_postings group by kind, stem having count(*) >= 1000
    union all
    select kind, '', count(*) from plant.search_documents group by kind;
end $$;

revoke all on function plant.plain(text), plant.search_place(text), plant.index_texts(uuid[]), plant.skill_indexed(), plant.job_role_indexed(),
  plant.text_removed(), plant.count_frequencies() from public;
grant execute on function plant.plain(text), plant.search_place(text), plant.count_frequencies() to plant_app;
grant select on plant.search_texts, plant.search_documents, plant.search_starts, plant.search_postings, plant.search_frequencies, plant.search_words to plant_app;
-- Vectors and models follow from the texts, and are made by whoever is asked to, not by whose they are.
grant select, insert, delete on plant.search_vectors, plant.search_pending to plant_app;
grant update (digest, vector) on plant.search_vectors to plant_app;
grant update (seq) on plant.search_pending to plant_app; -- so that it may lock what it takes
grant select, insert on plant.embedding_models to plant_app;
grant update (name, state, learnt, texts, begun_at) on plant.embedding_models to plant_app;

-- What is there already.
select plant.index_texts(array(select id from plant.search_texts));
select plant.count_frequencies();

---- create above / drop below ----

lock table plant.agents, plant.skills, plant.job_roles, plant.agent_skills in access exclusive mode;
drop trigger unindexed on plant.job_roles;
drop trigger unindexed on plant.skills;
drop trigger unindexed on plant.agents;
drop trigger indexed on plant.job_roles;
drop trigger indexed_on_insert on plant.job_roles;
drop trigger indexed on plant.skills;
drop trigger indexed_on_insert on plant.skills;
drop function plant.count_frequencies(), plant.text_removed(), plant.job_role_indexed(), plant.skill_indexed();
drop trigger agent_updated on plant.agents;
create or replace function plant.agent_written() returns trigger
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
create trigger agent_updated after update of name, specialization, description, tags, skill_ids on plant.agents
  for each row execute function plant.agent_written();
drop function plant.index_texts(uuid[]);
drop table plant.search_pending, plant.search_vectors, plant.embedding_models, plant.search_words, plant.search_frequencies,
  plant.search_postings, plant.search_starts, plant.search_documents;
drop view plant.search_texts;
drop function plant.search_place(text), plant.plain(text);

-- 005's index, as it was.
create table plant.agent_search (
  agent_id uuid primary key references plant.agents on delete cascade,
  document tsvector not null, -- A name · B specialization, skills · C tags · D description
  words    text not null      -- name, specialization, skills and tags, for misspelt words
);
create index agent_search_document on plant.agent_search using gin (document) with (fastupdate = off);

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
revoke all on function plant.index_agents(uuid[]), plant.skill_renamed() from public;
create trigger skill_renamed after update of name on plant.skills
  for each row when (old.name is distinct from new.name) execute function plant.skill_renamed();

create index agent_search_name on plant.agent_search using gin (ts_filter(document, '{a}')) with (fastupdate = off);

create table plant.search_words (word text not null);
create index search_words_by_word on plant.search_words (word);
create index search_words_trigrams on plant.search_words using gin (word gin_trgm_ops) with (fastupdate = off);

create function plant.agent_search_written() returns trigger
  language plpgsql security definer set search_path = plant, public, pg_temp as $$
begin
  insert into plant.search_words (word)
  select w.lexeme
  from plant.agents a cross join lateral unnest(to_tsvector('simple', concat_ws(' ', new.words, a.description)) || new.document) w
  where a.id = new.agent_id and length(w.lexeme) between 3 and 64 and w.lexeme !~ '[[:digit:][:punct:]]'
    and not exists (select from plant.search_words k where k.word = w.lexeme);
  return null;
end $$;
revoke all on function plant.agent_search_written() from public;

create trigger agent_search_written after insert or update on plant.agent_search
  for each row execute function plant.agent_search_written();

grant select on plant.agent_search, plant.search_words to plant_app;

select plant.index_agents(array(select id from plant.agents));
