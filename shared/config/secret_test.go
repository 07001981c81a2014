package config

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// marker stands in every value of these tests: no error may hold it.
const marker = "marker-9f3c"

// clock is a time that a test moves. It is safe for concurrent use.
type clock struct{ nanoseconds atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanoseconds.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time           { return time.Unix(0, c.nanoseconds.Load()) }
func (c *clock) advance(by time.Duration) { c.nanoseconds.Add(int64(by)) }

// rotating reads a secret through the real client, under a clock of the test's.
func rotating(t *testing.T, reference string, c *clock) Rotating {
	t.Helper()
	r, err := parseSecret(reference, theManager)
	if err != nil {
		t.Fatal(err)
	}
	r.held.now = c.now
	return r
}

func reveal(t *testing.T, r Rotating) string {
	t.Helper()
	value, err := r.Reveal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestLoad_ReadsSecretsFromSecretManager(t *testing.T) {
	t.Parallel()
	type settings struct {
		Key      Secret   `env:"KEY"`
		Password Rotating `env:"PASSWORD"`
		Plain    Rotating `env:"PLAIN"`
		None     Rotating `env:"NONE"`
	}
	reference := google.Secrets.Add("load", marker+"1")
	google.Secrets.Add("load", marker+"2\n")
	got, err := LoadFrom[settings](t.Context(), envconfig.MapLookuper(map[string]string{
		"KEY": strings.Replace(reference, "latest", "1", 1), "PASSWORD": reference, "PLAIN": marker + "3",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got.Key.Reveal() != marker+"1" {
		t.Errorf("version 1: got %q", got.Key.Reveal())
	}
	if calls := google.Secrets.Calls("load"); calls != 1 {
		t.Errorf("loading asked %d times: what rotates is read when it is needed", calls)
	}
	if value := reveal(t, got.Password); value != marker+"2" {
		t.Errorf("the latest version, without its line end: got %q", value)
	}
	if value := reveal(t, got.Plain); value != marker+"3" || !got.Plain.IsSet() || got.None.IsSet() {
		t.Errorf("a value given as itself: got %q", value)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", got, got, got, got.Password); strings.Contains(text, marker) {
		t.Errorf("printing shows a value: %s", text)
	}
}

func TestLoad_SaysWhichSecretIsWrongAndNeverItsValue(t *testing.T) {
	t.Parallel()
	type settings struct {
		Key      Secret   `env:"A_KEY"`
		Password Rotating `env:"A_PASSWORD"`
	}
	empty := google.Secrets.Add("empty", "\n")
	tests := map[string]struct {
		variable, value string
		want            []string
	}{
		"not a reference":          {"A_KEY", "secret://" + marker, []string{"A_KEY", "projects/PROJECT/secrets/SECRET/versions/VERSION"}},
		"nor one that rotates":     {"A_PASSWORD", "secret://projects/p/secrets/" + marker, []string{"A_PASSWORD", "not of the form"}},
		"no such secret":           {"A_KEY", "secret://projects/p/secrets/none/versions/latest", []string{"A_KEY", "projects/p/secrets/none/versions/latest", "add one"}},
		"a value that is no value": {"A_KEY", empty, []string{"A_KEY", "empty"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := LoadFrom[settings](t.Context(), envconfig.MapLookuper(map[string]string{test.variable: test.value}))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), marker) {
				t.Errorf("%q repeats the value", err)
			}
		})
	}
}

// F22: a new version is in use within a minute, and until then nobody asks.
func TestF22_ValueIsHeldForAMinute(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := rotating(t, google.Secrets.Add("held", "old"), c)
	var readers sync.WaitGroup
	for range 20 {
		readers.Go(func() {
			if value, err := r.Reveal(t.Context()); value != "old" || err != nil {
				t.Errorf("got %q, %v", value, err)
			}
		})
	}
	readers.Wait()
	if calls := google.Secrets.Calls("held"); calls != 1 {
		t.Errorf("20 readers at once asked %d times, want 1", calls)
	}
	google.Secrets.Add("held", "new")
	c.advance(59 * time.Second)
	if value := reveal(t, r); value != "old" {
		t.Errorf("after 59 s: got %q", value)
	}
	c.advance(2 * time.Second)
	if value := reveal(t, r); value != "new" {
		t.Errorf("after 61 s: got %q", value)
	}
	if calls := google.Secrets.Calls("held"); calls != 2 {
		t.Errorf("asked %d times, want 2", calls)
	}
}

// F22: whoever was refused gets a value that was asked for after that, once for all who were.
func TestF22_RevealSinceAsksAnew(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := rotating(t, google.Secrets.Add("since", "old"), c)
	reveal(t, r)
	google.Secrets.Add("since", "new")
	refused := c.now()
	c.advance(time.Millisecond)
	for range 3 {
		if value, err := r.RevealSince(t.Context(), refused); value != "new" || err != nil {
			t.Errorf("got %q, %v", value, err)
		}
	}
	if calls := google.Secrets.Calls("since"); calls != 2 {
		t.Errorf("asked %d times, want 2", calls)
	}
}

// F21: without a value there is an error, soon; with one it holds, and nobody waits again until it is time to ask.
func TestF21_SecretManagerFails(t *testing.T) { //nolint:paralleltest // the faults are everybody's
	hanging := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	tests := map[string]struct {
		failure func(context.Context) error
		want    string
	}{
		"down":          {func(context.Context) error { return status.Error(codes.Unavailable, "down") }, "does not answer"},
		"not permitted": {func(context.Context) error { return status.Error(codes.PermissionDenied, "no") }, "roles/secretmanager.secretAccessor"},
		"disabled":      {func(context.Context) error { return status.Error(codes.FailedPrecondition, "no") }, "enable it"},
		"refused":       {func(context.Context) error { return status.Error(codes.Unauthenticated, "no") }, "service account"},
		"slow":          {hanging, "in time"},
	}
	for name, test := range tests { //nolint:paralleltest // likewise
		t.Run(name, func(t *testing.T) {
			secret := "failing-" + strings.ReplaceAll(name, " ", "-")
			reference := google.Secrets.Add(secret, marker)
			defer google.Secrets.Fail(nil)
			c := newClock()
			r := rotating(t, reference, c)

			google.Secrets.Fail(test.failure)
			begin := time.Now()
			_, err := r.Reveal(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), marker) {
				t.Errorf("at start: got %v, want one that says %q and the secret's name", err, test.want)
			}
			if took := time.Since(begin); took > readTimeout+time.Second {
				t.Errorf("the start failed after %v", took)
			}

			google.Secrets.Fail(nil)
			if value := reveal(t, r); value != marker {
				t.Errorf("when it is well: got %q", value)
			}
			google.Secrets.Fail(test.failure)
			c.advance(secretLife + time.Second)
			calls := google.Secrets.Calls(secret)
			begin = time.Now()
			for range 3 {
				if value := reveal(t, r); value != marker {
					t.Errorf("later: got %q", value)
				}
			}
			if took := time.Since(begin); took > refreshTimeout+time.Second {
				t.Errorf("a refresh that fails took %v", took)
			}
			if asked := google.Secrets.Calls(secret) - calls; asked > 2 { // once, and once more where it was unavailable
				t.Errorf("three reads asked %d times", asked)
			}
			google.Secrets.Fail(nil)
			google.Secrets.Add(secret, "new")
			c.advance(secretRetry + time.Second)
			if value := reveal(t, r); value != "new" {
				t.Errorf("well again: got %q", value)
			}
		})
	}
}

// Whoever goes away does not wait, and does not keep the others from their answer.
func TestF21_ReaderGoesAway(t *testing.T) { //nolint:paralleltest // the faults are everybody's
	asked, release := make(chan struct{}, 1), make(chan struct{})
	reference := google.Secrets.Add("leaving", marker)
	defer google.Secrets.Fail(nil)
	google.Secrets.Fail(func(context.Context) error {
		select {
		case asked <- struct{}{}:
		default: // only the first is waited for
		}
		<-release
		return nil
	})
	r := rotating(t, reference, newClock())
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := r.Reveal(ctx)
		first <- err
	}()
	<-asked
	cancel()
	if err := <-first; err == nil {
		t.Error("whoever went away got an answer")
	}
	second := make(chan string, 1)
	go func() {
		value, err := r.Reveal(t.Context())
		if err != nil {
			t.Error(err)
		}
		second <- value
	}()
	close(release)
	if value := <-second; value != marker {
		t.Errorf("the other got %q", value)
	}
	if calls := google.Secrets.Calls("leaving"); calls != 1 {
		t.Errorf("asked %d times, want once for both", calls)
	}
}

func TestSecret_ThatArrivesDamagedIsRefused(t *testing.T) { //nolint:paralleltest // the faults are everybody's
	reference := google.Secrets.Add("damaged", marker)
	google.Secrets.Damage(true)
	defer google.Secrets.Damage(false)
	if _, err := rotating(t, reference, newClock()).Reveal(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}
