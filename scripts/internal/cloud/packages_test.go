package cloud

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/packages"
	"github.com/waooaw/plant/shared/auth"
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

// What the platform would build of the packages logs in by IAM, writes to the database and reads from it.
func TestPackages_PlatformBuildsThem(t *testing.T) {
	prepare(t)
	before := common.instance.Calls()
	running := map[string]*functions.Function{}
	for _, name := range functions.Names {
		running[name] = start(t, name)
	}
	token, err := common.stand.Token(auth.Partner, "ada")
	if err != nil {
		t.Fatal(err)
	}
	status, header, body := call(t, http.MethodPost, running["agents"].Address.String()+"/api/v1/agents",
		`{"name":"Packaged Writer","specialization":"Packaging","industry":"sales","hourly_rate":1}`, map[string]string{"Authorization": "Bearer " + token})
	if status != http.StatusCreated {
		t.Fatalf("create: %d %s", status, body)
	}
	agent := header.Get("Location")
	for _, test := range []struct{ function, path, want string }{
		{"agents", agent, `"name":"Packaged Writer"`},
		{"search", "/api/v1/agents/search?query=packaged+writer", `"name":"Packaged Writer"`},
		{"metrics", agent + "/metrics", `"total_jobs":0`},
	} {
		status, _, body := call(t, http.MethodGet, running[test.function].Address.String()+test.path, "", nil)
		if status != http.StatusOK || !strings.Contains(body, test.want) {
			t.Errorf("%s answers %d: %s", test.function, status, body)
		}
	}
	calls := common.instance.Calls()
	if got := calls.LoginTokens - before.LoginTokens; got != len(functions.Names) || calls.Certificates-before.Certificates != got {
		t.Errorf("each logs in by IAM, with one certificate, but asked %+v after %+v", calls, before)
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
		if f.EntryPoint != strings.ToUpper(name[:1])+name[1:] {
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

// Whoever runs scripts/package on the same sources, wherever they lie and whenever they were written, gets the same bytes,
// and nothing of an earlier run is left.
func TestPackages_AreReproducible(t *testing.T) {
	prepare(t)
	folder := t.TempDir()
	visible, err := filepath.Glob(filepath.Join(checkout, "[^.]*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range visible {
		to := filepath.Join(folder, filepath.Base(path))
		info, err := os.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			err = os.CopyFS(to, os.DirFS(path))
		default:
			err = copyFile(to, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	again := filepath.Join(folder, ".dist")
	stale := filepath.Join(again, "agents-0000.zip")
	if err := errors.Join(os.Mkdir(again, 0o755), os.WriteFile(stale, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	script := exec.CommandContext(t.Context(), filepath.Join(folder, "scripts", "package"))
	script.Env = append(os.Environ(), "PLANT_HOME="+filepath.Join(folder, ".local"), "GOWORK=")
	said, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	first, second := sums(t, dist()), sums(t, again)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("another checkout gives something else: %s", diff)
	}
	for name, f := range common.manifest.Functions {
		if first[f.Archive] != f.SHA256 || f.Archive != name+"-"+f.SHA256+".zip" || !strings.Contains(string(said), f.Archive) {
			t.Errorf("%s: the manifest has %+v, the archive %s, and it says %s", name, f, first[f.Archive], said)
		}
	}
	for name, object := range common.manifest.StaticFiles {
		if first[object.Path] != object.SHA256 {
			t.Errorf("%s: the manifest has %+v, the file %s", name, object, first[object.Path])
		}
	}
	if files := 1 + len(common.manifest.Functions) + len(common.manifest.StaticFiles); len(first) != files {
		t.Errorf("there are %d files, and the manifest tells of %d, itself included", len(first), files)
	}
	text, err := os.ReadFile(filepath.Join(again, packages.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	var written packages.Manifest
	if err := json.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(common.manifest, written); diff != "" {
		t.Errorf("what is written is not what is told: %s", diff)
	}
}

func copyFile(to, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// sums returns the SHA-256 of every file below a folder.
func sums(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(folder, path))
		found[path] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
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
