package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/waooaw/plant/scripts/internal/functions"
)

// balancer sends requests to whichever instance of a function is the current one, as a load balancer does.
type balancer struct{ agents, search atomic.Pointer[url.URL] }

func (l *balancer) serve(ctx context.Context) (host string, end func(), err error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			target := l.agents.Load()
			if strings.HasSuffix(r.In.URL.Path, "/search") {
				target = l.search.Load()
			}
			r.SetURL(target)
		},
		ErrorLog:  log.New(io.Discard, "", 0), // a failure is counted by whoever asked
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute},
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: requestTimeout}
	go func() { _ = server.Serve(listener) }() // until end
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}

// upgrade prepares the scenario: the load goes through a balancer, behind which the functions are replaced by those of the
// last commit and, later, by ours again.
func (b *bench) upgrade(ctx context.Context, token string) (course, error) {
	other, err := b.otherVersion(ctx)
	if err != nil {
		return course{}, err
	}
	l := &balancer{}
	l.agents.Store(b.agents.Address)
	l.search.Store(b.search.Address)
	host, end, err := l.serve(ctx)
	if err != nil {
		return course{}, err
	}
	replace := func(ctx context.Context) error {
		for _, home := range []string{other, b.stand.Home} {
			select {
			case <-time.After(scenarioParts * b.length / 3):
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := b.replace(ctx, l, home); err != nil {
				return err
			}
		}
		return nil
	}
	return course{next: b.mix(host, host, token), meanwhile: replace, end: end}, nil
}

// replace starts the functions of a home, sends what comes to them as soon as they are ready, and ends the old ones.
func (b *bench) replace(ctx context.Context, l *balancer, home string) error {
	agents, err := b.stand.StartOf(ctx, home, "agents", alone...)
	if err != nil {
		return err
	}
	search, err := b.stand.StartOf(ctx, home, "search", alone...)
	if err != nil {
		functions.StopAll(agents)
		return err
	}
	l.agents.Store(agents.Address)
	l.search.Store(search.Address)
	functions.StopAll(b.agents, b.search)
	b.agents, b.search = agents, search
	return nil
}

// otherVersion builds the functions of the last commit, in a home of their own. Where the checkout has no history, they are
// this version's.
func (b *bench) otherVersion(ctx context.Context) (home string, err error) {
	home = filepath.Join(b.stand.Home, "other-version")
	source := filepath.Join(home, "source")
	unpack := fmt.Sprintf("mkdir -p %[1]q && git archive HEAD~1 | tar -x -C %[1]q", source)
	if output, err := exec.CommandContext(ctx, "bash", "-c", "set -o pipefail; rm -rf "+fmt.Sprintf("%q", source)+"; "+unpack).CombinedOutput(); err != nil {
		b.say("  no other version is at hand, so the same one takes its place: %s\n", strings.TrimSpace(string(output)))
		source = ""
	}
	return home, functions.Build(ctx, source, home, b.out)
}

// dump reads the whole database, as a backup does.
func (b *bench) dump(ctx context.Context) error {
	program, err := postgresProgram("pg_dump")
	if err != nil {
		return err
	}
	output, err := exec.CommandContext(ctx, program, "--format=custom", "--file="+filepath.Join(b.stand.Home, "dump"), b.stand.Server.OwnerURL).CombinedOutput()
	if err != nil {
		return fmt.Errorf("pg_dump: %w\n%s", err, strings.ReplaceAll(string(output), b.stand.Server.OwnerURL, "…"))
	}
	return nil
}
