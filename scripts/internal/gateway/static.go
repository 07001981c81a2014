package gateway

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"

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

// staticFiles makes the merged documents and the pages, by path. A path that ends with a slash is a folder's index.
func staticFiles(documents map[string][]byte) (map[string]file, error) {
	merged, err := merge(documents)
	if err != nil {
		return nil, err
	}
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
		"/":          map[string]any{"Start": true},
		"/problems/": map[string]any{"Problems": merged.Problems},
	}
	for _, p := range merged.Problems {
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
