// Package packages makes what is deployed: an archive of each function that the platform builds without any network, and the
// static files behind the load balancer, with a manifest of both that Terraform reads. The same checkout gives the same
// bytes.
package packages

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/static"
)

// ManifestName is the manifest's file, in the folder that everything is put into.
const ManifestName = "manifest.json"

// Manifest tells what was made. Paths are relative to it, and both maps are fit for Terraform's for_each.
type Manifest struct {
	Functions     map[string]Function `json:"functions"`      // by their names in routes.json
	StaticFiles   map[string]Object   `json:"static_files"`   // by their names in the bucket
	StaticHeaders map[string]string   `json:"static_headers"` // that the load balancer adds to each of them
}

// Function is what the platform builds a function from.
type Function struct {
	EntryPoint string `json:"entry_point"` // FUNCTION_TARGET
	Archive    string `json:"archive"`     // NAME-SHA256.zip
	SHA256     string `json:"sha256"`      // of the archive, hexadecimal
	Bytes      int64  `json:"bytes"`
}

// Object is one file for the bucket.
type Object struct {
	Path         string `json:"path"`
	ContentType  string `json:"content_type"`
	CacheControl string `json:"cache_control"`
	SHA256       string `json:"sha256"`
	Bytes        int64  `json:"bytes"`
}

// cacheControl of static files: a deployment is seen within minutes.
const cacheControl = "public, max-age=300"

// StaticFolder is the folder of the static files, in the same folder.
const StaticFolder = "static"

// Build makes all of it in a folder, from a checkout. What an earlier run has left there goes. The functions' programs,
// which are asked for their documents, are compiled into a home.
func Build(ctx context.Context, checkout, home, folder string, out io.Writer) (Manifest, error) {
	m := Manifest{Functions: map[string]Function{}, StaticFiles: map[string]Object{}, StaticHeaders: static.Headers}
	checkout, err := filepath.Abs(checkout)
	if err != nil {
		return m, err
	}
	if home, err = filepath.Abs(home); err != nil {
		return m, err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return m, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return m, err
	}
	if err := removeOld(folder); err != nil {
		return m, err
	}
	var building errgroup.Group
	building.Go(func() error { return m.buildStatic(ctx, checkout, home, folder, out) })
	made := make([]Function, len(functions.Names))
	for i, name := range functions.Names {
		building.Go(func() (err error) {
			if made[i], err = buildFunction(ctx, checkout, folder, name); err != nil {
				return fmt.Errorf("package %s: %w", name, err)
			}
			return nil
		})
	}
	if err := building.Wait(); err != nil {
		return m, err
	}
	for i, name := range functions.Names {
		m.Functions[name] = made[i]
	}
	text, err := json.Marshal(m, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return m, err
	}
	return m, os.WriteFile(filepath.Join(folder, ManifestName), append(text, '\n'), 0o644) //nolint:gosec // for whoever deploys
}

// removeOld removes what an earlier run has made, so that nobody deploys a mixture.
func removeOld(folder string) error {
	old := []string{filepath.Join(folder, ManifestName), filepath.Join(folder, StaticFolder)}
	for _, name := range functions.Names {
		archives, err := filepath.Glob(filepath.Join(folder, name+"-*.zip"))
		if err != nil {
			return err
		}
		old = append(old, archives...)
	}
	for _, path := range old {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

func buildFunction(ctx context.Context, checkout, folder, name string) (Function, error) {
	stage, err := os.MkdirTemp("", "plant-package-")
	if err != nil {
		return Function{}, err
	}
	defer func() { _ = os.RemoveAll(stage) }()
	files, err := stageFunction(ctx, filepath.Join(checkout, "functions", name), stage)
	if err != nil {
		return Function{}, err
	}
	archive, err := pack(files)
	if err != nil {
		return Function{}, err
	}
	sum := hashOf(archive)
	f := Function{EntryPoint: strings.ToUpper(name[:1]) + name[1:], Archive: name + "-" + sum + ".zip", SHA256: sum, Bytes: int64(len(archive))}
	return f, os.WriteFile(filepath.Join(folder, f.Archive), archive, 0o644) //nolint:gosec // for whoever deploys
}

func (m *Manifest) buildStatic(ctx context.Context, checkout, home, folder string, out io.Writer) error {
	if err := functions.Build(ctx, checkout, home, out); err != nil {
		return err
	}
	documents := map[string][]byte{}
	for _, name := range functions.Names {
		document, err := functions.OpenAPI(ctx, home, name)
		if err != nil {
			return err
		}
		documents[name] = document
	}
	files, err := static.Files(documents)
	if err != nil {
		return err
	}
	for path, file := range files {
		name := strings.TrimPrefix(path, "/")
		if strings.HasSuffix(name, "/") {
			name += "index.html"
		}
		object := Object{
			Path: StaticFolder + "/" + name, ContentType: file.MediaType, CacheControl: cacheControl,
			SHA256: hashOf(file.Content), Bytes: int64(len(file.Content)),
		}
		m.StaticFiles[name] = object
		target := filepath.Join(folder, filepath.FromSlash(object.Path))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, file.Content, 0o644); err != nil { //nolint:gosec // for whoever deploys
			return err
		}
	}
	return nil
}

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
