package cloud

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/shared/localgoogle"
)

// F21: a function whose secrets cannot be read says so, soon and to everyone at once, and starts when they can.
func TestF21_SecretManagerDownAtStart(t *testing.T) {
	prepare(t)
	tests := map[string]func(context.Context) error{
		"down": func(context.Context) error { return status.Error(codes.Unavailable, "down") },
		"slow": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	}
	for name, failure := range tests {
		t.Run(name, func(t *testing.T) {
			common.google.Secrets.Fail(failure)
			defer common.google.Secrets.Fail(nil)
			f, err := functions.Start(t.Context(), platform(), "metrics", "down-"+name+".log", environment(t, "AUTH_ISSUERS=[]"))
			if err != nil {
				t.Fatal(err)
			}
			defer functions.StopAll(f)
			awaitPort(t, f)
			begin := time.Now()
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() {
					code, header, body := call(t, http.MethodGet, f.Address.String()+"/api/v1/metrics/ready", "", nil)
					if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(body, "UNAVAILABLE") {
						t.Errorf("got %d %s", code, body)
					}
				})
			}
			callers.Wait()
			if took := time.Since(begin); took > 7*time.Second {
				t.Errorf("8 callers at once were refused after %v", took)
			}
			for _, line := range lines(t, f) {
				if line["message"] != "start failed" || line["request_id"] == nil || !strings.HasPrefix(fmt.Sprint(line["logging.googleapis.com/trace"]), "projects/"+localgoogle.Project+"/traces/") {
					t.Errorf("a line of a failed start: %v", line)
				}
			}
			text := logOf(t, f)
			if !strings.Contains(text, "CURSOR_KEY") || !strings.Contains(text, `"severity":"ERROR"`) || strings.Contains(text, marker) {
				t.Errorf("the log should say what failed, without a value: %s", text)
			}
			common.google.Secrets.Fail(nil)
			if err := functions.AwaitReady(t.Context(), f); err != nil {
				t.Errorf("when it is well: %v", err)
			}
		})
	}
}

// awaitPort waits until something listens.
func awaitPort(t *testing.T, f *functions.Function) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.Address.String()+"/robots.txt", nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func logOf(t *testing.T, f *functions.Function) string {
	t.Helper()
	text, err := os.ReadFile(f.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// F21, F22: a process under load while its password is rotated, and while Secret Manager is down after that: no request
// fails.
func TestF22_PasswordRotatedUnderAProcess(t *testing.T) {
	prepare(t)
	owner, err := common.stand.Owner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close(context.WithoutCancel(t.Context())) }()
	execute := func(sql string) {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	execute(`create role plant_rotated login in role plant_app password '` + marker + `-0'`)
	reference := common.google.Secrets.Add("rotated", marker+"-0")
	f := start(t, "agents", "CLOUDSQL_USER=plant_rotated", "CLOUDSQL_PASSWORD="+reference, "DATABASE_MAX_CONNS=10")

	var answered, clients atomic.Int64
	var load sync.WaitGroup
	stop := make(chan struct{})
	more := func(number int) {
		clients.Add(int64(number))
		for range number {
			load.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if code, _, body := call(t, http.MethodGet, f.Address.String()+"/api/v1/agents?limit=5", "", nil); code != http.StatusOK {
						t.Errorf("got %d %s", code, body)
						return
					}
					answered.Add(1)
				}
			})
		}
		for until := answered.Load() + 300; answered.Load() < until && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	more(2)
	for round := 1; round <= 2; round++ {
		password := fmt.Sprintf("%s-%d", marker, round)
		common.google.Secrets.Add("rotated", password)
		more(2)
		execute(`alter role plant_rotated password '` + password + `'`)
		more(2) // their connections are new
	}
	common.google.Secrets.Fail(func(context.Context) error { return status.Error(codes.Unavailable, "down") })
	defer common.google.Secrets.Fail(nil)
	more(4)
	close(stop)
	load.Wait()
	t.Logf("%d requests of %d clients, the secret read %d times", answered.Load(), clients.Load(), common.google.Secrets.Calls("rotated"))
	if text := logOf(t, f); strings.Contains(text, marker) {
		t.Error("the log holds a password")
	}
	if calls := common.instance.Calls(); calls.Certificates == calls.LoginTokens {
		t.Errorf("a login by password asked for a certificate with a token: %+v", calls)
	}
}

// What is wrong with the settings is said in the log, by the variable's name.
func TestStart_SaysWhatIsWrong(t *testing.T) {
	prepare(t)
	tests := map[string]struct{ variable, want string }{
		"both":          {"PLANT_APP_DATABASE_URL=postgres://a@localhost/b", "set PLANT_APP_DATABASE_URL, or CLOUDSQL_INSTANCE"},
		"no user":       {"CLOUDSQL_USER=", "CLOUDSQL_INSTANCE needs CLOUDSQL_USER"},
		"no such":       {"CURSOR_KEY=secret://projects/" + localgoogle.Project + "/secrets/none/versions/1", "CURSOR_KEY: "},
		"a collector":   {"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"a wrong ratio": {"TRACE_RATIO=2", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := functions.Start(t.Context(), platform(), "search", "wrong.log", environment(t, "AUTH_ISSUERS=[]", test.variable))
			if err != nil {
				t.Fatal(err)
			}
			defer functions.StopAll(f)
			awaitPort(t, f)
			code, _, _ := call(t, http.MethodGet, f.Address.String()+"/api/v1/search/health", "", nil)
			if test.want == "" {
				if code != http.StatusOK { // nothing is traced, so nobody asks
					t.Errorf("got %d", code)
				}
				return
			}
			if text := logOf(t, f); code != http.StatusServiceUnavailable || !strings.Contains(text, test.want) {
				t.Errorf("got %d, and the log %s", code, text)
			}
		})
	}
}
