-- Industries, skills, job roles and teams: what agents refer to.
-- Case-insensitive uniqueness uses ICU, so that it is the same on every machine; text arrives in NFC.

create table plant.industries (
  id          uuid primary key,
  slug        text not null check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 63),
  name        text not null check (length(name) between 1 and 255),
  description text not null default '' check (length(description) <= 8000),
  version     bigint not null default 1 check (version > 0),
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  deleted_at  timestamptz,
  unique (slug) -- a slug is never given twice: agents keep it for life
);

create table plant.skills (
  id          uuid primary key,
  name        text not null check (length(name) between 1 and 255 and name is nfc normalized),
  description text not null default '' check (length(description) <= 8000),
  category    text not null check (category in ('technical', 'soft_skill', 'domain_expertise', 'certification')),
  version     bigint not null default 1 check (version > 0),
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  deleted_at  timestamptz
);
create unique index skills_name_key on plant.skills (lower(name collate "und-x-icu")) where deleted_at is null;
create index skills_by_created_at on plant.skills (created_at desc, id desc) where deleted_at is null;

create table plant.job_roles (
  id              uuid primary key,
  name            text not null check (length(name) between 1 and 255 and name is nfc normalized),
  description     text not null default '' check (length(description) <= 8000),
  seniority_level text not null check (seniority_level in ('junior', 'mid', 'senior')),
  industry        text references plant.industries (slug),
  specializations text[] not null default '{}' check (array_position(specializations, null) is null),
  version         bigint not null default 1 check (version > 0),
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  deleted_at      timestamptz
);
create unique index job_roles_name_key on plant.job_roles (lower(name collate "und-x-icu")) where deleted_at is null;
create index job_roles_by_created_at on plant.job_roles (created_at desc, id desc) where deleted_at is null;

create table plant.job_role_skills (
  job_role_id uuid not null references plant.job_roles on delete cascade,
  skill_id    uuid not null references plant.skills,
  primary key (job_role_id, skill_id)
);
create index job_role_skills_by_skill on plant.job_role_skills (skill_id);

create table plant.teams (
  id           uuid primary key,
  owner_issuer text not null check (length(owner_issuer) between 1 and 2048),
  owner        text not null check (length(owner) between 1 and 255),
  name         text not null check (length(name) between 1 and 255 and name is nfc normalized),
  description  text not null default '' check (length(description) <= 8000),
  job_role_id  uuid not null references plant.job_roles,
  version      bigint not null default 1 check (version > 0),
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  deleted_at   timestamptz,
  unique (id, owner_issuer, owner) -- so that an agent can only join a team of its own owner
);

alter table plant.teams enable row level security, force row level security;
create policy owner on plant.teams to current_user using (true) with check (true);
create policy readers on plant.teams for select to plant_app using (true);

grant select on plant.industries, plant.skills, plant.job_roles, plant.job_role_skills, plant.teams to plant_app;

insert into plant.industries (id, slug, name, description) values
  ('01900000-0000-7000-8000-000000000001', 'marketing', 'Marketing', 'Content, campaigns, search, social media and brand.'),
  ('01900000-0000-7000-8000-000000000002', 'education', 'Education', 'Teaching, tutoring, course design and assessment.'),
  ('01900000-0000-7000-8000-000000000003', 'sales',     'Sales',     'Prospecting, outreach, proposals and account growth.');

---- create above / drop below ----

drop table plant.teams, plant.job_role_skills, plant.job_roles, plant.skills, plant.industries;
