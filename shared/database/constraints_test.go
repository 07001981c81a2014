package database_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waooaw/plant/shared/database/dbtest"
)

// valid rows, by table: SQL of each column that has no default. What they refer to is arranged by the test.
var valid = map[string]map[string]string{
	"industries": {"id": "gen_random_uuid()", "slug": "'retail'", "name": "'Retail'"},
	"skills":     {"id": "gen_random_uuid()", "name": "'Go'", "category": "'technical'"},
	"job_roles":  {"id": "gen_random_uuid()", "name": "'Clerk'", "seniority_level": "'mid'", "industry": "'sales'", "required_skills": "array[" + aSkill + "::uuid]"},
	"teams": {
		"id": "gen_random_uuid()", "owner_issuer": "'i'", "owner": "'ada'", "name": "'Team'", "job_role_id": role, "agent_ids": "array[" + agent + "::uuid]",
	},
	"agents": {
		"id": "gen_random_uuid()", "owner_issuer": "'i'", "owner": "'ada'", "name": "'Name'", "specialization": "'Work'", "industry": "'sales'", "hourly_rate": "10",
	},
	"agent_statistics": {"agent_id": agent},
	"hires":            {"id": "gen_random_uuid()", "agent_id": agent, "customer_issuer": "'i'", "customer": "'carl'", "duration": "'monthly'"},
	"reviews":          {"id": "gen_random_uuid()", "hire_id": hire, "rating": "5"},
	"job_events": {
		"agent_id": agent, "event_id": "'e'", "occurred_at": "now()", "job_id": "'j'", "kind": "'job_completed'",
	},
	"jobs": {"agent_id": agent, "job_id": "'j'", "ended_at": "now()", "event_id": "'e'", "completed": "true"},
	"job_rollups": {
		"agent_id": agent, "grain": "'day'", "starts_at": "now()", "jobs": "2", "completed": "1", "duration_ms_sum": "0", "cost_sum": "0", "cost_samples": "0", "slots": "'{}'", "counts": "'{}'",
	},
	"amendment_salts": {"pseudonym": "repeat('0', 64)", "issuer": "'i'", "subject": "'s'", "salt": aHash},
	"amendments": {
		"entity_type": "'agent'", "entity_id": "gen_random_uuid()", "version": "1", "action": "'create'", "actor_issuer": "'i'", "actor_role": "'partner'", "actor": "repeat('0', 64)",
		"change": "'{}'", "at": "now()", "previous_hash": aHash, "hash": aHash,
	},
	"checkpoints":        {"size": "1", "note": "'n'"},
	"embedding_models":   {"slot": "0", "name": "'m'", "state": "'retired'", "texts": "0"},
	"search_documents":   {"id": "gen_random_uuid()", "kind": "'a'", "name": "'n'", "terms": "'{}/536870912'"},
	"search_frequencies": {"kind": "'a'", "stem": "'s'", "documents": "1"},
	"search_postings":    {"kind": "'a'", "stem": "'s'", "impact": "1", "id": "gen_random_uuid()"},
	"search_vectors":     {"slot": "1", "id": "gen_random_uuid()", "kind": "'a'", "digest": "'d'"},
	"tree_hashes":        {"level": "0", "n": "1000", "hash": aHash},
	"idempotency_keys": {
		"issuer": "'i'", "subject": "'s'", "route": "'r'", "key": "'k'", "request_hash": "decode(repeat('00', 32), 'hex')", "answer": "'{}'", "expires_at": "now()",
	},
}

const (
	role   = "'01900000-0000-7000-8000-0000000000aa'"
	agent  = "'01900000-0000-7000-8000-0000000000bb'"
	aSkill = "'01900000-0000-7000-8000-0000000000cc'"
	hire   = "'01900000-0000-7000-8000-000000000022'"
	aHash  = "decode(repeat('00', 32), 'hex')"
)

// with returns an INSERT of a valid row with some columns changed: "column = expression; …".
func with(table, changes string) string {
	row := maps.Clone(valid[table])
	for change := range strings.SplitSeq(changes, "; ") {
		if column, value, ok := strings.Cut(change, " = "); ok {
			row[column] = value
		}
	}
	columns := slices.Sorted(maps.Keys(row))
	values := make([]string, len(columns))
	for i, column := range columns {
		values[i] = row[column]
	}
	return `insert into plant.` + table + ` (` + strings.Join(columns, ", ") + `) values (` + strings.Join(values, ", ") + `)`
}

// Every CHECK of the schema, by its name, refuses what it should, and takes what is just within it. Columns of the same
// kind have the same rules.
func TestConstraints(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.Exec(t, with("skills", "id = "+aSkill+"; name = 'A skill'"))
	db.Exec(t, with("job_roles", "id = "+role+"; name = 'Role'"))
	db.Exec(t, with("agents", "id = "+agent))
	db.Exec(t, with("hires", "id = "+hire+"; status = 'active'; activated_at = now()"))
	db.Exec(t, `delete from plant.agent_statistics`)
	db.Exec(t, with("embedding_models", "slot = 1; state = 'serving'"))
	db.Exec(t, `select plant.make_event_day((now() at time zone 'UTC')::date)`)
	conn, err := pgx.Connect(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })

	type rule struct{ taken, refused []string }
	text := func(longest string) rule {
		return rule{[]string{"'x'", "repeat('é', " + longest + ")"}, []string{"''", "repeat('é', " + longest + " + 1)"}}
	}
	const decomposed = `U&'e\0301'`
	name := text("255")
	name.refused = append(name.refused, decomposed)
	specialization := text("100")
	specialization.refused = append(specialization.refused, decomposed)
	description := rule{[]string{"''", "repeat('é', 8000)"}, []string{"repeat('x', 8001)"}}
	version := rule{[]string{"1"}, []string{"0", "-1"}} // any other is of a later change
	hash := rule{nil, []string{`'\x'`, "decode(repeat('00', 31), 'hex')", "decode(repeat('00', 33), 'hex')"}}
	few := rule{[]string{"'{}'", "array_fill('x'::text, '{50}')"}, []string{"array_fill('x'::text, '{51}')", "'{x,null}'"}}
	count := rule{[]string{"0", "9223372036854775807"}, []string{"-1"}}
	ids := func(count string) string {
		return "(select array_agg(gen_random_uuid()) from generate_series(1, " + count + "))"
	}
	// A team of others than its agent's owner can only be one that is deleted.
	ownerless := func(r rule) rule {
		for i := range r.taken {
			r.taken[i] += "; deleted_at = now()"
		}
		return r
	}
	numbers := func(each string) string { return "array_fill(" + each + "::real, '{384}')::vector::halfvec" }
	kind := rule{[]string{"'a'", "'s'", "'j'"}, []string{"'x'"}}
	rules := map[string]rule{
		"embedding_models.slot":        {[]string{"0"}, []string{"-1", "2"}},
		"embedding_models.name":        text("255"),
		"embedding_models.state":       {[]string{"'building'", "'retired'"}, []string{"'x'"}},
		"embedding_models.texts":       count,
		"search_documents.kind":        kind,
		"search_frequencies.documents": {[]string{"1"}, []string{"0"}},
		"search_postings.impact":       {[]string{"0.1"}, []string{"0", "-1"}},
		"search_vectors.kind":          kind,
		"search_vectors.vector":        {[]string{numbers("0.051"), "null"}, []string{numbers("0"), numbers("1")}}, // I11, I12: NaN is no half-precision number
		"industries.slug": {
			[]string{"'a'", "'a-1-b'", "'0'", "repeat('a', 63)", "'0190abcd-0000-7000-8000-0000000000a'", "repeat('a', 32)"},
			[]string{"''", "'A'", "'a_b'", "'-a'", "'a-'", "'a--b'", "'a b'", "repeat('a', 64)", `E'a\n'`, "'é'", "'0190abcd-0000-7000-8000-0000000000aa'"},
		},
		"job_roles.required_skills": {nil, []string{"'{}'", "array[" + aSkill + "::uuid, null]", ids("101")}},
		"teams.agent_ids":           {nil, []string{"'{}'", "array[" + agent + "::uuid, null]", ids("1001")}},
		"industries.name":           text("255"), "industries.description": description, "industries.version": version,
		"skills.name": name, "skills.description": description, "skills.version": version,
		"skills.category":       {[]string{"'technical'", "'soft_skill'", "'domain_expertise'", "'certification'"}, []string{"''", "'Technical'", "'other'"}},
		"job_roles.name":        name,
		"job_roles.description": description, "job_roles.version": version,
		"job_roles.seniority_level": {[]string{"'junior'", "'mid'", "'senior'"}, []string{"''", "'lead'"}},
		"job_roles.specializations": {[]string{"'{}'", "'{a,b}'"}, []string{"'{a,null}'"}},
		"teams.name":                name, "teams.description": description, "teams.version": version, "teams.owner": ownerless(text("255")), "teams.owner_issuer": ownerless(text("2048")),
		"agents.name": name, "agents.description": description, "agents.version": version, "agents.owner": text("255"), "agents.owner_issuer": text("2048"),
		"agents.specialization": specialization, "agents.external_id": text("255"), "agents.tags": few, "agents.languages": few,
		"agents.card":        {[]string{"'{}'", `'{"a":"'||repeat('x',65536-8)||'"}'`}, []string{"'[]'", "'1'", `'{"a":"'||repeat('x',65536-7)||'"}'`}},
		"agents.hourly_rate": {[]string{"0.01", "9999999999.99"}, []string{"0", "-1", "0.004"}},
		"agents.currency":    {[]string{"'INR'", "'XXX'"}, []string{"''", "'inr'", "'IN'", "'INRR'", `E'INR\n'`, "'ÀÀÀ'"}},
		"agents.trial_days":  {[]string{"0", "90"}, []string{"-1", "91"}},
		"agents.allowed_durations": {
			[]string{"'{monthly}'", "'{yearly,quarterly,monthly}'"}, []string{"'{}'", "'{weekly}'", "'{monthly,weekly}'", "'{monthly,null}'"},
		},
		"agents.skill_ids":            {[]string{"'{}'"}, []string{"array_fill(gen_random_uuid(), '{101}')", "array[gen_random_uuid(), null]"}},
		"agents.status":               {[]string{"'available'", "'working'", "'offline'"}, []string{"''", "'retired'"}},
		"agent_statistics.total_jobs": count, "agent_statistics.reviews": {[]string{"0"}, []string{"-1; rating_sum = -1"}},
		"agent_statistics.completed_jobs": {
			[]string{"5; total_jobs = 5", "0; total_jobs = 5"}, []string{"6; total_jobs = 5", "-1; total_jobs = 5; duration_samples = -1"},
		},
		"agent_statistics.duration_ms_sum":  {[]string{"0", "99999999999999999999"}, []string{"-1"}},
		"agent_statistics.duration_samples": {[]string{"2; total_jobs = 2; completed_jobs = 2"}, []string{"1", "3; total_jobs = 2; completed_jobs = 2", "-1"}},
		"agent_statistics.rating_sum":       {[]string{"0", "3; reviews = 3", "15; reviews = 3"}, []string{"1", "2; reviews = 3", "16; reviews = 3"}},
		"agent_statistics.trials_ended":     {[]string{"1"}, []string{"-1; trials_retained = -1"}},
		"agent_statistics.trials_retained":  {[]string{"2; trials_ended = 2"}, []string{"1", "3; trials_ended = 2", "-1; trials_ended = 2"}},
		"agent_statistics.cost_sum":         {[]string{"0", "0.01"}, []string{"-0.01"}},
		"agent_statistics.cost_samples":     {[]string{"1; total_jobs = 1"}, []string{"1", "-1"}},
		"agent_statistics.p95_duration_ms":  {[]string{"null", "0", "1.5"}, []string{"-1"}},
		"job_events.event_id":               {[]string{"'x'", "repeat('x', 128)"}, []string{"''", "repeat('x', 129)"}},
		"job_events.job_id":                 {[]string{"'x'", "repeat('x', 128)"}, []string{"''", "repeat('x', 129)"}},
		"job_events.duration_ms":            {[]string{"null", "0", "31536000000"}, []string{"-1", "31536000001"}},
		"job_events.cost":                   {[]string{"null", "0", "9999999999.99"}, []string{"-0.01"}},
		"job_events.received_at":            {[]string{"now() - interval '5 minutes'", "now() + interval '2160 hours'"}, []string{"now() - interval '301 seconds'", "now() + interval '129601 minutes'"}},
		"job_rollups.jobs":                  {[]string{"1"}, []string{"0; completed = 0", "-1; completed = -1"}},
		"job_rollups.completed":             {[]string{"0", "2"}, []string{"-1", "3"}},
		"job_rollups.duration_ms_sum":       {[]string{"1"}, []string{"-1"}},
		"job_rollups.cost_sum":              {[]string{"1"}, []string{"-0.01"}},
		"job_rollups.cost_samples":          {[]string{"2"}, []string{"-1", "3"}},
		"job_rollups.counts":                {[]string{"'{1,2}'; slots = '{1,2}'"}, []string{"'{1}'", "'{0}'; slots = '{1}'", "'{-1}'; slots = '{1}'", "'{null}'; slots = '{1}'"}},
		"agent_statistics.hires":            count, "agent_statistics.active_hires": count, "agent_statistics.open_trials": count,
		"hires.customer": text("255"), "hires.customer_issuer": text("2048"), "hires.version": version,
		"hires.status":       {[]string{"'trial'"}, []string{"''", "'paused'"}},
		"hires.duration":     {[]string{"'monthly'; status = 'trial'", "'yearly'; status = 'trial'"}, []string{"''; status = 'trial'", "'weekly'; status = 'trial'"}},
		"hires.price":        {[]string{"0", "9999999999999.99"}, []string{"-0.01"}},
		"hires.currency":     {[]string{"'XXX'"}, []string{"''", "'inr'", "'INRR'", `E'INR\n'`}},
		"hires.trial_days":   {[]string{"0", "1", "90"}, []string{"-1; status = 'active'; activated_at = now()", "91"}},
		"hires.activated_at": {[]string{"now(); status = 'active'", "now() + interval '7 days'; status = 'active'"}, []string{"now() - interval '1 second'; status = 'active'", "now() + interval '8 days'; status = 'active'", "now()", "null; status = 'active'"}},
		"hires.ended_at": {
			[]string{"now(); status = 'cancelled'", "now(); status = 'ended'; activated_at = now()", "now() + interval '7 days'; status = 'ended'"},
			[]string{
				"now() - interval '1 second'; status = 'cancelled'", "now(); status = 'ended'; activated_at = now() + interval '1 day'", "now() + interval '8 days'; status = 'cancelled'",
				"now()", "now(); status = 'ended'", "null; status = 'ended'", "now(); status = 'active'; activated_at = now()",
			},
		},
		"hires.id":       {nil, []string{"gen_random_uuid(); customer = 'ada'"}}, // who owns the agent
		"reviews.rating": {[]string{"1", "5"}, []string{"0", "6", "-1"}}, "reviews.version": version,
		"reviews.text":                  {[]string{"''", "repeat('é', 4000)"}, []string{"repeat('x', 4001)", decomposed}},
		"reviews.reply":                 {[]string{"null", "repeat('é', 4000); replied_at = now()"}, []string{"''; replied_at = now()", "repeat('x', 4001); replied_at = now()", decomposed + "; replied_at = now()", "'x'", "null; replied_at = now()"}},
		"idempotency_keys.route":        {[]string{"''", "repeat('x', 2048)"}, []string{"repeat('x', 2049)"}},
		"idempotency_keys.key":          text("255"),
		"idempotency_keys.request_hash": hash,
		"amendment_salts.salt":          hash,
		"amendment_salts.pseudonym":     {nil, []string{"''", "repeat('0', 63)", "repeat('A', 64)"}},
		"amendments.hash":               hash,
		"amendments.previous_hash":      hash,
		"amendments.entity_type":        {[]string{"'skill'", "'job_role'", "'industry'", "'team'", "'review'"}, []string{"''", "'hire'"}},
		"amendments.action": {
			[]string{"'adopt'", "'update'", "'status'", "'certify'", "'uncertify'", "'transfer'", "'delete'", "'restore'", "'remove'"}, []string{"''", "'Create'"},
		},
		"amendments.version": version, "amendments.seq": {[]string{"9223372036854775807", "null"}, []string{"0", "-1"}},
		"checkpoints.size": {[]string{"0", "9223372036854775807"}, []string{"-1"}}, "checkpoints.note": text("8192"),
		"tree_hashes.hash": hash, "tree_hashes.level": {[]string{"62"}, []string{"-1"}}, "tree_hashes.n": {[]string{"0; level = 9"}, []string{"-1"}},
	}

	// A certification is there as a whole, or not at all; of each part the rest is right.
	for _, table := range []string{"skills", "job_roles"} {
		const whole = "'expert'; certification_evidence_url = 'https://e'; certification_issuer = 'Board'; certified_at = '2026-01-01Z'; certified_by_issuer = 'i'; certified_by = 'grace'"
		but := func(column string, values ...string) (changed []string) {
			for _, value := range values {
				changed = append(changed, whole+"; "+column+" = "+value)
			}
			return changed
		}
		certification := rule{[]string{whole}, []string{"'expert'", strings.Replace(whole, "expert", "master", 1)}}
		for column, values := range map[string]rule{
			"certification_evidence_url": {
				[]string{"'https://evidence.example/a?b#c'", "'https://' || repeat('a', 2040)"},
				[]string{"''", "'http://e'", "'https://'", "'https:///a'", "' https://e'", "'HTTPS://e'", "'https://' || repeat('a', 2041)"},
			},
			"certification_issuer": name,
			"certified_by":         text("255"),
			"certified_by_issuer":  text("2048"),
			"certification_expires_at": {
				[]string{"null", "'2026-01-01 00:00:00.000001Z'", "'9999-12-31 23:59:59Z'"}, []string{"'2026-01-01Z'", "'-infinity'", "'infinity'", "'10000-01-01Z'"},
			},
		} {
			certification.taken = append(certification.taken, but(column, values.taken...)...)
			certification.refused = append(certification.refused, but(column, values.refused...)...)
		}
		for _, column := range []string{"certification_level", "certification_evidence_url", "certification_issuer", "certified_at", "certified_by_issuer", "certified_by"} {
			certification.refused = append(certification.refused, but(column, "null")...)
		}
		rules[table+".certification_level"] = certification
		rules[table+".certification_expires_at"] = rule{[]string{"null"}, []string{"'2030-01-01Z'"}}
	}

	insert := func(sql string) (constraint, sqlstate string) {
		t.Helper()
		err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return err
			}
			return errTaken // and nothing is kept
		})
		if errors.Is(err, errTaken) {
			return "", ""
		}
		refused, ok := errors.AsType[*pgconn.PgError](err)
		if !ok {
			t.Fatalf("%s: %v", sql, err)
		}
		return refused.ConstraintName, refused.Code
	}
	const checkViolation, notNullViolation = "23514", "23502"
	refused := map[string]bool{}
	for at, rule := range rules {
		table, column, _ := strings.Cut(at, ".")
		for _, value := range rule.taken {
			if constraint, code := insert(with(table, column+" = "+value)); code != "" {
				t.Errorf("%s = %s: refused, %s %s", at, value, code, constraint)
			}
		}
		for _, value := range rule.refused {
			constraint, code := insert(with(table, column+" = "+value))
			if code != checkViolation || !strings.HasPrefix(constraint, table+"_") {
				t.Errorf("%s = %s: got %s %s, want a check of its own", at, value, code, constraint)
			}
			refused[constraint] = true
		}
	}
	// These follow from what is part of them, whose checks come first by their names.
	for _, implied := range []string{"agent_statistics_reviews_check", "agent_statistics_total_jobs_check", "agent_statistics_trials_ended_check"} {
		refused[implied] = true
	}
	checks := dbtest.Scalar[[]string](t, db, `select array_agg(conname::text order by conname) from pg_constraint where connamespace = 'plant'::regnamespace and contype = 'c' and conislocal`)
	if diff := cmp.Diff(checks, slices.Sorted(maps.Keys(refused))); diff != "" {
		t.Errorf("checks of the schema, and those that were tried: %s", diff)
	}
	for table, row := range valid {
		if constraint, code := insert(with(table, "")); code != "" {
			t.Errorf("a valid row of %s: %s %s", table, code, constraint)
		}
		for column := range row {
			if table == "job_roles" && column == "industry" {
				continue // a role may be of every industry
			}
			if table+"."+column == "job_events.occurred_at" || table+"."+column == "job_rollups.grain" {
				continue // there is no partition of nothing
			}
			if _, code := insert(with(table, column+" = null")); code != notNullViolation {
				t.Errorf("%s.%s = null: got %q, want %s", table, column, code, notNullViolation)
			}
		}
	}
}

var errTaken = errors.New("taken")

// What is unique, and what refers to what: each by the constraint that keeps it.
func TestConstraints_BetweenRows(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	const (
		team   = "'01900000-0000-7000-8000-0000000000dd'"
		loner  = "'01900000-0000-7000-8000-0000000000ee'"
		unused = "'01900000-0000-7000-8000-0000000000ff'"
		idle   = "'01900000-0000-7000-8000-000000000044'"
		gone   = "'01900000-0000-7000-8000-000000000011'"
	)
	db.Exec(t, with("skills", "id = "+aSkill+"; name = 'Größe'"))
	db.Exec(t, with("skills", "id = "+unused+"; name = 'Unused'"))
	db.Exec(t, with("skills", "id = "+gone+"; name = 'Gone'; deleted_at = now()"))
	db.Exec(t, with("job_roles", "id = "+role+"; name = 'Role'"))
	db.Exec(t, with("job_roles", "id = "+idle+"; name = 'Unused'"))
	db.Exec(t, with("job_roles", "id = "+gone+"; name = 'Gone'; deleted_at = now()"))
	db.Exec(t, with("industries", "slug = 'gone'; deleted_at = now()"))
	db.Exec(t, with("agents", "id = "+agent+"; external_id = 'taken'; skill_ids = array["+aSkill+"::uuid]"))
	db.Exec(t, with("agents", "id = "+loner+"; industry = 'education'"))
	db.Exec(t, with("agents", "id = "+gone+"; deleted_at = now(); industry = 'gone'; skill_ids = array["+gone+"::uuid]; job_role_id = "+gone))
	db.Exec(t, with("teams", "id = "+team))
	db.Exec(t, with("teams", "id = "+gone+"; agent_ids = array["+loner+"::uuid]; deleted_at = now()"))
	conn, err := pgx.Connect(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	var (
		exclusive = `update plant.agents set exclusive = true where id = ` + loner + `; `
		hired     = with("hires", "agent_id = "+loner+"; id = "+hire) + `; `
		lapsed    = with("hires", "agent_id = "+loner+"; id = "+hire+"; created_at = now() - interval '7 days'") + `; `
		again     = with("hires", "agent_id = "+loner+"; customer = 'cora'") + `; `
		goOn      = `update plant.hires set status = 'active'; `
		review    = with("reviews", "") + `; `
		worded    = with("reviews", "text = 'I am Carl'") + `; `
	)
	tests := []struct{ name, sql, constraint string }{
		{"an industry's slug, though it is deleted", with("industries", "slug = 'sales'"), "industries_slug_key"},
		{"a skill's name in another case", with("skills", "name = 'GRÖßE'"), "skills_name_key"},
		{"a deleted skill's name", with("skills", "name = 'gone'"), ""},
		{"a role's name in another case", with("job_roles", "name = 'ROLE'"), "job_roles_name_key"},
		{"an external id", with("agents", "external_id = 'taken'"), "agents_external_id_key"},
		{"an external id in another case", with("agents", "external_id = 'Taken'"), ""},
		{"another owner's external id", with("agents", "external_id = 'taken'; owner = 'bob'"), ""},
		{"another issuer's external id", with("agents", "external_id = 'taken'; owner_issuer = 'j'"), ""},
		{"a deleted agent's external id", `update plant.teams set deleted_at = now(); update plant.agents set deleted_at = now(); ` + with("agents", "external_id = 'taken'"), ""},
		{"an industry that there is not", with("agents", "industry = 'mining'"), "agents_industry_fkey"},
		{"a role that there is not", with("agents", "job_role_id = gen_random_uuid()"), "agents_job_role_id_fkey"},
		{"a skill that there is not", with("agents", "skill_ids = array[gen_random_uuid()]"), "agent_skills_skill_id_fkey"},
		{"another owner's team", with("agents", "owner = 'bob'; team_id = "+team), "agents_team_id_owner_issuer_owner_fkey"},
		{"another issuer's team", with("agents", "owner_issuer = 'j'; team_id = "+team), "agents_team_id_owner_issuer_owner_fkey"},
		{"to leave a team behind with its owner", `update plant.agents set owner = 'bob'`, "agents_team_id_owner_issuer_owner_fkey"},
		{"to give away what is in no team", `update plant.agents set owner = 'bob' where id = ` + loner, ""},
		{"to leave a team empty", `update plant.agents set team_id = null`, "teams_agent_ids_check"},
		{"to delete a team's last agent", `update plant.agents set deleted_at = now()`, "teams_agent_ids_check"},
		{"to delete a team", `update plant.teams set deleted_at = now()`, ""},
		{"an agent twice in a team", with("teams", "agent_ids = array["+loner+"::uuid, "+loner+"]"), "teams_agent_ids_live"},
		{"an agent that there is not in a team", with("teams", "agent_ids = array[gen_random_uuid()]"), "teams_agent_ids_live"},
		{"a deleted agent in a team", with("teams", "agent_ids = array["+gone+"::uuid]"), "teams_agent_ids_live"},
		{"another team's agent in a team", with("teams", ""), "teams_agent_ids_key"},
		{"another owner's agent in a team", with("teams", "owner = 'bob'; agent_ids = array["+loner+"::uuid]"), "agents_team_id_owner_issuer_owner_fkey"},
		{"a deleted skill of an agent", with("agents", "skill_ids = array["+gone+"::uuid]"), "agents_skill_ids_live"},
		{"a deleted role of an agent", with("agents", "job_role_id = "+gone), "agents_job_role_id_live"},
		{"a deleted team of an agent", with("agents", "team_id = "+gone), "agents_team_id_live"},
		{"a deleted industry of an agent", with("agents", "industry = 'gone'"), "agents_industry_live"},
		{"a deleted skill that comes to an agent", `update plant.agents set skill_ids = array[` + gone + `::uuid] where id = ` + agent, "agents_skill_ids_live"},
		{"a deleted role that comes to an agent", `update plant.agents set job_role_id = ` + gone + ` where id = ` + agent, "agents_job_role_id_live"},
		{"a deleted team that comes to an agent", `update plant.agents set team_id = ` + gone + ` where id = ` + loner, "agents_team_id_live"},
		{"all that is deleted of a deleted agent", with("agents", "deleted_at = now(); job_role_id = "+gone), ""},
		{"to restore an agent whose skill is deleted", `update plant.agents set deleted_at = null where id = ` + gone, "agents_skill_ids_live"},
		{"to restore an agent whose role is deleted", `update plant.agents set deleted_at = null, skill_ids = '{}' where id = ` + gone, "agents_job_role_id_live"},
		{"to restore an agent whose industry is deleted", `update plant.agents set deleted_at = null, skill_ids = '{}', job_role_id = null where id = ` + gone, "agents_industry_live"},
		{"a deleted skill of a role", with("job_roles", "required_skills = array["+gone+"::uuid]"), "job_roles_required_skills_live"},
		{"a skill of a role that there is not", with("job_roles", "required_skills = array[gen_random_uuid()]"), "job_role_skills_skill_id_fkey"},
		{"a deleted industry of a role", with("job_roles", "industry = 'gone'"), "job_roles_industry_live"},
		{"a deleted skill that comes to a role", `update plant.job_roles set required_skills = array[` + gone + `::uuid] where id = ` + role, "job_roles_required_skills_live"},
		{"a deleted role of a team", with("teams", "agent_ids = array["+loner+"::uuid]; job_role_id = "+gone), "teams_job_role_id_live"},
		{"a deleted role that comes to a team", `update plant.teams set job_role_id = ` + gone + ` where id = ` + team, "teams_job_role_id_live"},
		{"to delete an agent's aSkill", `update plant.skills set deleted_at = now() where id = ` + aSkill, "skills_in_use"},
		{"to delete a role's aSkill", `update plant.agents set skill_ids = '{}'; update plant.skills set deleted_at = now() where id = ` + aSkill, "skills_in_use"},
		{"to delete a skill that nothing uses", `update plant.skills set deleted_at = now() where id = ` + unused, ""},
		{"to delete a team's role", `update plant.job_roles set deleted_at = now() where id = ` + role, "job_roles_in_use"},
		{"to delete an agent's role", `update plant.agents set job_role_id = ` + idle + `; update plant.job_roles set deleted_at = now() where id = ` + idle, "job_roles_in_use"},
		{"to delete a role that nothing uses", `update plant.job_roles set deleted_at = now() where id = ` + idle, ""},
		{"to delete an agent's industry", `update plant.industries set deleted_at = now() where slug = 'education'`, "industries_in_use"},
		{"to delete a role's industry", `update plant.agents set deleted_at = now() where team_id is null; update plant.job_roles set industry = 'education'; update plant.industries set deleted_at = now() where slug = 'education'`, "industries_in_use"},
		{"to delete an industry that nothing uses", `update plant.job_roles set industry = null; update plant.agents set deleted_at = now() where team_id is null; update plant.industries set deleted_at = now() where slug = 'education'`, ""},
		{"a role's industry in use", `delete from plant.industries where slug = 'sales'`, "job_roles_industry_fkey"},
		{"a role's skill in use", `delete from plant.skills where id = ` + aSkill, "job_role_skills_skill_id_fkey"},
		{"an industry in use", `update plant.job_roles set industry = null; delete from plant.industries where slug = 'sales'`, "agents_industry_fkey"},
		{"a skill in use", `update plant.job_roles set required_skills = array[` + unused + `::uuid]; delete from plant.skills where id = ` + aSkill, "agent_skills_skill_id_fkey"},
		{"a deleted agent's hire", with("hires", "agent_id = "+gone), "hires_agent_live"},
		{"a hire of an agent that there is not", with("hires", "agent_id = gen_random_uuid()"), "hires_agent_live"},
		{"a hire of an agent that is offline", `update plant.agents set status = 'offline'; ` + with("hires", ""), "hires_agent_offline"},
		{"a hire for longer than the agent is hired for", with("hires", "duration = 'yearly'"), "hires_duration_allowed"},
		{"a hire of one's own agent", with("hires", "customer = 'ada'"), "hires_not_of_ones_own"},
		{"a hire by who has the name of the owner at another issuer", with("hires", "customer = 'ada'; customer_issuer = 'j'"), ""},
		{"a second hire", hired + again, ""},
		{"a second hire of what is exclusive", exclusive + hired + again, "hires_exclusive_key"},
		{"a hire of what is exclusive beside one from before that", hired + exclusive + again, "hires_exclusive_key"},
		{"to make exclusive what is hired twice", hired + again + exclusive, "hires_exclusive_key"},
		{"a second hire of what is exclusive no more", exclusive + hired + `update plant.agents set exclusive = false; ` + again, ""},
		{"a hire of what is exclusive after a trial that lapsed", exclusive + lapsed + again, ""},
		{"to make exclusive what is hired once, and was before", lapsed + again + exclusive, ""},
		{"to delete what is hired", hired + `update plant.agents set deleted_at = now() where id = ` + loner, "agents_hired"},
		{"to delete what was tried", lapsed + `update plant.agents set deleted_at = now() where id = ` + loner, ""},
		{"to delete what is hired no more", hired + `update plant.hires set status = 'cancelled'; update plant.agents set deleted_at = now() where id = ` + loner, ""},
		{"to give an agent to who hires it", hired + `update plant.agents set owner = 'carl' where id = ` + loner, "hires_not_of_ones_own"},
		{"to give an agent to who tried it", lapsed + `update plant.agents set owner = 'carl' where id = ` + loner, ""},
		{"to go on with a trial that lapsed", lapsed + `update plant.hires set status = 'active'`, "hires_legal_move"},
		{"to cancel a trial that lapsed", lapsed + `update plant.hires set status = 'cancelled'`, "hires_legal_move"},
		{"to end a trial before its time", hired + `update plant.hires set status = 'ended'`, "hires_legal_move"},
		{"to cancel what went on", hired + goOn + `update plant.hires set status = 'cancelled'`, "hires_legal_move"},
		{"to bring back what has ended", hired + goOn + `update plant.hires set status = 'ended'; update plant.hires set status = 'active'`, "hires_legal_move"},
		{"to go on with what was cancelled", hired + `update plant.hires set status = 'cancelled'; ` + goOn, "hires_legal_move"},
		{"to change a hire's price", hired + `update plant.hires set price = 1`, "hires_frozen"},
		{"to change a hire's customer", hired + `update plant.hires set customer = 'cora'`, "hires_frozen"},
		{"to make a trial longer", hired + `update plant.hires set trial_days = 90, trial_ends_at = created_at + interval '90 days'`, "hires_frozen"},
		{"a review of a trial that runs", hired + review, "reviews_of_what_was_tried"},
		{"a review of a trial that lapsed", lapsed + review, ""},
		{"a review of a trial that was cancelled", hired + `update plant.hires set status = 'cancelled'; ` + review, ""},
		{"a review of what went on", hired + goOn + review, ""},
		{"two reviews of a hire", hired + goOn + review + review, "reviews_hire_id_key"},
		{"a review of no hire", review, "reviews_hire_id_fkey"},
		{"a review of what became one's own", lapsed + `update plant.agents set owner = 'carl' where id = ` + loner + `; ` + review, "reviews_not_of_ones_own"},
		{"to change a review", hired + goOn + review + `update plant.reviews set rating = 1`, "reviews_frozen"},
		{"to reply to a review", hired + goOn + review + `update plant.reviews set reply = 'Thank you'`, ""},
		{"to reply to a review twice", hired + goOn + review + `update plant.reviews set reply = 'Thank you'; update plant.reviews set reply = 'No'`, "reviews_one_reply"},
		{"to take a reply back", hired + goOn + review + `update plant.reviews set reply = 'Thank you'; select set_config('plant.role', 'partner', true); update plant.reviews set reply = null`, "reviews_one_reply"},
		{"to erase a reply", hired + goOn + review + `update plant.reviews set reply = 'Thank you'; update plant.reviews set reply = null`, ""},
		{"to put other words in a review", hired + goOn + review + `update plant.reviews set text = 'Bad'`, "reviews_frozen"},
		{"to take a review's words away", hired + goOn + worded + `select set_config('plant.role', 'governor', true); update plant.reviews set text = ''`, "reviews_frozen"},
		{"to erase a review's words", hired + goOn + worded + `update plant.reviews set text = ''`, ""},
		{"to delete what was hired", lapsed + `delete from plant.agents where id = ` + loner, "hires_agent_id_fkey"},
		{"a price of one's own", `update plant.agents set price = 1`, "428C9"},
		{"a rating of one's own", `update plant.agent_statistics set avg_rating = 5`, "428C9"},
	}
	for _, test := range tests {
		err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			for statement := range strings.SplitSeq(test.sql, "; ") {
				if _, err := tx.Exec(t.Context(), statement); err != nil {
					return err
				}
			}
			return errTaken // and nothing is kept
		})
		got := ""
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
			got = refused.ConstraintName
			if got == "" {
				got = refused.Code
			}
		}
		if got != test.constraint {
			t.Errorf("%s: got %q, %v, want %q", test.name, got, err, test.constraint)
		}
	}
}
