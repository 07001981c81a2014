package faults

import (
	"context"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/scripts/internal/postgres"
	"github.com/waooaw/plant/scripts/internal/stand"
)

// failoverBound is for writes to be taken again, from when the primary was killed: somebody has to promote the standby in
// that time too, which here is done at once.
const failoverBound = 10 * time.Second

// F4: a function that is told both hosts goes on with the one that takes writes. What was acknowledged by a primary that
// waited for its standby is there; by one that did not, what the standby had not got yet is lost, and told here.
func TestF4_Failover(t *testing.T) {
	t.Parallel()
	s := ownStand(t)
	first := standby(t, s.Server)
	if lost := failover(t, s, s.Server, first); lost > 0 {
		t.Logf("asynchronous: %d acknowledged agents were lost", lost)
	}
	second := standby(t, first)
	conn := connect(t, first.OwnerURL)
	execute(t, conn, `alter system set synchronous_standby_names = '*'`, `select pg_reload_conf()`)
	eventually(t, "the standby is synchronous", func() bool {
		return scalar[int](t, conn, `select count(*) from pg_stat_replication where sync_state = 'sync'`) == 1
	})
	if lost := failover(t, s, first, second); lost > 0 {
		t.Errorf("synchronous: %d acknowledged agents were lost", lost)
	}
}

// standby starts a standby of a server until the test ends, and returns when it has caught up.
func standby(t *testing.T, primary *postgres.Server) *postgres.Server {
	t.Helper()
	copied, err := primary.Standby(t.Context(), ownHome(t), io.Discard, "wal_retrieve_retry_interval=100ms") // it waits that long before it is promoted
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(copied.Stop)
	conn := connect(t, primary.OwnerURL)
	eventually(t, "the standby streams", func() bool {
		return scalar[int](t, conn, `select count(*) from pg_stat_replication where state = 'streaming'`) == 1
	})
	return copied
}

// failover kills the primary under writers and promotes its standby. It returns how many acknowledged agents were lost, and
// fails the test where anything else went wrong.
func failover(t *testing.T, s *stand.Stand, primary, standby *postgres.Server) (lost int) {
	t.Helper()
	agents := start(t, s, "PLANT_APP_DATABASE_URL="+bothHosts(t, s.AppURL, primary, standby))
	const seed, writes = 4, 200
	writers, err := crash.StartWriters(t.Context(), s, agents, callers, seed)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := writers.AwaitWrites(ctx, writes); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, standby.OwnerURL)
	begin := time.Now()
	primary.Kill()
	execute(t, conn, `select pg_promote()`)
	promoted := time.Since(begin)
	if err := writers.AwaitEach(ctx); err != nil {
		t.Fatal(err)
	}
	resumed := time.Since(begin)
	wantAlive(t, agents)
	counts, err := writers.Stop()
	if err != nil {
		t.Fatal(err)
	}
	found, err := writers.Check(t.Context(), conn)
	t.Logf("promoted %d ms after the kill, everyone writes after %d ms; %+v, %+v, %v", promoted.Milliseconds(), resumed.Milliseconds(), counts, found, err)
	if resumed > failoverBound {
		t.Errorf("writes were taken again after %v, want %v at most", resumed, failoverBound)
	}
	if found.Doubled+found.Stray+found.Torn > 0 {
		t.Errorf("got %+v: %v", found, err)
	}
	return found.Lost
}

// bothHosts is a database's URL that names two servers, of which the one that takes writes is wanted.
func bothHosts(t *testing.T, appURL string, servers ...*postgres.Server) string {
	t.Helper()
	var hosts []string
	for _, server := range servers {
		u, err := url.Parse(server.OwnerURL)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, u.Host)
	}
	u, err := url.Parse(appURL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("target_session_attrs", "read-write")
	u.Host, u.RawQuery = strings.Join(hosts, ","), query.Encode()
	return u.String()
}
