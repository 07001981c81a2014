-- Extensions, the group that the functions log in as members of, and the caller as policies and triggers see it.

create extension if not exists vector;
create extension if not exists pg_trgm;

-- Groups belong to the whole cluster: another database of it may have made this one, even at this moment.
do $$
begin
  create role plant_app nologin nosuperuser nocreatedb nocreaterole noinherit nobypassrls noreplication;
exception
  when duplicate_object or unique_violation then null;
end $$;

create schema plant;
revoke all on schema public from public;
grant usage on schema plant to plant_app;
grant usage on schema public to plant_app; -- the types and operators of the extensions

-- The caller: set with set_config(…, true) at the start of each transaction, never for a session.
-- A setting that is missing or left empty is null here, and null lets nothing through.
create function plant.caller_role() returns text
  language sql stable parallel safe
  return nullif(current_setting('plant.role', true), '');

create function plant.caller_owns(issuer text, owner text) returns boolean
  language sql stable parallel safe
  return coalesce(
    issuer = nullif(current_setting('plant.issuer', true), '')
    and owner = nullif(current_setting('plant.owner', true), ''), false);

revoke all on function plant.caller_role(), plant.caller_owns(text, text) from public;
grant execute on function plant.caller_role(), plant.caller_owns(text, text) to plant_app;

---- create above / drop below ----

drop schema plant cascade;
grant usage on schema public to public;
revoke usage on schema public from plant_app;
-- The group stays: other databases of the cluster may use it. So do the extensions: they may have been there before.
