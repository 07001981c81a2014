package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/packages"
	"github.com/waooaw/plant/scripts/internal/stand"
	"github.com/waooaw/plant/shared/localgoogle"
)

const checkout = "../../.."

// marker stands in whatever must not be seen in a log.
const marker = "marker7f2e"

// common is what the tests share: the packages, the programs that the platform would make of them, a database and Google.
var common struct {
	once     sync.Once
	home     string // of all that is made
	manifest packages.Manifest
	stand    *stand.Stand
	google   *localgoogle.Google
	instance *localgoogle.Instance
	cursor   string // the reference to the key of cursors
	err      error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if common.stand != nil {
		common.stand.Close()
	}
	if common.google != nil {
		common.google.Close()
	}
	_ = os.RemoveAll(common.home)
	os.Exit(status)
}

// Where the packages are, the checkout's own programs with the server, and the programs that the platform makes.
func dist() string     { return filepath.Join(common.home, "dist") }
func own() string      { return filepath.Join(common.home, "own") }
func platform() string { return filepath.Join(common.home, "platform") }

func prepare(t *testing.T) {
	t.Helper()
	common.once.Do(func() { common.err = prepareCommon() })
	if common.err != nil {
		t.Fatal(common.err)
	}
}

func prepareCommon() (err error) {
	ctx := context.Background()
	if common.home, err = os.MkdirTemp("", "plant-cloud-"); err != nil {
		return err
	}
	if err := os.Chmod(common.home, 0o755); err != nil { // the server's user has to pass through
		return err
	}
	if common.manifest, err = packages.Build(ctx, checkout, own(), dist(), io.Discard); err != nil {
		return err
	}
	for name, f := range common.manifest.Functions {
		if err := replay(ctx, name, filepath.Join(dist(), f.Archive)); err != nil {
			return fmt.Errorf("build %s as the platform does: %w", name, err)
		}
	}
	if common.stand, err = stand.Open(ctx, checkout, own(), io.Discard); err != nil {
		return err
	}
	if common.google, err = localgoogle.Start(); err != nil {
		return err
	}
	common.cursor = common.google.Secrets.Add("cursor-key", marker+"-cursor-key")
	common.instance, err = common.google.AddInstance(common.stand.AppURL, "")
	return err
}

// environment is what Terraform tells a function that logs in by IAM, and where Google is.
func environment(t *testing.T, more ...string) []string {
	t.Helper()
	app, err := url.Parse(common.stand.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	return append(append(common.google.Environment(),
		"PLANT_APP_DATABASE_URL=", "CLOUDSQL_INSTANCE="+common.instance.Name, "CLOUDSQL_DATABASE="+strings.TrimPrefix(app.Path, "/"),
		"CLOUDSQL_USER="+localgoogle.Login, "CURSOR_KEY="+common.cursor, "PUBLIC_URL=https://plant.example", "GOOGLE_CLOUD_PROJECT="+localgoogle.Project), more...)
}

// start starts a function that the platform's build has made, until the test ends.
func start(t *testing.T, name string, more ...string) *functions.Function {
	t.Helper()
	f, err := common.stand.StartOf(t.Context(), platform(), name, environment(t, more...)...)
	if err != nil {
		if failure, ok := errors.AsType[*functions.Failure](err); ok {
			text, _ := os.ReadFile(failure.LogFile)
			t.Logf("%s", text)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { functions.StopAll(f) })
	return f
}

// call sends a request and returns its answer.
func call(t *testing.T, method, address, body string, headers map[string]string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// lines returns the log of a function, each line of which has to be a JSON object.
func lines(t *testing.T, f *functions.Function) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(f.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for line := range strings.Lines(string(text)) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%s logs what is no JSON: %s", f.Name, line)
			continue
		}
		all = append(all, entry)
	}
	return all
}
