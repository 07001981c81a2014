-- A caller who is not known keeps no keys: to be without an issuer or a subject is no identity that two could share.

alter policy callers on plant.idempotency_keys
  using (issuer = nullif(current_setting('plant.issuer', true), '') and subject = nullif(current_setting('plant.subject', true), ''))
  with check (issuer = nullif(current_setting('plant.issuer', true), '') and subject = nullif(current_setting('plant.subject', true), ''));

---- create above / drop below ----

alter policy callers on plant.idempotency_keys
  using (issuer = current_setting('plant.issuer', true) and subject = current_setting('plant.subject', true))
  with check (issuer = current_setting('plant.issuer', true) and subject = current_setting('plant.subject', true));
