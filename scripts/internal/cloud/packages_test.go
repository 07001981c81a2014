package cloud

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/packages"
)

// The platform's own main, as its functions-framework buildpack writes it where the function is declared in the code, but
// that it listens on this machine only. Source: GoogleCloudPlatform/buildpacks, cmd/go/functions_framework/lib.
const platformMain = `package main

import (
	"log"
	"net/http"
	"os"

	_ %q

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
)

func main() {
	http.HandleFunc("/robots.txt", http.NotFound)
	http.HandleFunc("/favicon.ico", http.NotFound)
	port := os.Getenv("PORT")
	if err := funcframework.StartHostPort(os.Getenv("HOST"), port); err != nil {
		log.Fatalf("Function failed to start: %%v\n", err)
	}
}
`

// replay builds an archive as the platform does, without any network, into the platform's home.
func replay(ctx context.Context, name, archive string) error {
	source := filepath.Join(platform(), "source-"+name)
	if err := unpack(archive, source); err != nil {
		return err
	}
	if err := onePackage(source); err != nil {
		return err
	}
	const framework = "github.com/GoogleCloudPlatform/functions-framework-go"
	if _, err := os.Stat(filepath.Join(source, "vendor", framework, "funcframework")); err != nil {
		return err
	}
	module, err := golang(ctx, source, "list", "-m")
	if err != nil {
		return err
	}
	if first, _, _ := strings.Cut(module, "/"); !strings.Contains(first, ".") {
		return fmt.Errorf("module %s: its path begins without a dot", module)
	}
	if version, err := golang(ctx, source, "list", "-m", "-f", "{{.Version}}", framework); err != nil || version == "" {
		return fmt.Errorf("the framework's version is %q: %w", version, err)
	}
	app := filepath.Join(source, "functions.local", "app")
	if err := os.MkdirAll(app, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(app, "main.go"), []byte(fmt.Sprintf(platformMain, module)), 0o600); err != nil {
		return err
	}
	_, err = golang(ctx, source, "build", "-o", filepath.Join(platform(), "bin", name), app)
	return err
}

// golang runs the go command as the platform would, where there is no network, no module cache and no workspace.
func golang(ctx context.Context, folder string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOTOOLCHAIN=local", "GOFLAGS=-trimpath", "GOMODCACHE="+filepath.Join(platform(), "none"))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, complaint.Bytes())
	}
	return strings.TrimSpace(string(output)), nil
}

func unpack(archive, folder string) error {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	return os.CopyFS(folder, reader)
}

// onePackage parses every file of the root, tests too, as the platform does.
func onePackage(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		names[parsed.Name.Name] = true
	}
	if len(names) != 1 || names["main"] {
		return fmt.Errorf("the root has the packages %v: the platform wants one, and not main", names)
	}
	return nil
}

func TestPackages_PlatformBuildsThem(t *testing.T) {
	prepare(t)
	before := common.instance.Calls()
	paths := map[string]string{"agents": "/api/v1/agents?limit=1", "search": "/api/v1/agents/search?query=writer", "metrics": "/api/v1/metrics/ready"}
	for _, name := range functions.Names {
		f := start(t, name)
		if status, _, body := call(t, http.MethodGet, f.Address.String()+paths[name], "", nil); status != http.StatusOK {
			t.Errorf("%s answers %d: %s", name, status, body)
		}
	}
	if calls := common.instance.Calls(); calls.LoginTokens-before.LoginTokens < len(functions.Names) {
		t.Errorf("each logs in by IAM, but asked %+v after %+v", calls, before)
	}
}

func TestPackages_HoldWhatIsNeededAndNoMore(t *testing.T) {
	prepare(t)
	for name, f := range common.manifest.Functions {
		reader, err := zip.OpenReader(filepath.Join(dist(), f.Archive))
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		if f.Archive != name+"-"+f.SHA256+".zip" || f.EntryPoint != strings.ToUpper(name[:1])+name[1:] {
			t.Errorf("%s: the manifest has %+v", name, f)
		}
		last := ""
		for _, file := range reader.File {
			if file.Name <= last {
				t.Errorf("%s: %s comes after %s", name, file.Name, last)
			}
			last = file.Name
			if strings.HasSuffix(file.Name, "_test.go") {
				t.Errorf("%s holds %s", name, file.Name)
			}
			for _, unwanted := range []string{"testdata/", "cmd/main.go", "go.work", "localgoogle", "localissuer", "dbtest", "apitest", "toxiproxy"} {
				if strings.Contains(file.Name, unwanted) {
					t.Errorf("%s holds %s", name, file.Name)
				}
			}
			if !file.Modified.Equal(reader.File[0].Modified) || file.Modified.Year() != 1980 {
				t.Errorf("%s: %s is of %v", name, file.Name, file.Modified)
			}
		}
	}
}

// The same checkout gives the same bytes, in whatever folder, and nothing of an earlier run is left.
func TestPackages_AreReproducible(t *testing.T) {
	prepare(t)
	folder := t.TempDir()
	stale := filepath.Join(folder, "agents-0000.zip")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := packages.Build(t.Context(), checkout, folder, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(common.manifest, again); diff != "" {
		t.Errorf("a second run differs: %s", diff)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Error("an archive of an earlier run is still there")
	}
	for _, file := range []string{packages.ManifestName, again.Functions["agents"].Archive, again.StaticFiles["openapi.yaml"].Path} {
		first, err := os.ReadFile(filepath.Join(dist(), file))
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s differs", file)
		}
	}
}

func TestPackages_StaticFiles(t *testing.T) {
	prepare(t)
	want := map[string]struct{ contentType, text string }{
		"openapi.json":              {"application/json", `"/api/v1/agents/{id}"`},
		"openapi.yaml":              {"application/yaml", "/api/v1/agents/{id}:"},
		"docs/index.html":           {"text/html; charset=utf-8", "/docs/swagger-ui-bundle.js"},
		"docs/swagger-ui-bundle.js": {"text/javascript; charset=utf-8", "SwaggerUI"},
		"problems/index.html":       {"text/html; charset=utf-8", "NOT_FOUND"},
		"problems/not-found":        {"text/html; charset=utf-8", "NOT_FOUND"},
		"problems/industry-locked":  {"text/html; charset=utf-8", "INDUSTRY_LOCKED"},
	}
	for name, w := range want {
		object, there := common.manifest.StaticFiles[name]
		content, err := os.ReadFile(filepath.Join(dist(), object.Path))
		if !there || err != nil || object.ContentType != w.contentType || object.CacheControl == "" || !bytes.Contains(content, []byte(w.text)) {
			t.Errorf("%s: %+v, %v", name, object, err)
		}
	}
	if common.manifest.StaticHeaders["Content-Security-Policy"] == "" {
		t.Error("the static files have no policy")
	}
}
