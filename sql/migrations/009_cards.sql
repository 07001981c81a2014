-- A2A agent cards of partners: kept as they were sent, byte for byte, since a signature is over them. Amendments hold a
-- card's digest in place of its text, so that a change of one is as small as any other, and the text can be checked by it.

alter table plant.agents add card text
  check (octet_length(card) between 2 and 65536 and json_typeof(card::json) = 'object');
grant update (card) on plant.agents to plant_app;

-- A row as amendments know it.
create function plant.amended_row(r jsonb) returns jsonb
  language sql immutable parallel safe
  return case when r ? 'card' then r - 'card' || jsonb_build_object('card_sha256', encode(sha256(convert_to(r ->> 'card', 'UTF8')), 'hex'))
    else r end;
revoke all on function plant.amended_row(jsonb) from public;
grant execute on function plant.amended_row(jsonb) to plant_app;

create or replace function plant.amended() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp set timezone = 'UTC' as $$
begin
  case tg_op
    when 'INSERT' then
      if new.version <> 1 then
        raise check_violation using message = 'a new entity has version 1', constraint = 'amendments_version_follows';
      end if;
      perform plant.amend(tg_argv[0], new.id, 1, 'create', null, plant.amended_row(to_jsonb(new)), tg_argv[1:]);
    when 'UPDATE' then
      if new.version <> old.version + 1 or new.id <> old.id then
        raise check_violation using message = 'the next version is one more than the last', constraint = 'amendments_version_follows';
      end if;
      perform plant.amend(tg_argv[0], new.id, new.version, 'update', plant.amended_row(to_jsonb(old)), plant.amended_row(to_jsonb(new)), tg_argv[1:]);
    else
      perform plant.amend(tg_argv[0], old.id, old.version + 1, 'remove', plant.amended_row(to_jsonb(old)), null, tg_argv[1:]);
  end case;
  return null;
end $$;

---- create above / drop below ----

create or replace function plant.amended() returns trigger
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
drop function plant.amended_row(jsonb);
alter table plant.agents drop column card;
