-- Answers to requests with an Idempotency-Key, kept for a day. The row is written in the transaction of the work
-- itself, so that an answer that was given and the effect that it tells of are never apart.

create table plant.idempotency_keys (
  issuer       text not null,
  subject      text not null,
  route        text not null check (length(route) <= 2048),        -- method and path as sent
  key          text not null check (length(key) between 1 and 255),
  request_hash bytea not null check (length(request_hash) = 32),   -- SHA-256 of the request
  answer       jsonb not null,
  expires_at   timestamptz not null,
  primary key (issuer, subject, route, key)
);
create index idempotency_keys_by_expiry on plant.idempotency_keys (expires_at);

-- Private to the caller.
alter table plant.idempotency_keys enable row level security, force row level security;
create policy owner on plant.idempotency_keys to current_user using (true) with check (true);
create policy callers on plant.idempotency_keys to plant_app
  using (issuer = current_setting('plant.issuer', true) and subject = current_setting('plant.subject', true))
  with check (issuer = current_setting('plant.issuer', true) and subject = current_setting('plant.subject', true));
grant select, insert, delete on plant.idempotency_keys to plant_app;

---- create above / drop below ----

drop table plant.idempotency_keys;
