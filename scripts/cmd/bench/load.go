package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"github.com/valyala/fasthttp"
)

// call is one request of a load.
type call struct {
	host         string // and port, of the function
	method, path string
	header       map[string]string
	body         string
	want         int // the status; any other is an error
}

// load makes the calls of one endpoint. It is called from many goroutines, each with a random source of its own.
type load func(random *rand.Rand) call

// measured is what a load was answered with.
type measured struct {
	perSecond     float64
	p50, p95, p99 time.Duration
	requests      int
	errors        int
	example       string // of an error
}

// answered is how many requests had the answer that they want.
func (m measured) answered() int { return m.requests - m.errors }

const requestTimeout = 15 * time.Second

// closed drives one function from so many clients, each of which sends its next request when the last is answered. The
// client is a lean one: what it takes of the processors, the function cannot have.
func closed(ctx context.Context, host string, next load, clients int, length time.Duration) measured {
	client := &fasthttp.HostClient{Addr: host, MaxConns: clients, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout}
	defer client.CloseIdleConnections()
	var all measured
	var latencies []time.Duration
	var gather sync.Mutex
	var running sync.WaitGroup
	begin := time.Now()
	end := begin.Add(length)
	for i := range clients {
		running.Go(func() {
			random := rand.New(rand.NewPCG(catalogueSeed, uint64(i)+uint64(begin.UnixNano()))) //nolint:gosec // a load, no secret
			request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(request)
			defer fasthttp.ReleaseResponse(response)
			var own []time.Duration
			failed, example := 0, ""
			for time.Now().Before(end) && ctx.Err() == nil {
				c := next(random)
				c.fill(request)
				sent := time.Now()
				err := client.Do(request, response)
				own = append(own, time.Since(sent))
				if err == nil && response.StatusCode() != c.want {
					err = fmt.Errorf("%s %s: %d %s", c.method, c.path, response.StatusCode(), response.Body())
				}
				if err != nil {
					failed, example = failed+1, err.Error()
				}
			}
			gather.Lock()
			defer gather.Unlock()
			latencies = append(latencies, own...)
			all.errors += failed
			if example != "" {
				all.example = example
			}
		})
	}
	running.Wait()
	took := time.Since(begin)
	slices.Sort(latencies)
	all.requests = len(latencies)
	all.perSecond = float64(len(latencies)) / took.Seconds()
	all.p50, all.p95, all.p99 = quantile(latencies, 0.50), quantile(latencies, 0.95), quantile(latencies, 0.99)
	return all
}

func (c call) fill(request *fasthttp.Request) {
	request.Reset()
	request.Header.SetMethod(c.method)
	request.SetRequestURI("http://" + c.host + c.path)
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	if c.body != "" {
		request.SetBodyString(c.body)
	}
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// open drives functions at a constant rate whatever the answers take (an open model), so that a wait counts for all who
// would have come meanwhile.
func open(ctx context.Context, next load, perSecond float64, length time.Duration) measured {
	var metrics vegeta.Metrics
	var example string
	for result := range attack(ctx, next, vegeta.Rate{Freq: max(1, int(perSecond)), Per: time.Second}, length) {
		metrics.Add(result)
		if result.Error != "" {
			example = result.Error
		}
	}
	metrics.Close()
	return measured{
		perSecond: metrics.Rate, requests: int(metrics.Requests), example: example, //nolint:gosec // far below
		p50: metrics.Latencies.P50, p95: metrics.Latencies.P95, p99: metrics.Latencies.P99,
		errors: int(float64(metrics.Requests)*(1-metrics.Success) + 0.5),
	}
}

const (
	openWorkers = 64   // to begin with; more are made where answers take long
	mostWorkers = 2000 // each with a connection that it keeps, as load balancers do
)

// attack sends calls at a pace and returns their results. Every call has a status that it wants; any other is an error.
func attack(ctx context.Context, next load, pace vegeta.Pacer, length time.Duration) <-chan *vegeta.Result {
	attacker := vegeta.NewAttacker(vegeta.Workers(openWorkers), vegeta.MaxWorkers(mostWorkers), vegeta.Connections(mostWorkers), vegeta.MaxBody(0),
		vegeta.Timeout(requestTimeout), vegeta.KeepAlive(true), vegeta.HTTP2(false))
	var targets sync.Mutex
	random := rand.New(rand.NewPCG(catalogueSeed, uint64(time.Now().UnixNano()))) //nolint:gosec // a load, no secret
	targeter := func(target *vegeta.Target) error {
		targets.Lock()
		defer targets.Unlock()
		c := next(random)
		target.Method, target.URL, target.Body = c.method, "http://"+c.host+c.path, []byte(c.body)
		target.Header = http.Header{}
		for name, value := range c.header {
			target.Header.Set(name, value)
		}
		return nil
	}
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	out := make(chan *vegeta.Result)
	go func() {
		defer close(out)
		defer stop()
		for result := range attacker.Attack(targeter, pace, length, "") {
			out <- result
		}
	}()
	return out
}
