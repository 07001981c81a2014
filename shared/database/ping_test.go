package database_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

// silencer stands before a server, and can let the connections of so far fall silent, as a network does that forgets them.
type silencer struct {
	net.Listener
	mu     sync.Mutex
	silent chan struct{} // closed for those of before
}

func newSilencer(t *testing.T, server string) *silencer {
	t.Helper()
	var listening net.ListenConfig
	listener, err := listening.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &silencer{Listener: listener, silent: make(chan struct{})}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			here, err := listener.Accept()
			if err != nil {
				return // the test has ended
			}
			there, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", server)
			if err != nil {
				_ = here.Close()
				continue
			}
			s.mu.Lock()
			silent := s.silent
			s.mu.Unlock()
			go func() {
				_, _ = io.Copy(there, here) // until either side goes
				_ = there.Close()
			}()
			go func() {
				buffer := make([]byte, 1<<16)
				for {
					n, err := there.Read(buffer)
					select {
					case <-silent:
						<-t.Context().Done() // then nobody has to wait for its end
						_ = here.Close()
						return
					default:
					}
					if err != nil {
						_ = here.Close()
						return
					}
					if _, err := here.Write(buffer[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return s
}

func (s *silencer) silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.silent)
	s.silent = make(chan struct{})
}

// F6: a connection that has ended unnoticed, as while an instance sleeps, costs a request half of its patience and not its
// answer. The driver waits up to 15 s for the old one's end, so the pool has place for another.
func TestF6_ConnectionFellSilent(t *testing.T) {
	t.Parallel()
	own := dbtest.New(t)
	address, err := url.Parse(own.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	s := newSilencer(t, address.Host)
	address.Host = s.Addr().String()
	db, err := database.Open(t.Context(), database.Config{
		URL: config.Secret(address.String()), MaxConns: 2, AcquireTimeout: 4 * time.Second, StatementTimeout: time.Minute, LockTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := database.Scalar[int](t.Context(), db, `select 1`); err != nil {
		t.Fatal(err)
	}
	const idle = 1100 * time.Millisecond // the driver asks connections that were idle for more than a second
	<-time.After(idle)
	s.silence()
	if _, err := database.Scalar[int](t.Context(), db, `select 1`); err != nil {
		t.Error(err)
	}
}
