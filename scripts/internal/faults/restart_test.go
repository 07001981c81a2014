package faults

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

const callers = 8

// F1: a backend that is killed takes all others of its server with it. Whoever is served at that moment may be answered
// 503; a moment later everyone is served.
func TestF1_BackendKilled(t *testing.T) { //nolint:paralleltest // it breaks the server that other tests share
	s := commonStand(t)
	agents := start(t, s)
	traffic := startTraffic(t, s, agents, callers)
	const rounds = 5
	for range rounds {
		traffic.calm(time.Time{})
		pid, starts := busyBackend(t), serverStarts(t)
		begin := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		traffic.notice(begin)
		eventually(t, "the server takes connections again", func() bool { return serverStarts(t) > starts })
		back := time.Now()
		trouble, unavailable := traffic.calm(back)
		t.Logf("the server was back %d ms after the kill, the last 503 came %d ms later; %d so far",
			back.Sub(begin).Milliseconds(), trouble.Milliseconds(), unavailable)
		if trouble > healingBound {
			t.Errorf("503 for %v after the server was back, want %v at most", trouble, healingBound)
		}
	}
	wantAlive(t, agents)
}

// busyBackend is the process of a connection of a function's that works at this moment.
func busyBackend(t *testing.T) int {
	t.Helper()
	conn := ownerOf(t, commonStand(t))
	var pid int
	eventually(t, "a backend is busy", func() bool {
		return conn.QueryRow(t.Context(), `select pid from pg_stat_activity where application_name = 'plant' and state <> 'idle' order by random() limit 1`).Scan(&pid) == nil
	})
	return pid
}

// serverStarts tells how often the server has begun to take connections, by its log.
func serverStarts(t *testing.T) int {
	t.Helper()
	log, err := os.ReadFile(commonStand(t).Server.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(log), "ready to accept connections")
}

// F3: while the server is restarted, in good order or at once, callers are answered 503 and the function lives on.
func TestF3_FastAndImmediateRestart(t *testing.T) { //nolint:paralleltest // it breaks the server that other tests share
	s := commonStand(t)
	agents := start(t, s)
	traffic := startTraffic(t, s, agents, callers)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		traffic.calm(time.Time{})
		begin := time.Now()
		s.Server.End(signal)
		traffic.notice(begin)
		if isReady(t, agents) {
			t.Errorf("%v: the function says that it is ready while the server is down", signal)
		}
		wantAlive(t, agents)
		if err := s.Server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		trouble, unavailable := traffic.calm(back)
		t.Logf("%v: down for %d ms; the last 503 came %d ms after, %d so far", signal, back.Sub(begin).Milliseconds(), trouble.Milliseconds(), unavailable)
		if trouble > healingBound {
			t.Errorf("%v: 503 for %v after the server was back, want %v at most", signal, trouble, healingBound)
		}
		eventually(t, "the function is ready", func() bool { return isReady(t, agents) })
	}
	wantAlive(t, agents)
}
