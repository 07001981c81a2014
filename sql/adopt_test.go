package sql_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waooaw/plant/shared/database/dbtest"
	plantsql "github.com/waooaw/plant/sql"
)

// The last migration without amendments.
const beforeAmendments = 7

// entities is every row of every entity, as text, but for cards, which are younger than amendments.
const entities = `
	select array_agg(line order by line collate "C") from (
		select 'agent ' || (to_jsonb(a) - 'card')::text from plant.agents a union all select 'skill ' || s::text from plant.skills s union all select 'job role ' || j::text from plant.job_roles j
		union all select 'industry ' || i::text from plant.industries i union all select 'team ' || t::text from plant.teams t) rows (line)`

// D14: entities outlive the migration that is taken back, and begin anew, as the versions that they are, when it is
// applied again.
func TestD14_Adoption(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	owner := connect(t, d)
	if err := plantsql.LoadDemo(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	fill(t, d, 6)
	for _, table := range []string{"skills", "job_roles", "industries", "teams"} {
		exec(t, owner, `update plant.`+table+` set description = description || '.'`) // so that it has another version
	}
	newAuditor(t).holds(t, owner)
	before := scalar[[]string](t, owner, entities)
	migrateTo(t, owner, beforeAmendments)
	if diff := cmp.Diff(before, scalar[[]string](t, owner, entities)); diff != "" {
		t.Errorf("without amendments: %s", diff)
	}
	// Nothing is recorded, and nothing stands in the way.
	exec(t, owner, updateAgent(5, "name = 'Unrecorded', tags = '{}'"))
	before = scalar[[]string](t, owner, entities)
	migrateTo(t, owner, plantsql.Latest)
	if diff := cmp.Diff(before, scalar[[]string](t, owner, entities)); diff != "" {
		t.Errorf("with amendments again: %s", diff)
	}
	const notAdopted = `
		select count(*) from (
			select 'agent' as entity_type, id, version from plant.agents union all select 'skill', id, version from plant.skills union all select 'job_role', id, version from plant.job_roles
			union all select 'industry', id, version from plant.industries union all select 'team', id, version from plant.teams) e
		full join plant.amendments m on m.entity_type = e.entity_type and m.entity_id = e.id and m.version = e.version and m.action = 'adopt' and m.actor_role = 'login'
		where m.entity_id is null or e.id is null`
	if got := scalar[int](t, owner, notAdopted); got != 0 {
		t.Errorf("%d entities were not adopted, or adopted as others", got)
	}
	if got := scalar[string](t, owner, `select change::jsonb #>> '{name,1}' from plant.amendments where entity_id = $1`, agentID(5)); got != "Unrecorded" {
		t.Errorf("adopted as %q", got)
	}
	app := asApp(t, d)
	by(t, app, "partner", "ada", updateAgent(5, "name = 'Recorded'"))
	if got := scalar[[]string](t, owner, `select array_agg(action || ' ' || version order by version) from plant.amendments where entity_id = $1`, agentID(5)); !cmp.Equal(got, []string{"adopt 2", "update 3"}) {
		t.Errorf("the history is %v", got)
	}
	newAuditor(t).holds(t, owner)
}

// D16: the migration gives up on a table that someone is at work in, rather than to keep everyone waiting behind it; and
// whoever writes meanwhile waits for as long as rows are adopted, and loses nothing.
func TestD16_AdoptionUnderWriters(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	fill(t, d, 8)
	owner, app := connect(t, d), asApp(t, d)
	migrateTo(t, owner, beforeAmendments)
	busy, err := app.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	caller(t, busy, "partner", "ada")
	exec(t, busy, updateAgent(1, "name = 'Slow'"))
	err = plantsql.Migrate(t.Context(), owner, plantsql.Latest)
	const lockNotAvailable = "55P03"
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != lockNotAvailable {
		t.Errorf("got %v, want SQLSTATE %s", err, lockNotAvailable)
	}
	if got := versionOf(t, owner); got != beforeAmendments {
		t.Errorf("it is at version %d", got)
	}
	if err := busy.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	const writers = 4
	stop, slowest := make(chan struct{}), make(chan time.Duration, writers)
	for n := range writers {
		conn := asApp(t, d)
		go func() {
			longest := time.Duration(0)
			defer func() { slowest <- longest }()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				begin := time.Now()
				err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
					if _, err := tx.Exec(t.Context(), `select set_config('plant.role', 'governor', true), set_config('plant.issuer', 'i', true), set_config('plant.subject', 'grace', true)`); err != nil {
						return err
					}
					_, err := tx.Exec(t.Context(), updateAgent(n, fmt.Sprintf("name = 'Written %d'", i)))
					return err
				})
				if err != nil {
					t.Error(err)
				}
				longest = max(longest, time.Since(begin))
			}
		}()
	}
	migrateTo(t, owner, plantsql.Latest)
	close(stop)
	for range writers {
		const bound = 2 * time.Second // a request's patience is longer
		if longest := <-slowest; longest > bound {
			t.Errorf("a writer waited for %v", longest)
		}
	}
	const unrecorded = `
		select count(*) from plant.agents a
		where not exists (select from plant.amendments m where m.entity_id = a.id and m.version = a.version)`
	if got := scalar[int](t, owner, unrecorded); got != 0 {
		t.Errorf("%d agents have a version that no amendment made", got)
	}
	newAuditor(t).holds(t, owner)
}

// D17: a version of the functions that knows nothing of amendments goes on writing, and all that it writes is recorded.
func TestD17_OldCode(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	app := asApp(t, d)
	// As the functions of migration 7 do: what they set of the caller, and a version that they count themselves.
	old := func(role string, statements ...string) {
		t.Helper()
		err := pgx.BeginFunc(t.Context(), app, func(tx pgx.Tx) error {
			exec(t, tx, `select set_config('plant.role', $1, true), set_config('plant.issuer', 'i', true), set_config('plant.owner', 'ada', true)`, role)
			for _, sql := range statements {
				exec(t, tx, sql)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	id := func(n int) string { return "'" + agentID(500+n) + "'" }
	old("governor",
		`insert into plant.skills (id, name, category) values (`+id(1)+`, 'Skill', 'technical')`,
		`insert into plant.job_roles (id, name, seniority_level, required_skills) values (`+id(2)+`, 'Role', 'mid', array[`+id(1)+`::uuid])`,
		`insert into plant.industries (id, slug, name) values (`+id(3)+`, 'retail', 'Retail')`,
		`update plant.skills set name = 'Another', version = version + 1, updated_at = now() where id = `+id(1),
		`update plant.industries set deleted_at = now(), version = version + 1 where id = `+id(3))
	old("partner",
		`insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate) values (`+id(4)+`, 'i', 'ada', 'Agent', 'Work', 'sales', 1)`,
		`insert into plant.teams (id, owner_issuer, owner, name, job_role_id, agent_ids) values (`+id(5)+`, 'i', 'ada', 'Team', `+id(2)+`, array[`+id(4)+`::uuid])`,
		`update plant.agents set status = 'offline', version = version + 1, updated_at = now() where id = `+id(4),
		`update plant.teams set deleted_at = now(), version = version + 1, updated_at = now() where id = `+id(5))
	owner := connect(t, d)
	got := scalar[[]string](t, owner, `select array_agg(entity_type || ' ' || action || ' ' || version order by id) from plant.amendments where action <> 'adopt'`)
	want := []string{
		"skill create 1", "job_role create 1", "industry create 1", "skill update 2", "industry delete 2",
		"agent create 1", "team create 1", "agent update 2", "agent status 3", "team delete 2", "agent update 4",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	newAuditor(t).holds(t, owner)
}
