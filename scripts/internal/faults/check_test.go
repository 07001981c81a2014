package faults

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/shared/database"
)

// F28: rows are read by goroutines of their own, where a panic would end the process. It ends the read instead, each time.
func TestF28_PanicInAGoroutine(t *testing.T) {
	t.Parallel()
	type row struct{ ID uuid.UUID }
	broken := database.NewCoalescer[row](&database.DB{}, "select 1", "") // without a pool every read panics
	for range 3 {
		if _, err := broken.One(t.Context(), uuid.New()); err == nil || !strings.Contains(err.Error(), "panic") {
			t.Errorf("got %v, want an error that tells of the panic", err)
		}
	}
}

// The check of the writes is itself checked: it finds what was lost, doubled, never asked for, or torn.
func TestCheck_FindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := commonStand(t)
	writers, err := crash.StartWriters(t.Context(), s, start(t, s), 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := writers.AwaitWrites(t.Context(), 40); err != nil {
		t.Fatal(err)
	}
	if _, err := writers.Stop(); err != nil {
		t.Fatal(err)
	}
	conn := ownerOf(t, s)
	if found, err := writers.Check(t.Context(), conn); err != nil || found != (crash.Findings{}) {
		t.Fatalf("before: got %+v, %v", found, err)
	}
	owner := writers.Owner()
	for _, one := range []struct {
		statement string
		want      crash.Findings
	}{
		{`delete from plant.agents where id = (select min(id::text)::uuid from plant.agents where owner = $1)`, crash.Findings{Lost: 1}},
		{`update plant.agents set version = version + 1, description = 'new' where id = (select id from plant.agents where owner = $1 and version > 1 limit 1)`, crash.Findings{Lost: 2}},
		{`delete from plant.amendments where entity_id = (select max(id::text)::uuid from plant.agents where owner = $1)`, crash.Findings{Lost: 2, Torn: 1}},
		{`insert into plant.amendments (entity_type, entity_id, version, action, actor_issuer, actor_role, actor, change, at, previous_hash, hash)
			select entity_type, gen_random_uuid(), 1, 'create', actor_issuer, actor_role, actor, change, at, previous_hash, hash from plant.amendments
			where entity_id in (select id from plant.agents where owner = $1) limit 1`, crash.Findings{Lost: 2, Torn: 2}},
		{`delete from plant.search_documents where id = (select min(id::text)::uuid from plant.agents where owner = $1)`, crash.Findings{Lost: 2, Torn: 3}},
		{`insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate)
			select gen_random_uuid(), owner_issuer, owner, name, 'Twice', industry, 1 from plant.agents where owner = $1 and external_id is null limit 1`, crash.Findings{Lost: 2, Torn: 4, Doubled: 1}},
		{`insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate)
			select gen_random_uuid(), owner_issuer, owner, 'Stray', 'Once', industry, 1 from plant.agents where owner = $1 limit 1`, crash.Findings{Lost: 2, Torn: 5, Doubled: 1, Stray: 1}},
	} {
		pastGuards := strings.Contains(one.statement, "delete from plant.amendments")
		if pastGuards {
			if _, err := conn.Exec(t.Context(), `set session_replication_role = replica`); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := conn.Exec(t.Context(), one.statement, owner); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), `reset session_replication_role`); err != nil {
			t.Fatal(err)
		}
		if found, err := writers.Check(t.Context(), conn); err == nil || found != one.want {
			t.Errorf("%s: got %+v, %v, want %+v", one.statement, found, err, one.want)
		}
	}
}
