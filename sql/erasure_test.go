package sql_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/database/dbtest"
)

// D13: deleting one row makes a person unknown; not one byte of what was signed changes, and the person's next change is
// someone else's.
func TestD13_Erasure(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	owner, app := connect(t, d), asApp(t, d)
	fill(t, d, 6)
	by(t, app, "governor", "grace",
		`insert into plant.skills (id, name, category) values ('`+agentID(100)+`', 'Skill', 'technical')`,
		`update plant.skills set certification_level = 'expert', certification_evidence_url = 'https://e.example', certification_issuer = 'Board',
			certified_at = now(), certified_by_issuer = 'https://issuer.example', certified_by = 'grace', version = version + 1`)
	auditor := newAuditor(t)
	auditor.sign(t, owner)
	before := exported(t, owner)
	const names = `select count(*) from plant.amendments m where m::text ~ '\m(ada|grace)\M'`
	if got := scalar[int](t, owner, names); got != 0 {
		t.Errorf("%d amendments hold a name", got)
	}
	pseudonymOf := func(subject string) string {
		return scalar[string](t, owner, `select coalesce((select pseudonym from plant.amendment_salts where issuer = 'https://issuer.example' and subject = $1), '')`, subject)
	}
	ada, grace := pseudonymOf("ada"), pseudonymOf("grace")
	if n := scalar[int](t, owner, `select count(*) from plant.amendments where actor = $1 and change::jsonb #>> '{owner,1}' = $1`, ada); n != 6 {
		t.Errorf("%d agents begin with their owner's pseudonym as actor and owner", n)
	}
	if n := scalar[int](t, owner, `select count(*) from plant.amendments where actor = $1 and change::jsonb #>> '{certified_by,1}' = $1`, grace); n != 1 {
		t.Errorf("%d certifications name who certified", n)
	}
	// It is not a hash that can be found by trying names: the salt is 32 bytes, and its own.
	if n := scalar[int](t, owner, `select count(distinct salt) from plant.amendment_salts where pseudonym = encode(sha256(salt || convert_to(plant.canonical(jsonb_build_array(issuer, subject)), 'UTF8')), 'hex')`); n < 2 {
		t.Errorf("%d pseudonyms are what they should be", n)
	}
	exec(t, owner, `delete from plant.amendment_salts where subject = 'ada'`)
	after := exported(t, owner)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("forgetting changed: %s", diff)
	}
	if report, err := auditor.verify(after); err != nil || report.Last != report.Signed {
		t.Errorf("got %+v, %v", report, err)
	}
	by(t, app, "partner", "ada", updateAgent(1, "name = 'Again'"))
	if again := pseudonymOf("ada"); again == ada || again == "" {
		t.Errorf("the new pseudonym is %q", again)
	}
	if got := scalar[string](t, owner, `select actor from plant.amendments order by id desc limit 1`); got != pseudonymOf("ada") {
		t.Errorf("the next change is by %s", got)
	}
	auditor.holds(t, owner)
	// Salts are for governors and for the person.
	for who, want := range map[string]int{"partner ada": 1, "partner eve": 0, "governor heidi": scalar[int](t, owner, `select count(*) from plant.amendment_salts`)} {
		role, subject, _ := strings.Cut(who, " ")
		err := pgx.BeginFunc(t.Context(), app, func(tx pgx.Tx) error {
			caller(t, tx, role, subject)
			if got := scalar[int](t, tx, `select count(*) from plant.amendment_salts`); got != want {
				t.Errorf("%s sees %d salts, want %d", who, got, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := scalar[int](t, app, `select count(*) from plant.amendment_salts`); got != 0 {
		t.Errorf("nobody sees %d salts", got)
	}
}
