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
	"job_roles":  {"id": "gen_random_uuid()", "name": "'Clerk'", "seniority_level": "'mid'", "industry": "'sales'"},
	"teams":      {"id": "gen_random_uuid()", "owner_issuer": "'i'", "owner": "'ada'", "name": "'Team'", "job_role_id": role},
	"agents": {
		"id": "gen_random_uuid()", "owner_issuer": "'i'", "owner": "'ada'", "name": "'Name'", "specialization": "'Work'", "industry": "'sales'", "hourly_rate": "10",
	},
	"agent_statistics": {"agent_id": agent},
	"idempotency_keys": {
		"issuer": "'i'", "subject": "'s'", "route": "'r'", "key": "'k'", "request_hash": "decode(repeat('00', 32), 'hex')", "answer": "'{}'", "expires_at": "now()",
	},
}

const (
	role  = "'01900000-0000-7000-8000-0000000000aa'"
	agent = "'01900000-0000-7000-8000-0000000000bb'"
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
	db.Exec(t, `insert into plant.job_roles (id, name, seniority_level) values (`+role+`, 'Role', 'mid')`)
	db.Exec(t, strings.Replace(with("agents", ""), "gen_random_uuid()", agent, 1))
	db.Exec(t, `delete from plant.agent_statistics`)
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
	version := rule{[]string{"1", "9223372036854775807"}, []string{"0", "-1"}}
	few := rule{[]string{"'{}'", "array_fill('x'::text, '{50}')"}, []string{"array_fill('x'::text, '{51}')", "'{x,null}'"}}
	count := rule{[]string{"0", "9223372036854775807"}, []string{"-1"}}
	rules := map[string]rule{
		"industries.slug": {
			[]string{"'a'", "'a-1-b'", "'0'", "repeat('a', 63)"},
			[]string{"''", "'A'", "'a_b'", "'-a'", "'a-'", "'a--b'", "'a b'", "repeat('a', 64)", `E'a\n'`, "'é'"},
		},
		"industries.name": text("255"), "industries.description": description, "industries.version": version,
		"skills.name": name, "skills.description": description, "skills.version": version,
		"skills.category":       {[]string{"'technical'", "'soft_skill'", "'domain_expertise'", "'certification'"}, []string{"''", "'Technical'", "'other'"}},
		"job_roles.name":        name,
		"job_roles.description": description, "job_roles.version": version,
		"job_roles.seniority_level": {[]string{"'junior'", "'mid'", "'senior'"}, []string{"''", "'lead'"}},
		"job_roles.specializations": {[]string{"'{}'", "'{a,b}'"}, []string{"'{a,null}'"}},
		"teams.name":                name, "teams.description": description, "teams.version": version, "teams.owner": text("255"), "teams.owner_issuer": text("2048"),
		"agents.name": name, "agents.description": description, "agents.version": version, "agents.owner": text("255"), "agents.owner_issuer": text("2048"),
		"agents.specialization": specialization, "agents.external_id": text("255"), "agents.tags": few, "agents.languages": few,
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
		"idempotency_keys.route":            {[]string{"''", "repeat('x', 2048)"}, []string{"repeat('x', 2049)"}},
		"idempotency_keys.key":              text("255"),
		"idempotency_keys.request_hash":     {nil, []string{`'\x'`, "decode(repeat('00', 31), 'hex')", "decode(repeat('00', 33), 'hex')"}},
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
	checks := dbtest.Scalar[[]string](t, db, `select array_agg(conname::text order by conname) from pg_constraint where connamespace = 'plant'::regnamespace and contype = 'c'`)
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
		skill = "'01900000-0000-7000-8000-0000000000cc'"
		team  = "'01900000-0000-7000-8000-0000000000dd'"
	)
	db.Exec(t, `insert into plant.job_roles (id, name, seniority_level) values (`+role+`, 'Role', 'mid')`)
	db.Exec(t, with("teams", "id = "+team))
	db.Exec(t, with("skills", "id = "+skill+"; name = 'Größe'"))
	db.Exec(t, with("agents", "id = "+agent+"; external_id = 'taken'; skill_ids = array["+skill+"::uuid]; team_id = "+team))
	conn, err := pgx.Connect(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	tests := []struct{ name, sql, constraint string }{
		{"an industry's slug, though it is deleted", with("industries", "slug = 'sales'"), "industries_slug_key"},
		{"a skill's name in another case", with("skills", "name = 'GRÖßE'"), "skills_name_key"},
		{"a deleted skill's name", `update plant.skills set deleted_at = now(); ` + with("skills", "name = 'Größe'"), ""},
		{"a role's name in another case", with("job_roles", "name = 'ROLE'"), "job_roles_name_key"},
		{"an external id", with("agents", "external_id = 'taken'"), "agents_external_id_key"},
		{"an external id in another case", with("agents", "external_id = 'Taken'"), ""},
		{"another owner's external id", with("agents", "external_id = 'taken'; owner = 'bob'"), ""},
		{"another issuer's external id", with("agents", "external_id = 'taken'; owner_issuer = 'j'"), ""},
		{"a deleted agent's external id", `update plant.agents set deleted_at = now(); ` + with("agents", "external_id = 'taken'"), ""},
		{"an industry that there is not", with("agents", "industry = 'mining'"), "agents_industry_fkey"},
		{"a role that there is not", with("agents", "job_role_id = gen_random_uuid()"), "agents_job_role_id_fkey"},
		{"a skill that there is not", with("agents", "skill_ids = array[gen_random_uuid()]"), "agent_skills_skill_id_fkey"},
		{"another owner's team", with("agents", "owner = 'bob'; team_id = "+team), "agents_team_id_owner_issuer_owner_fkey"},
		{"another issuer's team", with("agents", "owner_issuer = 'j'; team_id = "+team), "agents_team_id_owner_issuer_owner_fkey"},
		{"to leave a team behind with its owner", `update plant.agents set owner = 'bob'`, "agents_team_id_owner_issuer_owner_fkey"},
		{"to give away what is in no team", `update plant.agents set owner = 'bob', team_id = null`, ""},
		{"an industry in use", `delete from plant.industries where slug = 'sales'`, "agents_industry_fkey"},
		{"a skill in use", `delete from plant.skills`, "agent_skills_skill_id_fkey"},
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
