package gateway

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"

	"github.com/danielgtaylor/huma/v2/yaml"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// file is a page or document that does not change while the process runs.
type file struct {
	mediaType string
	content   []byte
}

// ServeHTTP implements http.Handler.
func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Cache-Control", "public, max-age=5")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.content) // the caller may be gone
	}
}

// staticFiles makes the merged documents and the pages, by path.
func staticFiles(documents map[string][]byte) (map[string]file, error) {
	merged, err := merge(documents)
	if err != nil {
		return nil, err
	}
	problems := merged.Problems
	asJSON, err := json.Marshal(merged, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	var asYAML bytes.Buffer
	if err := yaml.Convert(&asYAML, bytes.NewReader(asJSON)); err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	files := map[string]file{
		"/openapi.json": {"application/json", asJSON},
		"/openapi.yaml": {"application/yaml", asYAML.Bytes()},
	}
	pages := map[string]any{
		"/{$}":          map[string]any{"Start": true},
		"/problems/{$}": map[string]any{"Problems": problems},
		"/problems":     map[string]any{"Problems": problems},
	}
	for _, p := range problems {
		pages[p.URI()] = map[string]any{"Problem": p}
	}
	for path, data := range pages {
		var html bytes.Buffer
		if err := page.Execute(&html, data); err != nil {
			return nil, fmt.Errorf("write the page %s: %w", path, err)
		}
		files[path] = file{"text/html; charset=utf-8", html.Bytes()}
	}
	return files, nil
}
