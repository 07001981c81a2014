-- Hires, which are private, and what customers say of them, which is public.

-- A hire belongs to its customer, and to whoever owns its agent: the partner, past hires too when the agent is given away.
-- A trial that nobody goes on with is over at trial_ends_at, by itself: no row changes at that moment, and whoever reads it
-- as ended reads the clock. It is written down, as settled, when the agent is next hired, is about to be deleted, or when
-- scheduled work comes by.
create table plant.hires (
  id              uuid primary key,
  agent_id        uuid not null references plant.agents,
  customer_issuer text not null check (length(customer_issuer) between 1 and 2048),
  customer        text not null check (length(customer) between 1 and 255),
  partner_issuer  text not null, -- as the agent has them, always
  partner         text not null,
  exclusive       boolean not null, -- as the agent is, while the hire runs
  status          text not null check (status in ('trial', 'active', 'ended', 'cancelled')),
  duration        text not null check (duration in ('monthly', 'quarterly', 'yearly')),
  price           numeric(15, 2) not null check (price >= 0), -- this and the next two as the agent had them when it was hired
  currency        text not null check (currency ~ '^[A-Z]{3}$'),
  trial_days      int not null check (trial_days between 0 and 90),
  trial_ends_at   timestamptz not null,
  activated_at    timestamptz, -- when it went on after its trial, or at birth where there is none
  ended_at        timestamptz,
  version         bigint not null default 1 check (version > 0),
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  -- When its trial was over, or will be where nobody says anything; null where it never had one.
  trial_over_at   timestamptz generated always as (case
    when trial_days > 0 then coalesce(activated_at, case when status = 'cancelled' then ended_at end, trial_ends_at) end) stored,
  constraint hires_activated_in_time check (activated_at between created_at and trial_ends_at),
  constraint hires_ended_in_time check (ended_at >= coalesce(activated_at, created_at)),
  constraint hires_times_follow_the_status check (case status
    when 'trial' then activated_at is null and ended_at is null and trial_days > 0
    when 'active' then activated_at is not null and ended_at is null
    when 'cancelled' then activated_at is null and ended_at <= trial_ends_at
    else ended_at is not null and (activated_at is not null or ended_at = trial_ends_at) end),
  constraint hires_not_of_ones_own check (
    status not in ('trial', 'active') or (customer_issuer, customer) <> (partner_issuer, partner))
);
create unique index hires_exclusive_key on plant.hires (agent_id) where exclusive and status in ('trial', 'active');
create index hires_by_created_at on plant.hires (created_at desc, id desc);
create index hires_by_status on plant.hires (status, created_at desc, id desc);
create index hires_by_customer on plant.hires (customer, customer_issuer, created_at desc, id desc);
create index hires_by_partner on plant.hires (partner, partner_issuer, created_at desc, id desc);
create index hires_by_agent on plant.hires (agent_id, created_at desc, id desc);
create index hires_by_trial on plant.hires (agent_id, trial_over_at) where trial_days > 0;
create index hires_on_trial on plant.hires (agent_id, trial_ends_at) where status = 'trial';
create index hires_running on plant.hires (agent_id) where status in ('trial', 'active');

create table plant.reviews (
  id         uuid primary key,
  hire_id    uuid not null unique references plant.hires, -- one a hire
  agent_id   uuid not null references plant.agents,       -- the hire's
  rating     int not null check (rating between 1 and 5),
  text       text not null default '' check (length(text) <= 4000 and text is nfc normalized),
  reply      text check (length(reply) between 1 and 4000 and reply is nfc normalized),
  replied_at timestamptz,
  hidden     boolean not null default false, -- by a governor: neither shown nor counted
  version    bigint not null default 1 check (version > 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint reviews_reply_is_whole check ((reply is null) = (replied_at is null))
);
create index reviews_by_agent on plant.reviews (agent_id, created_at desc, id desc) where not hidden;
create index reviews_of_agent on plant.reviews (agent_id, created_at desc, id desc); -- for governors, hidden ones too

-- Nothing was ever hired or reviewed before this: figures that say otherwise were made up.
update plant.agent_statistics set reviews = 0, rating_sum = 0, trials_ended = 0, trials_retained = 0, updated_at = now()
where reviews > 0 or trials_ended > 0;

-- trials_ended counts the trials that somebody ended, by going on or by cancelling, and those that are settled. Trials that
-- have lapsed since come on top, when it is read: as many as lapsed_trials says. None before lapses_at, so that reading an
-- agent asks for them only where there may be some.
alter table plant.agent_statistics
  add hires bigint not null default 0 check (hires >= 0), -- ever
  add active_hires bigint not null default 0 check (active_hires >= 0),
  add open_trials bigint not null default 0 check (open_trials >= 0), -- lapsed ones too, while they are not settled
  add lapses_at timestamptz; -- no trial of those is over before; null where there are none

create index agent_statistics_by_lapse on plant.agent_statistics (lapses_at) where lapses_at is not null;

create function plant.lapsed_trials(of_agent uuid) returns bigint
  language plpgsql stable security definer set search_path = plant, pg_temp as $$ -- whose plan is kept, as that of SQL is not
begin
  return (select count(*) from hires where agent_id = of_agent and status = 'trial' and trial_ends_at <= now());
end $$;

-- How many trials of each of the agents were over in [since, until), and how many of them went on. Hires are private, this is not.
create function plant.trials_over(agents uuid[], since timestamptz, until timestamptz)
  returns table (agent_id uuid, trials_ended bigint, trials_retained bigint)
  language plpgsql stable security definer set search_path = plant, pg_temp as $$
begin
  return query
    select h.agent_id, count(*), count(h.activated_at) from hires h
    where h.agent_id = any (agents) and h.trial_days > 0 and h.trial_over_at >= since and h.trial_over_at < until and h.trial_over_at <= now()
    group by h.agent_id;
end $$;

-- Writes down which trials of an agent have lapsed. It changes nothing that anyone reads, and so no version.
create function plant.settle_trials(of_agent uuid) returns void
  language plpgsql set search_path = plant, pg_temp as $$
begin
  update hires set status = 'ended', ended_at = trial_ends_at
  where agent_id = of_agent and status = 'trial' and trial_ends_at <= now();
end $$;

-- The same for those agents whose trials have waited longest, at most so many of them. Nothing needs it to be right; it
-- makes agents quicker to read, so it is for scheduled work, and leaves out agents that somebody works on. For statistics
-- it waits, agent by agent in the order that 013's events lock them in. It returns how many agents it has settled.
create function plant.settle_lapsed(most int) returns int
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  of_agent uuid;
  settled  int := 0;
begin
  for of_agent in
    select agent_id from (select agent_id from agent_statistics where lapses_at <= now() order by lapses_at limit most) l order by agent_id
  loop
    perform from agents where id = of_agent for no key update skip locked;
    if found then
      perform settle_trials(of_agent);
      update agent_statistics set lapses_at = (select min(trial_ends_at) from hires where agent_id = of_agent and status = 'trial')
        where agent_id = of_agent;
      settled := settled + 1;
    end if;
  end loop;
  return settled;
end $$;

-- Whoever locks a hire and its agent locks the agent first, and a hire before its agent's statistics.

-- What a hire has of its agent, it gets here. Who may give a column (plant_app may not) can tell of the past.
create function plant.hire_made() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  a plant.agents;
begin
  perform from agents where id = new.agent_id for no key update;
  select * into a from agents where id = new.agent_id;
  if new.agent_id is not null and (a.id is null or a.deleted_at is not null) then
    raise foreign_key_violation using message = 'a deleted agent would be hired', constraint = 'hires_agent_live';
  end if;
  new.partner_issuer := a.owner_issuer;
  new.partner := a.owner;
  new.exclusive := a.exclusive;
  new.price := coalesce(new.price, a.price);
  new.currency := coalesce(new.currency, a.currency);
  new.trial_days := coalesce(new.trial_days, a.trial_days);
  new.trial_ends_at := new.created_at + new.trial_days * interval '24 hours';
  if new.status is null then
    if a.status = 'offline' then
      raise check_violation using message = 'an agent would be hired that is offline', constraint = 'hires_agent_offline';
    elsif new.duration <> all (a.allowed_durations) then
      raise check_violation using message = 'the agent is not hired for so long', constraint = 'hires_duration_allowed';
    elsif new.trial_days > 0 then
      new.status := 'trial';
    else
      new.status := 'active';
      new.activated_at := new.created_at;
    end if;
  end if;
  perform settle_trials(new.agent_id);
  return new;
end $$;

-- The legal moves: trial → active, cancelled, or ended by lapsing; active → ended. All else that a hire begins with stays,
-- but for what it has of its agent at any time.
create function plant.hire_moves() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  lapsed boolean := old.status = 'trial' and old.trial_ends_at <= now();
begin
  if (old.id, old.agent_id, old.customer_issuer, old.customer, old.duration, old.price, old.currency, old.trial_days, old.trial_ends_at, old.created_at)
    is distinct from (new.id, new.agent_id, new.customer_issuer, new.customer, new.duration, new.price, new.currency, new.trial_days, new.trial_ends_at, new.created_at) then
    raise check_violation using message = 'what a hire begins with cannot be changed', constraint = 'hires_frozen';
  end if;
  if new.status = old.status then
    new.activated_at := old.activated_at;
    new.ended_at := old.ended_at;
    return new;
  end if;
  if not (case when lapsed then new.status = 'ended' and new.ended_at = old.trial_ends_at
    when old.status = 'trial' then new.status in ('active', 'cancelled')
    when old.status = 'active' then new.status = 'ended'
    else false end) then
    raise check_violation using message = 'a hire cannot go from ' || old.status || ' to ' || new.status, constraint = 'hires_legal_move';
  end if;
  -- A transaction that began before the hire did, by its clock, does not turn the order round.
  if new.status = 'active' then
    new.activated_at := greatest(now(), old.created_at);
  elsif not lapsed then
    new.activated_at := old.activated_at;
    new.ended_at := greatest(now(), old.activated_at, old.created_at);
  end if;
  return new;
end $$;

create function plant.hire_counted() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  went_on int := (new.trial_days > 0 and new.activated_at is not null)::int;
  over int := (new.trial_days > 0 and new.status <> 'trial')::int;
  active int := (new.status = 'active')::int;
  open int := (new.status = 'trial')::int;
begin
  if tg_op = 'UPDATE' then
    went_on := went_on - (old.trial_days > 0 and old.activated_at is not null)::int;
    over := over - (old.trial_days > 0 and old.status <> 'trial')::int;
    active := active - (old.status = 'active')::int;
    open := open - (old.status = 'trial')::int;
  end if;
  update agent_statistics s set
    hires = s.hires + (tg_op = 'INSERT')::int,
    active_hires = s.active_hires + active,
    open_trials = s.open_trials + open,
    trials_ended = s.trials_ended + over,
    trials_retained = s.trials_retained + went_on,
    -- Nobody else hires the agent meanwhile, so no trial can have come that this does not see.
    lapses_at = case when s.open_trials + open = 0 then null
      when tg_op = 'INSERT' then (select min(trial_ends_at) from hires where agent_id = new.agent_id and status = 'trial')
      else s.lapses_at end,
    updated_at = now()
  where s.agent_id = new.agent_id;
  return null;
end $$;

create trigger hire_made before insert on plant.hires
  for each row execute function plant.hire_made();
create trigger hire_moves before update on plant.hires
  for each row execute function plant.hire_moves();
create trigger hire_counted_on_insert after insert on plant.hires
  for each row execute function plant.hire_counted();
create trigger hire_counted after update on plant.hires for each row
  when (old.status <> new.status) execute function plant.hire_counted();

-- The other side: an agent that is hired is not deleted, and what hires have of their agent follows it.
create function plant.agent_hired() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
begin
  perform settle_trials(new.id);
  if new.deleted_at is not null and exists (select from hires where agent_id = new.id and status in ('trial', 'active')) then
    raise foreign_key_violation using message = 'an agent would be deleted that is hired', constraint = 'agents_hired';
  end if;
  update hires set partner_issuer = new.owner_issuer, partner = new.owner
  where agent_id = new.id and (partner_issuer, partner) <> (new.owner_issuer, new.owner);
  update hires set exclusive = new.exclusive
  where agent_id = new.id and status in ('trial', 'active') and exclusive <> new.exclusive;
  return null;
end $$;

create trigger agent_hired after update of owner_issuer, owner, exclusive, deleted_at on plant.agents for each row
  when ((old.owner_issuer, old.owner, old.exclusive, old.deleted_at) is distinct from (new.owner_issuer, new.owner, new.exclusive, new.deleted_at))
  execute function plant.agent_hired();

-- A review is of a hire that was tried: its trial is over, or it went on. Who owns the agent by now does not praise it.
create function plant.review_made() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  h plant.hires;
begin
  select * into h from hires where id = new.hire_id;
  if new.hire_id is not null and not found then
    raise foreign_key_violation using message = 'a review would be of no hire', constraint = 'reviews_hire_id_fkey';
  elsif h.status = 'trial' and h.trial_ends_at > now() then
    raise check_violation using message = 'a review would be of a trial that is not over', constraint = 'reviews_of_what_was_tried';
  elsif (h.customer_issuer, h.customer) = (h.partner_issuer, h.partner) then
    raise check_violation using message = 'a review would be of one''s own agent', constraint = 'reviews_not_of_ones_own';
  end if;
  new.agent_id := h.agent_id;
  return new;
end $$;

-- What was said stays. A reply is given once, by the partner; hiding is for governors. Only the database's owner, whom no
-- caller's role stands for, can erase words, of those who want to be forgotten.
create function plant.review_moves() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  by_owner constant boolean := plant.caller_role() is null;
begin
  if (old.id, old.hire_id, old.agent_id, old.rating, old.created_at) is distinct from (new.id, new.hire_id, new.agent_id, new.rating, new.created_at)
    or new.text is distinct from old.text and not (by_owner and new.text = '') then
    raise check_violation using message = 'what a review says cannot be changed', constraint = 'reviews_frozen';
  end if;
  new.replied_at := old.replied_at;
  if new.reply is distinct from old.reply then
    if by_owner and new.reply is null then
      new.replied_at := null;
    elsif old.reply is not null then
      raise check_violation using message = 'a review has one reply', constraint = 'reviews_one_reply';
    elsif not by_owner and not exists (
      select from hires h where h.id = new.hire_id and plant.caller_owns(h.partner_issuer, h.partner)) then
      raise insufficient_privilege using message = 'only the partner replies to a review';
    else
      new.replied_at := now();
    end if;
  end if;
  if new.hidden <> old.hidden and plant.caller_role() <> 'governor' then
    raise insufficient_privilege using message = 'only governors hide a review';
  end if;
  return new;
end $$;

create function plant.review_counted() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp as $$
declare
  more int := (tg_op <> 'DELETE' and not new.hidden)::int - (tg_op <> 'INSERT' and not old.hidden)::int;
begin
  update agent_statistics set reviews = reviews + more, rating_sum = rating_sum + more * coalesce(new.rating, old.rating), updated_at = now()
  where agent_id = coalesce(new.agent_id, old.agent_id);
  return null;
end $$;

-- Reviews are public, so each change of one is amended, but for the words: whoever wrote them may want them gone, and an
-- amendment is for ever. That a governor hid one, and which, is what it has to tell.
create function plant.review_amended() returns trigger
  language plpgsql security definer set search_path = plant, pg_temp set timezone = 'UTC' as $$
declare
  words constant text[] := '{text,reply}';
begin
  case tg_op
    when 'INSERT' then
      if new.version <> 1 then
        raise check_violation using message = 'a new entity has version 1', constraint = 'amendments_version_follows';
      end if;
      perform plant.amend('review', new.id, 1, 'create', null, to_jsonb(new) - words, '{}');
    when 'UPDATE' then
      if new.version <> old.version + 1 then
        raise check_violation using message = 'the next version is one more than the last', constraint = 'amendments_version_follows';
      end if;
      perform plant.amend('review', new.id, new.version, 'update', to_jsonb(old) - words, to_jsonb(new) - words, '{}');
    else
      perform plant.amend('review', old.id, old.version + 1, 'remove', to_jsonb(old) - words, null, '{}');
  end case;
  return null;
end $$;

alter table plant.amendments drop constraint amendments_entity_type_check;
alter table plant.amendments add constraint amendments_entity_type_check
  check (entity_type in ('agent', 'skill', 'job_role', 'industry', 'team', 'review')) not valid; -- what is there has kept the stricter one

create trigger review_made before insert on plant.reviews
  for each row execute function plant.review_made();
create trigger review_moves before update on plant.reviews
  for each row execute function plant.review_moves();
create trigger next_version before update on plant.reviews for each row when (old.version = new.version) execute function plant.next_version();
create trigger _amended after insert or update or delete on plant.reviews for each row execute function plant.review_amended();
create trigger truncated before truncate on plant.reviews for each statement execute function plant.refuse('a truncation would leave no amendment');
create trigger review_counted_on_insert after insert on plant.reviews for each row
  when (not new.hidden) execute function plant.review_counted();
create trigger review_counted after update on plant.reviews for each row
  when (old.hidden <> new.hidden) execute function plant.review_counted();
create trigger review_counted_on_delete after delete on plant.reviews for each row -- an erasure
  when (not old.hidden) execute function plant.review_counted();

revoke all on function plant.lapsed_trials(uuid), plant.trials_over(uuid[], timestamptz, timestamptz), plant.settle_trials(uuid), plant.settle_lapsed(int),
  plant.hire_made(), plant.hire_moves(), plant.hire_counted(), plant.agent_hired(),
  plant.review_made(), plant.review_moves(), plant.review_counted(), plant.review_amended() from public;
grant execute on function plant.lapsed_trials(uuid), plant.trials_over(uuid[], timestamptz, timestamptz), plant.settle_lapsed(int) to plant_app;

-- A hire is there for its customer, for its partner and for governors, and for nobody else. A partner only ends it. Of what
-- is not a CASE the planner expects one row in a hundred to pass, and sorts all that it could have read in order.
alter table plant.hires enable row level security, force row level security;
create policy owner on plant.hires to current_user using (true) with check (true);
create policy readers on plant.hires for select to plant_app using (
  case plant.caller_role() when 'governor' then true
    when 'customer' then plant.caller_owns(customer_issuer, customer)
    when 'partner' then plant.caller_owns(partner_issuer, partner) else false end);
create policy creators on plant.hires for insert to plant_app with check (
  plant.caller_role() in ('governor', 'customer') and plant.caller_owns(customer_issuer, customer));
create policy changers on plant.hires for update to plant_app
  using (case plant.caller_role() when 'governor' then true
    when 'customer' then plant.caller_owns(customer_issuer, customer)
    when 'partner' then plant.caller_owns(partner_issuer, partner) else false end)
  with check (case plant.caller_role() when 'governor' then true
    when 'customer' then plant.caller_owns(customer_issuer, customer)
    when 'partner' then plant.caller_owns(partner_issuer, partner) and status = 'ended' else false end);

-- Everybody reads reviews. Those that are hidden are there for governors, and for whom the hire is there.
alter table plant.reviews enable row level security, force row level security;
create policy owner on plant.reviews to current_user using (true) with check (true);
create policy readers on plant.reviews for select to plant_app using (
  not hidden or plant.caller_role() = 'governor' or exists (select from plant.hires h where h.id = hire_id));
create policy creators on plant.reviews for insert to plant_app with check (
  plant.caller_role() in ('governor', 'customer') and exists (
    select from plant.hires h where h.id = hire_id and plant.caller_owns(h.customer_issuer, h.customer)));
create policy changers on plant.reviews for update to plant_app
  using (plant.caller_role() = 'governor' or plant.caller_role() = 'partner' and exists (
    select from plant.hires h where h.id = hire_id and plant.caller_owns(h.partner_issuer, h.partner)))
  with check (plant.caller_role() in ('governor', 'partner'));

grant select on plant.hires, plant.reviews to plant_app;
grant insert (id, agent_id, customer_issuer, customer, duration) on plant.hires to plant_app;
grant update (status, version, updated_at) on plant.hires to plant_app;
grant insert (id, hire_id, rating, text) on plant.reviews to plant_app;
grant update (reply, hidden, version, updated_at) on plant.reviews to plant_app;

---- create above / drop below ----

drop trigger agent_hired on plant.agents;
drop function plant.lapsed_trials(uuid), plant.trials_over(uuid[], timestamptz, timestamptz), plant.settle_trials(uuid), plant.settle_lapsed(int);
drop table plant.reviews, plant.hires;
drop function plant.hire_made(), plant.hire_moves(), plant.hire_counted(), plant.agent_hired(),
  plant.review_made(), plant.review_moves(), plant.review_counted(), plant.review_amended();
drop index plant.agent_statistics_by_lapse;
alter table plant.agent_statistics drop hires, drop active_hires, drop open_trials, drop lapses_at;
update plant.agent_statistics set reviews = 0, rating_sum = 0, trials_ended = 0, trials_retained = 0
where reviews > 0 or trials_ended > 0;
-- Amendments of reviews stay: the tree holds them.
alter table plant.amendments drop constraint amendments_entity_type_check;
alter table plant.amendments add constraint amendments_entity_type_check
  check (entity_type in ('agent', 'skill', 'job_role', 'industry', 'team')) not valid;
do $$
begin
  if not exists (select from plant.amendments where entity_type = 'review') then
    alter table plant.amendments validate constraint amendments_entity_type_check;
  end if;
end $$;
