package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/shared/localgoogle"
)

const (
	fewRows    = 1000
	goalGrowth = 1.5 // get of few rows ÷ get of all
	goalPages  = 1.2 // the deepest page ÷ the first
	goalStart  = 1.5 // start to first answer ÷ connecting and the first query of pgbench
	goalMemory = 40.0
	starts     = 9
)

// measureFew measures get and list of a small catalogue.
func (b *bench) measureFew(ctx context.Context) error {
	if err := ensureCatalogue(ctx, b.owner, fewRows, b.out); err != nil {
		return err
	}
	small := *b
	small.rows, b.few = fewRows, map[string]float64{}
	host := b.agents.Address.Host
	for name, next := range map[string]load{"get": small.get(host), "list": small.list(host)} {
		closed(ctx, host, next, b.clients, b.length/3)
		var rates []float64
		for range b.rounds {
			rates = append(rates, closed(ctx, host, next, b.clients, b.length).perSecond)
		}
		b.few[name] = median(rates)
	}
	return ctx.Err()
}

// compareGrowth sets the rates of few rows against those of all.
func (b *bench) compareGrowth(t *table, rates map[string]float64) {
	for _, name := range []string{"get", "list"} {
		if b.few[name] > 0 && rates[name] > 0 {
			ratio := b.few[name] / rates[name]
			t.add(fmt.Sprintf("%s: %d rows take ÷ %d rows", name, b.rows, fewRows), fmt.Sprintf("%.2f (%.0f/s, %.0f/s)", ratio, rates[name], b.few[name]), verdict(fmt.Sprintf("≤ %.1f", goalGrowth), ratio > goalGrowth))
		}
	}
}

// comparePages follows the list's cursors to its end and sets its last full pages against its first ones.
func (b *bench) comparePages(ctx context.Context, t *table) error {
	const limit, compared = 100, 20
	client := &http.Client{Timeout: requestTimeout}
	next := "/api/v1/agents?limit=" + strconv.Itoa(limit)
	var all []float64
	for next != "" {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.agents.Address.String()+next, nil)
		if err != nil {
			return err
		}
		begin := time.Now()
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		if err := drain(response); err != nil {
			return err
		}
		all = append(all, time.Since(begin).Seconds())
		next = ""
		if link := nextLink.FindStringSubmatch(response.Header.Get("Link")); link != nil {
			next = link[1]
		}
	}
	if len(all) < 3*compared {
		return fmt.Errorf("%d pages are too few to compare", len(all))
	}
	// The first one has met no prepared statement yet, and the last may be short.
	first, deepest := median(all[1:compared+1]), median(all[len(all)-1-compared:len(all)-1])
	ratio := deepest / first
	t.add(fmt.Sprintf("page %d ÷ first page", len(all)-1), fmt.Sprintf("%.2f (%.1f ms ÷ %.1f ms)", ratio, deepest*1000, first*1000), verdict(fmt.Sprintf("≤ %.1f", goalPages), ratio > goalPages))
	return nil
}

var nextLink = regexp.MustCompile(`^<([^>]+)>; rel="next"$`)

// compareStarts measures from the start of a process to its first answered get, beside a pgbench that connects for each
// statement, by turns.
func (b *bench) compareStarts(ctx context.Context, t *table) error {
	script := "\\set n random(1, " + strconv.Itoa(b.rows) + ")\n"
	sent, err := b.capture(ctx, "agents", call{method: http.MethodGet, path: "/api/v1/agents/" + agentID(1), want: http.StatusOK})
	if err != nil {
		return err
	}
	script += getScript(sent[0])
	for _, name := range []string{"agents", "search", "metrics"} {
		path := map[string]string{"agents": "", "search": "available/search?query=writer", "metrics": agentID(1) + "/metrics"}[name]
		if name == "agents" {
			path = agentID(1)
		}
		var ours, theirs []float64
		for range starts {
			took, err := b.startToFirst(ctx, name, "/api/v1/agents/"+path, nil)
			if err != nil {
				return err
			}
			connecting, err := b.pgbench.connecting(ctx, "connect", script, 10)
			if err != nil {
				return err
			}
			ours, theirs = append(ours, took.Seconds()), append(theirs, connecting.latency.Seconds())
		}
		ratio := median(ours) / median(theirs)
		goal := ""
		if name == "agents" {
			goal = verdict(fmt.Sprintf("≤ %.1f", goalStart), ratio > goalStart)
		}
		t.add(name+": start to first 200 ÷ pgbench -C", fmt.Sprintf("%.2f (%.0f ms ÷ %.1f ms)", ratio, median(ours)*1000, median(theirs)*1000), goal)
	}
	return b.measureCloudStarts(ctx, t)
}

// measureCloudStarts measures the same as on Google Cloud, with localgoogle in Google's place: a key, two calls to the Admin
// API, TLS and a login, and the key of cursors from Secret Manager. What the way to Google takes comes on top of it.
func (b *bench) measureCloudStarts(ctx context.Context, t *table) error {
	google, err := localgoogle.Start()
	if err != nil {
		return err
	}
	defer google.Close()
	instance, err := google.AddInstance(b.stand.AppURL, "")
	if err != nil {
		return err
	}
	app, err := pgx.ParseConfig(b.stand.AppURL)
	if err != nil {
		return err
	}
	cloud := append(google.Environment(), "PLANT_APP_DATABASE_URL=", "CLOUDSQL_INSTANCE="+instance.Name, "CLOUDSQL_DATABASE="+app.Database,
		"CURSOR_KEY="+google.Secrets.Add("cursor-key", "of this bench"))
	for _, login := range []struct {
		how         string
		environment []string
	}{
		{"IAM login", []string{"CLOUDSQL_USER=" + localgoogle.Login}},
		{"password of Secret Manager", []string{"CLOUDSQL_USER=" + app.User, "CLOUDSQL_PASSWORD=" + google.Secrets.Add("password", app.Password)}},
	} {
		var there, here []float64
		for range starts {
			byInstance, err := b.startToFirst(ctx, "agents", "/api/v1/agents/"+agentID(1), append(login.environment, cloud...))
			if err != nil {
				return err
			}
			byURL, err := b.startToFirst(ctx, "agents", "/api/v1/agents/"+agentID(1), nil)
			if err != nil {
				return err
			}
			there, here = append(there, byInstance.Seconds()), append(here, byURL.Seconds())
		}
		t.add("agents: start to first 200, Cloud SQL by "+login.how+" ÷ by URL",
			fmt.Sprintf("%.2f (%.0f ms ÷ %.0f ms)", median(there)/median(here), median(there)*1000, median(here)*1000), "")
	}
	return nil
}

const startPoll = time.Millisecond

func (b *bench) startToFirst(ctx context.Context, name, path string, environment []string) (time.Duration, error) {
	begin := time.Now()
	f, err := b.stand.Launch(ctx, name, append(environment, alone...)...)
	if err != nil {
		return 0, err
	}
	defer functions.StopAll(f)
	one := call{method: http.MethodGet, path: path, want: http.StatusOK}
	for {
		if err := once(ctx, f, one); err == nil {
			return time.Since(begin), nil
		}
		if time.Since(begin) > requestTimeout {
			return 0, fmt.Errorf("%s does not answer", name)
		}
		time.Sleep(startPoll)
	}
}

// compareMemory tells the most that the functions have had so far. What is of the program's own file the system can take
// back at any time.
func (b *bench) compareMemory(_ context.Context, t *table) error {
	for _, f := range []*functions.Function{b.agents, b.search} {
		peak, err := memory(f.Pid(), "VmHWM")
		if err != nil {
			return err
		}
		file, err := memory(f.Pid(), "RssFile")
		if err != nil {
			return err
		}
		t.add(f.Name+": peak memory", fmt.Sprintf("%.1f MB, %.1f of it the program's file", peak, file), verdict(fmt.Sprintf("≤ %.0f MB", goalMemory), peak > goalMemory))
	}
	return nil
}

// processorTime is what a process has had of the processors so far, or 0 where the system does not tell.
func processorTime(pid int) time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ, which is 100 wherever Linux is
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	var user, system int64
	_, rest, _ := strings.Cut(string(stat), ") ") // the name before it may hold anything
	if _, err := fmt.Sscanf(rest, "%1s %d %d %d %d %d %d %d %d %d %d %d %d", new(string), new(int), new(int), new(int), new(int), new(int), new(int64), new(int64), new(int64), new(int64), new(int64), &user, &system); err != nil {
		return 0
	}
	return time.Duration(user+system) * tick
}

// memory is a figure that the system tells of a process's memory, in MB.
func memory(pid int, name string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(status), "\n"+name+":")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return 0, fmt.Errorf("process %d does not tell its %s", pid, name)
	}
	kilobytes, err := strconv.ParseFloat(fields[0], 64)
	return kilobytes / 1000, err
}
