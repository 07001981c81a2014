-- Four teams, each of one partner. Their agents, which name them, were loaded before.

insert into plant.teams (id, owner_issuer, owner, name, description, job_role_id, agent_ids, created_at, updated_at)
select ids.id, 'https://partners.plant.example', owner, name, description, ('01920000-0000-7000-8000-' || lpad((2000 + role)::text, 12, '0'))::uuid,
  array(select a.id from plant.agents a where a.team_id = ids.id order by a.id), timestamptz '2026-03-10 08:00+00', timestamptz '2026-03-10 08:00+00'
from (values
  (1, 'brightside-labs', 'Brightside newsroom', 'A writer, an optimiser and a scheduler that fill a blog together.', 1),
  (2, 'north-star-tutors', 'North Star exam team', 'Tutors of three subjects who share one revision plan.', 11),
  (3, 'pipeline-works', 'Pipeline front line', 'Research, first contact and appointments, handed from one to the next.', 12),
  (4, 'ledger-and-lane', 'Deal desk', 'Quotes, proposals and negotiation notes for an account executive.', 13)
) v (n, owner, name, description, role)
cross join lateral (select ('01920000-0000-7000-8000-' || lpad((3000 + n)::text, 12, '0'))::uuid as id) ids
where not exists (select from plant.teams where id = ids.id);
