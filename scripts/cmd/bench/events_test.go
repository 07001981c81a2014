package main

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/database/dbtest"
)

// What was refused or did not arrive misses the goal, however quickly.
func TestDisturbedVerdict(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ratio                      float64
		getsFailed, batchesRefused int
		missed                     bool
	}{{1.5, 0, 0, false}, {1.6, 0, 0, true}, {1, 1, 0, true}, {1, 0, 1, true}} {
		if got := disturbedVerdict(test.ratio, test.getsFailed, test.batchesRefused); strings.HasSuffix(got, " missed") != test.missed {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

// Events are stored for every batch that was answered, and no others.
func TestCheckEvents(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	owner, err := pgx.Connect(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close(t.Context()) }()
	b := bench{owner: owner}
	if err := forgetEvents(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate)
		values ($1, 'i', 'ada', 'Name', 'Work', 'sales', 10)`, agentID(1))
	for answered, want := range []string{"1000 0 missed", "0 0", "-1000 0 missed"} {
		db.Exec(t, `insert into plant.job_events (agent_id, event_id, occurred_at, job_id, kind)
			select $1, n, now(), n, 'job_completed' from generate_series(1, $2::int) n`, agentID(1), batchSize)
		results := newTable("what", "measured", "goal")
		if err := b.checkEvents(t.Context(), results, answered); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(rowOf(results.String(), "events: stored")[1:], " "); got != want {
			t.Errorf("%d batches answered: %s, want %s", answered, got, want)
		}
		if row := rowOf(results.String(), "events: jobs"); row[1] != "0" || row[2] != "0" {
			t.Errorf("jobs: %v", row)
		}
	}
}
