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

// D13: the database's owner erases the words of a review, or all of it. What it counted goes with it, and nothing that was
// signed changes.
func TestD13_ErasureOfReviews(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	owner, app := connect(t, d), asApp(t, d)
	by(t, app, "partner", "ada", createAgent(1))
	reviewID := func(n int) string { return agentID(100 + n) }
	for n, rating := range []int{5, 4, 1} {
		exec(t, owner, `insert into plant.hires (id, agent_id, customer_issuer, customer, duration, created_at)
			values ($1, $2, 'https://issuer.example', 'carl', 'monthly', now() - interval '100 days')`, agentID(10+n), agentID(1))
		exec(t, owner, `insert into plant.reviews (id, hire_id, rating, text) values ($1, $2, $3, 'I am Carl')`, reviewID(n), agentID(10+n), rating)
	}
	by(t, app, "partner", "ada", `update plant.reviews set reply = 'Thank you, Carl' where id = '`+reviewID(0)+`'`)
	by(t, app, "governor", "grace", `update plant.reviews set hidden = true where id = '`+reviewID(2)+`'`)
	auditor := newAuditor(t)
	auditor.sign(t, owner)
	before := exported(t, owner)
	counted := func(want string) {
		t.Helper()
		if got := scalar[string](t, owner, `select reviews || ' reviews, ' || rating_sum || ' stars' from plant.agent_statistics`); got != want {
			t.Errorf("counted are %s, want %s", got, want)
		}
	}
	counted("2 reviews, 9 stars")
	for _, set := range []string{`text = 'Else'`, `text = '', rating = 4`, `reply = 'Else'`} {
		if _, err := owner.Exec(t.Context(), `update plant.reviews set `+set+` where id = $1`, reviewID(0)); err == nil {
			t.Errorf("the owner may set %s", set)
		}
	}
	for role, subject := range map[string]string{"partner": "ada", "governor": "grace", "customer": "carl"} {
		for _, set := range []string{`text = ''`, `reply = null`} {
			var changed int64
			err := pgx.BeginFunc(t.Context(), app, func(tx pgx.Tx) error {
				caller(t, tx, role, subject)
				tag, err := tx.Exec(t.Context(), `update plant.reviews set `+set+` where id = $1`, reviewID(0))
				changed = tag.RowsAffected()
				return err
			})
			if err == nil && changed > 0 {
				t.Errorf("a %s may set %s", role, set)
			}
		}
	}
	exec(t, owner, `update plant.reviews set text = '', reply = null where id = $1`, reviewID(0))
	const row = `select concat_ws(' ', rating, version, '<' || text || '>', reply, replied_at) from plant.reviews where id = $1`
	if got := scalar[string](t, owner, row, reviewID(0)); got != "5 3 <>" {
		t.Errorf("left is %s", got)
	}
	counted("2 reviews, 9 stars")
	exec(t, owner, `delete from plant.reviews where id = $1`, reviewID(0))
	counted("1 reviews, 4 stars")
	exec(t, owner, `delete from plant.reviews where id = $1`, reviewID(2)) // which was hidden
	counted("1 reviews, 4 stars")
	exec(t, owner, `delete from plant.reviews`)
	counted("0 reviews, 0 stars")
	after := exported(t, owner)
	if diff := cmp.Diff(before, after[:len(before)]); diff != "" || len(after) != len(before)+4 {
		t.Errorf("%d amendments and then %d; erasing changed: %s", len(before), len(after), diff)
	}
	auditor.holds(t, owner)
}
