package faults

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/shared/auth"
)

// L5: callers who hold connections open with half a header keep nobody else from being served. The load balancer cuts
// them off; the functions framework would not, so the function has to bear them.
func TestL5_HeldSockets(t *testing.T) {
	t.Parallel()
	const held, asked, bound = 1000, 200, time.Second
	s := commonStand(t)
	agents := start(t, s)
	caller := crash.Caller{Function: agents, Token: token(t, s, auth.Partner, "slow-"+uuid.NewString()), Client: crash.NewClient(1)}
	sockets := make([]net.Conn, held)
	group, ctx := errgroup.WithContext(t.Context())
	const atOnce = 50
	group.SetLimit(atOnce)
	for i := range sockets {
		group.Go(func() error {
			socket, err := (&net.Dialer{}).DialContext(ctx, "tcp", agents.Address.Host)
			if err != nil {
				return err
			}
			sockets[i] = socket
			_, err = io.WriteString(socket, "GET /api/v1/agents HTTP/1.1\r\nHost: x\r\nX-Ha")
			return err
		})
	}
	err := group.Wait()
	t.Cleanup(func() {
		for _, socket := range sockets {
			if socket != nil {
				_ = socket.Close()
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	for i := range asked {
		method, body := "GET", ""
		if i%2 == 0 {
			method, body = "POST", draft
		}
		begin := time.Now()
		// A connection of its own each time, as for those who come new.
		caller.Client.CloseIdleConnections()
		answer, err := caller.Do(t.Context(), method, "/api/v1/agents", body)
		if err != nil || answer.Status != http.StatusOK && answer.Status != http.StatusCreated {
			t.Fatalf("%s: %v, %v", method, answer, err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	t.Logf("beside %d held sockets: median %v, slowest %v of %d", held, took[asked/2], took[asked-1], asked)
	if slowest := took[asked-1]; slowest > bound {
		t.Errorf("the slowest answer took %v, want %v at most", slowest, bound)
	}
	open := 0
	for _, socket := range sockets {
		if err := socket.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(socket).ReadByte(); errors.Is(err, os.ErrDeadlineExceeded) {
			open++
		}
	}
	if open != held {
		t.Errorf("%d of %d sockets were still held", open, held)
	}
}
