package agents

import "strings"

// auditRule is a rule of the constitution. Its statement finds what breaks it: entity_type, entity_id and detail of each.
type auditRule struct {
	id, says string
	ofChains bool // it is about amendments, their chains and the tree
	sql      string
}

// concerns reports whether the rule is about entities of the scope: one of a type (L1-TYPE-…) may not be.
func (r auditRule) concerns(within scope) bool {
	ofType := strings.ToUpper(strings.ReplaceAll(within.EntityType, "_", ""))
	return within.EntityType == "" || !strings.HasPrefix(r.id, "L1-") || strings.HasPrefix(r.id, "L1-"+ofType+"-")
}

const everyChangeHasAnAmendment = "L0-02"

// auditRules are all rules. What constraints and triggers keep is looked at again, since whoever owns the database can get
// them out of the way.
var auditRules = []auditRule{
	{id: "L0-01", says: "every entity has a governing principal: an owner, or whoever is accountable for its first amendment", sql: `
	select 'agent' as entity_type, id as entity_id, 'it has no owner' as detail from plant.agents where owner = '' or owner_issuer = ''
	union all select 'team', id, 'it has no owner' from plant.teams where owner = '' or owner_issuer = ''
	union all ` + ofEach(`
	select '{type}', r.id, 'nobody is on record for its beginning' from plant.{table} r where not exists (
		select from plant.amendments m where m.entity_id = r.id and m.entity_type = '{type}' and m.action in ('create', 'adopt'))`)},

	{id: everyChangeHasAnAmendment, says: "every change has an amendment: each entity is what its amendments make of it", sql: ofEach(`
	select '{type}' as entity_type, coalesce(r.id, said.entity_id) as entity_id,
		case when r.id is null then 'it is gone without an amendment'
			when said.entity_id is null then 'it has no amendment'
			when said.version <> r.version then 'it has version ' || r.version || ' and its last amendment made version ' || said.version
			else 'its fields are not what its amendments say: ' || array_to_string(array(
				select key from jsonb_each(said.state || r.state) x
				where said.state -> key is distinct from r.state -> key order by key), ', ') end as detail
	from (
		select id, version, jsonb_strip_nulls((
			select jsonb_object_agg(key, case jsonb_typeof(value) when 'number' then to_jsonb(value::text) else value end)
			from jsonb_each(plant.amended_row(to_jsonb(t)) - '{id,version,updated_at,owner,certified_by,text,reply}'::text[]))) as state
		from plant.{table} t where @entity_id::uuid is null or id = @entity_id) r
	full join (
		select m.entity_id, max(m.version) as version, (array_agg(m.action order by m.version desc))[1] as action,
			jsonb_strip_nulls(jsonb_object_agg(c.key, c.value -> 1 order by m.version)) - '{owner,certified_by}'::text[] as state
		from plant.amendments m cross join jsonb_each(m.change::jsonb) c
		where m.entity_type = '{type}' and (@entity_id::uuid is null or m.entity_id = @entity_id)
		group by m.entity_id) said on said.entity_id = r.id
	where (r.id is null and said.action <> 'remove') or (r.id is not null and (said.entity_id is null or said.version <> r.version or said.state <> r.state))`) + `
	union all
	select 'agent', a.id, 'its owner is not the one that its amendments say' from plant.agents a join lateral (
		select m.change::jsonb #>> '{owner,1}' as pseudonym from plant.amendments m
		where m.entity_id = a.id and m.entity_type = 'agent' and m.change::jsonb ? 'owner' order by m.version desc limit 1) said on true
	join plant.amendment_salts p on p.pseudonym = said.pseudonym -- or the owner of then is forgotten
	where (p.issuer, p.subject) <> (a.owner_issuer, a.owner)`},

	{id: "L0-03", says: "amendments are append-only: each is in the tree in its place, and nothing keeps its guards from their work", ofChains: true, sql: `
	select coalesce(m.entity_type, 'tree') as entity_type, m.entity_id, case
			when m.seq is null then 'the tree has a leaf ' || t.n + 1 || ' without an amendment'
			when t.hash is null then 'amendment ' || m.seq || ' is not in the tree'
			else 'the tree has another amendment in place ' || m.seq end as detail
	from (select * from plant.amendments where seq is not null) m
	full join (select n, hash from plant.tree_hashes where level = 0) t on t.n = m.seq - 1
	where t.hash is distinct from sha256('\x00'::bytea || m.hash)
	union all
	select 'tree', null, 'its node ' || l.n / 2 || ' of level ' || l.level + 1 || ' does not follow from its halves'
	from plant.tree_hashes l join plant.tree_hashes r on r.level = l.level and r.n = l.n + 1
	left join plant.tree_hashes p on p.level = l.level + 1 and p.n = l.n / 2
	where l.n % 2 = 0 and p.hash is distinct from sha256('\x01'::bytea || l.hash || r.hash)
	union all
	select 'table', null, relname || ': its trigger ' || tgname || ' is switched off'
	from pg_trigger join pg_class c on c.oid = tgrelid
	where relnamespace = 'plant'::regnamespace and tgenabled not in ('O', 'A') and not tgisinternal
	union all
	select 'table', null, t || ': its trigger ' || g || ' is missing' from (
		select t, unnest(array['_amended', 'next_version', 'truncated']) as g from unnest(array['agents', 'skills', 'job_roles', 'industries', 'teams', 'reviews']) t
		union all select t, unnest(array['append_only', 'append_only_truncate']) from unnest(array['amendments', 'tree_hashes', 'checkpoints']) t
		union all select 'amendments', 'append_only_delete') needed
	where not exists (select from pg_trigger where tgrelid = ('plant.' || t)::regclass and tgname = g)`},

	{id: "L0-04", says: "the chain of versions is whole: no version is missing or comes twice, each names the hash of the one before it", ofChains: true, sql: `
	select entity_type, entity_id, case
			when hash <> computed then 'version ' || version || ' was changed: it has another hash'
			when before_version is null then 'versions before ' || version || ' are missing'
			when version <> before_version + 1 then 'versions between ' || before_version || ' and ' || version || ' are missing'
			when begins then 'version ' || version || ' begins the chain anew'
			when previous_hash <> before_hash then 'version ' || version || ' does not follow from the one before it'
			else 'version ' || version || ' has a place before that of the one before it' end as detail
	from (
		select m.entity_type, m.entity_id, m.version, m.seq, m.hash, m.previous_hash, m.action in ('create', 'adopt') as begins,
			sha256(convert_to(plant.amendment_text(m), 'UTF8')) as computed,
			lag(m.version) over chain as before_version, lag(m.hash) over chain as before_hash, lag(m.seq) over chain as before_seq
		from plant.amendments m where @entity_id::uuid is null or m.entity_id = @entity_id
		window chain as (partition by m.entity_type, m.entity_id order by m.version)) c
	where hash <> computed or case when before_version is null
		then not begins or previous_hash <> decode(repeat('00', 32), 'hex')
		else begins or version <> before_version + 1 or previous_hash <> before_hash or seq < before_seq end`},

	{id: "L0-05", says: "the compliance result is exportable: every amendment that is committed has a place, without gaps", ofChains: true, sql: `
	select 'tree' as entity_type, null::uuid as entity_id, 'places ' || before + 1 || ' to ' || seq - 1 || ' are empty' as detail
	from (select seq, lag(seq, 1, 0::bigint) over (order by seq) as before from plant.amendments where seq is not null) s where seq <> before + 1`},

	{id: "L1-AGENT-01", says: "an agent's skills and job role exist, and are not deleted", sql: `
	select 'agent' as entity_type, a.id as entity_id, 'it has a skill that is not there: ' || skill as detail
	from plant.agents a cross join unnest(a.skill_ids) skill
	where a.deleted_at is null and not exists (select from plant.skills k where k.id = skill and k.deleted_at is null)
	union all
	select 'agent', a.id, 'it fills a job role that is not there: ' || a.job_role_id from plant.agents a
	where a.deleted_at is null and a.job_role_id is not null and not exists (select from plant.job_roles j where j.id = a.job_role_id and j.deleted_at is null)`},
	{id: "L1-AGENT-02", says: "an agent's industry is there, and never changes", sql: `
	select 'agent' as entity_type, a.id as entity_id, 'its industry is not there: ' || a.industry as detail from plant.agents a
	where a.deleted_at is null and not exists (select from plant.industries i where i.slug = a.industry and i.deleted_at is null)
	union all
	select 'agent', m.entity_id, 'version ' || m.version || ' changed its industry' from plant.amendments m
	where m.entity_type = 'agent' and m.action not in ('create', 'adopt', 'remove') and m.change like '%"industry":[%' and m.change::jsonb ? 'industry'`},
	{id: "L1-AGENT-03", says: "an agent is in no team but one of its own owner, which knows of it", sql: `
	select 'agent' as entity_type, a.id as entity_id, 'its team is not there, another owner''s, or does not know of it' as detail from plant.agents a
	where a.team_id is not null and not exists (
		select from plant.teams t where t.id = a.team_id and t.deleted_at is null and (t.owner_issuer, t.owner) = (a.owner_issuer, a.owner) and a.id = any (t.agent_ids))`},
	{id: "L1-AGENT-04", says: "an agent's ratings are what its reviews make of it, without those that are hidden", sql: `
	select 'agent' as entity_type, s.agent_id as entity_id, 'its statistics count ' || s.reviews || ' reviews with ' || s.rating_sum || ' stars, and there are ' || r.n || ' with ' || r.stars as detail
	from plant.agent_statistics s cross join lateral (
		select count(*) as n, coalesce(sum(rating), 0) as stars from plant.reviews where agent_id = s.agent_id and not hidden) r
	where (s.reviews, s.rating_sum) <> (r.n, r.stars)`},

	{id: "L1-SKILL-01", says: "a skill's name is its own, in any case", sql: `
	select 'skill' as entity_type, id as entity_id, 'another skill has its name' as detail
	from (select id, count(*) over (partition by lower(normalize(name, nfc))) as n from plant.skills where deleted_at is null) s where n > 1`},
	{id: "L1-SKILL-02", says: "a skill is of one of the four categories", sql: `
	select 'skill' as entity_type, id as entity_id, 'it is of category ' || category as detail from plant.skills
	where category not in ('technical', 'soft_skill', 'domain_expertise', 'certification')`},
	{id: "L1-SKILL-03", says: "a skill's certification has a level, evidence, an issuer and whoever certified, or is not there", sql: incomplete("skill", "skills")},

	{id: "L1-JOBROLE-01", says: "a job role requires at least one skill, and all that it requires are there", sql: `
	select 'job_role' as entity_type, j.id as entity_id, 'it requires no skill' as detail from plant.job_roles j where j.deleted_at is null and j.required_skills = '{}'
	union all
	select 'job_role', j.id, 'it requires a skill that is not there: ' || skill from plant.job_roles j cross join unnest(j.required_skills) skill
	where j.deleted_at is null and not exists (select from plant.skills k where k.id = skill and k.deleted_at is null)`},
	{id: "L1-JOBROLE-02", says: "a job role's name is its own, in any case", sql: `
	select 'job_role' as entity_type, id as entity_id, 'another job role has its name' as detail
	from (select id, count(*) over (partition by lower(normalize(name, nfc))) as n from plant.job_roles where deleted_at is null) s where n > 1`},
	{id: "L1-JOBROLE-03", says: "a job role is junior, mid or senior, and of every industry or of one that is there", sql: `
	select 'job_role' as entity_type, j.id as entity_id, 'its seniority is ' || j.seniority_level || ', its industry ' || coalesce(j.industry, 'any') as detail from plant.job_roles j
	where j.deleted_at is null and (j.seniority_level not in ('junior', 'mid', 'senior')
		or j.industry is not null and not exists (select from plant.industries i where i.slug = j.industry and i.deleted_at is null))`},
	{id: "L1-JOBROLE-04", says: "a job role's certification has a level, evidence, an issuer and whoever certified, or is not there", sql: incomplete("job_role", "job_roles")},

	{id: "L1-TEAM-01", says: "a team has at least one agent, and all of them are there, its owner's and in no other team", sql: `
	select 'team' as entity_type, t.id as entity_id, 'it has no agent' as detail from plant.teams t where t.deleted_at is null and t.agent_ids = '{}'
	union all
	select 'team', t.id, 'it has an agent that is not there, another owner''s or in no such team: ' || agent from plant.teams t cross join unnest(t.agent_ids) agent
	where t.deleted_at is null and not exists (
		select from plant.agents a where a.id = agent and a.deleted_at is null and a.team_id = t.id and (a.owner_issuer, a.owner) = (t.owner_issuer, t.owner))`},
	{id: "L1-TEAM-02", says: "a team fills a job role that is there", sql: `
	select 'team' as entity_type, t.id as entity_id, 'its job role is not there: ' || t.job_role_id as detail from plant.teams t
	where t.deleted_at is null and not exists (select from plant.job_roles j where j.id = t.job_role_id and j.deleted_at is null)`},

	{id: "L1-INDUSTRY-01", says: "an industry's slug is its own, and never changes", sql: `
	select 'industry' as entity_type, id as entity_id, 'another industry has its slug' as detail
	from (select id, count(*) over (partition by slug) as n from plant.industries) s where n > 1
	union all
	select 'industry', m.entity_id, 'version ' || m.version || ' changed its slug' from plant.amendments m
	where m.entity_type = 'industry' and m.action not in ('create', 'adopt', 'remove') and m.change::jsonb ? 'slug'`},

	{id: "L1-REVIEW-01", says: "a review is of a hire of its agent that was tried: its trial is over, or it went on", sql: `
	select 'review' as entity_type, r.id as entity_id, 'its hire is of another agent, is still on trial, or is not there' as detail from plant.reviews r
	where not exists (select from plant.hires h where h.id = r.hire_id and h.agent_id = r.agent_id and not (h.status = 'trial' and h.trial_ends_at > now()))`},
	{id: "L1-REVIEW-02", says: "what a review says never changes", sql: `
	select 'review' as entity_type, m.entity_id, 'version ' || m.version || ' changed what it says' as detail from plant.amendments m
	where m.entity_type = 'review' and m.action not in ('create', 'remove') and m.change::jsonb ?| '{rating,hire_id,agent_id}'::text[]`},
}

// incomplete finds certifications of which a part is missing.
func incomplete(entityType, table string) string {
	return `
	select '` + entityType + `' as entity_type, id as entity_id, 'its certification is not whole' as detail from plant.` + table + `
	where num_nonnulls(certification_level, certification_evidence_url, certification_issuer, certified_at, certified_by_issuer, certified_by) not in (0, 6)`
}
