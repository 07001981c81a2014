package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/logging"
)

// shutdownGrace is how long requests may take to end after SIGTERM; the platform kills after 10 s.
const shutdownGrace = 8 * time.Second

// Service is a function that was started: its API and how to let go of what it holds.
type Service struct {
	API   *API
	Close func()
}

// lazily returns a handler that starts the service with the first request, so that nothing happens where the package is
// only linked. A start that fails answers 503 and is tried again.
//
// From then on SIGTERM ends the process: readiness fails first, new requests get 503, those in flight end, exit 0.
func lazily(start func(ctx context.Context) (*Service, error)) http.HandlerFunc {
	l := &lazy{start: start}
	return l.serve
}

type lazy struct {
	start   func(ctx context.Context) (*Service, error)
	starts  singleflight.Group // those who come meanwhile share its end, good or bad: a start that hangs hangs once
	service atomic.Pointer[Service]
}

func (l *lazy) serve(w http.ResponseWriter, r *http.Request) {
	service := l.service.Load()
	if service == nil {
		var err error
		if service, err = l.open(r.Context()); err != nil {
			failed(w, r, err)
			return
		}
	}
	service.API.ServeHTTP(w, r)
}

// failed answers, and logs, a request that no service is there for.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	c := &call{id: requestID(r)}
	ctx, timer := database.WithTimer(context.WithValue(logging.WithTrace(r.Context(), callersTrace(r)), callKey{}, c))
	c.timer = timer
	slog.ErrorContext(ctx, "start failed", "request_id", c.id, "error", err)
	r = r.WithContext(ctx)
	writeProblem(&answer{ResponseWriter: w, request: r, call: c, start: time.Now()}, r, Unavailable.Problem("the function could not start; its log says why"))
}

func (l *lazy) open(ctx context.Context) (*Service, error) {
	started, err, _ := l.starts.Do("", func() (any, error) {
		if service := l.service.Load(); service != nil {
			return service, nil
		}
		// What is started outlives the request that happened to come first.
		return l.begin(context.WithoutCancel(ctx))
	})
	service, _ := started.(*Service)
	return service, err
}

func (l *lazy) begin(ctx context.Context) (*Service, error) {
	service, err := l.start(ctx)
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	l.service.Store(service)
	stop, ignore := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop.Done()
		ignore() // a second signal ends the process at once
		service.API.Drain(shutdownGrace)
		time.Sleep(lastWords)
		service.Close()
		os.Exit(0)
	}()
	return service, nil
}

const (
	// drainPoll is how often Drain looks whether all requests have ended.
	drainPoll = 10 * time.Millisecond
	// lastWords is what net/http may take to send an answer when its handler has returned, which nothing tells us.
	lastWords = 50 * time.Millisecond
)

// Stopping is closed when the process is about to end: who waits for something answers then.
func (a *API) Stopping() <-chan struct{} { return a.stopping }

// Drain refuses new requests and returns when those in flight have ended, or after grace.
func (a *API) Drain(grace time.Duration) {
	if !a.draining.Swap(true) {
		close(a.stopping)
	}
	deadline := time.Now().Add(grace)
	for a.inFlight.Load()+a.sending.Load() > 0 && time.Now().Before(deadline) {
		time.Sleep(drainPoll)
	}
}
