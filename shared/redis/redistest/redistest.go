// Package redistest is a Redis for tests: one that works, and ones that fail in the ways that networks and servers do.
package redistest

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Clock is the time of a test, which passes when the test says so. It is safe for concurrent use.
type Clock struct{ passed atomic.Int64 }

// Now returns the time.
func (c *Clock) Now() time.Time {
	return time.Date(2026, 5, 1, 9, 30, 0, 0, time.UTC).Add(time.Duration(c.passed.Load()))
}

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) { c.passed.Add(int64(d)) }

// Patient is long enough for a Redis in this process on a machine that has other things to do.
const Patient = 30 * time.Second

// Start returns a Redis whose clock stands at now. It ends with the test.
func Start(t testing.TB, now time.Time) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	m.SetTime(now)
	return m
}

// Fake is a listener that does with each connection what a test wants. It returns its URL, with a password that nobody
// may see, and how many connections it has had.
func Fake(t testing.TB, serve func(net.Conn)) (url string, connections *atomic.Int64) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	connections = &atomic.Int64{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
	return "redis://marker-user:marker-password@" + listener.Addr().String(), connections
}

// Hang reads on and never answers.
func Hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// Say answers everything alike.
func Say(text string) func(net.Conn) {
	return func(conn net.Conn) {
		for buffer := make([]byte, 4096); ; {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
	}
}

// Away is a Redis that does not answer well, and what the log says of it, "" where the system's own words differ.
type Away struct {
	Name   string
	Serve  func(net.Conn)
	Reason string
}

// AllAways are the ways in which a Redis can be away.
var AllAways = []Away{
	{"hangs", Hang, "no answer in time"},
	{"closes", func(net.Conn) {}, ""},
	{"resets", func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }, ""},
	{"answers half", Say("*4\r\n:1\r\n"), ""},
	{"is something else", Say("HTTP/1.1 400 Bad Request\r\n\r\n"), ""},
	{"answers empty lines", Say("\r\n"), ""},
	{"refuses the password and says it", Say("-ERR unknown command 'HELLO', with args: 'AUTH' 'marker-password'\r\n"), "it answers ERR"},
	{"loads", Say("-LOADING Redis is loading\r\n"), "it answers LOADING"},
}
