// Package static makes the files that no function answers: the OpenAPI documents, the reference that shows them, and a page
// for each kind of problem. The local gateway serves them, and scripts/package puts them where the load balancer's bucket
// gets them from.
package static

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2/yaml"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	swaggerui "github.com/swaggest/swgui/v5/static"
	"github.com/swaggest/swgui/v5emb"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// File is a page, a document, or what belongs to one.
type File struct {
	MediaType string
	Content   []byte
}

const html = "text/html; charset=utf-8"

// Headers that every one of these files is served with: a page can neither load anything from another host nor send
// anything there, whatever its scripts try. The reference has scripts, styles and pictures in its text.
var Headers = map[string]string{
	"Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	"X-Content-Type-Options": "nosniff",
}

// Files makes all of them from the functions' OpenAPI documents, by path. A path that ends with a slash is a folder's index.
// It fails where the documents do not fit together.
func Files(documents map[string][]byte) (map[string]File, error) {
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
	files := map[string]File{
		"/openapi.json": {"application/json", asJSON},
		"/openapi.yaml": {"application/yaml", asYAML.Bytes()},
	}
	if err := addReference(files); err != nil {
		return nil, fmt.Errorf("make the reference: %w", err)
	}
	pages := map[string]any{"/problems/": map[string]any{"Problems": merged.Problems}}
	for _, p := range merged.Problems {
		pages[p.URI()] = map[string]any{"Problem": p}
	}
	for path, data := range pages {
		if files[path], err = write(data); err != nil {
			return nil, fmt.Errorf("write the page %s: %w", path, err)
		}
	}
	return files, nil
}

// Start is the page that tells where everything is. It is for local runs.
func Start() (File, error) { return write(map[string]any{"Start": true}) }

func write(data any) (File, error) {
	var text bytes.Buffer
	err := page.Execute(&text, data)
	return File{html, text.Bytes()}, err
}

const reference = "/docs/"

// mediaTypes of the reference's assets, by the ends of their names.
var mediaTypes = map[string]string{".html": html, ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".png": "image/png"}

// addReference adds Swagger UI, which comes with its library: its page, and what that loads.
func addReference(files map[string]File) error {
	answer := httptest.NewRecorder()
	v5emb.New("Plant", "/openapi.json", reference).ServeHTTP(answer, httptest.NewRequestWithContext(context.Background(), http.MethodGet, reference, nil))
	if answer.Code != http.StatusOK {
		return fmt.Errorf("its page answers %d", answer.Code)
	}
	files[reference] = File{html, answer.Body.Bytes()}
	assets, err := fs.ReadDir(swaggerui.FS, ".")
	if err != nil {
		return err
	}
	for _, asset := range assets {
		content, err := swaggerui.FS.ReadFile(asset.Name())
		if err != nil {
			return err
		}
		name, zipped := strings.CutSuffix(asset.Name(), ".gz")
		if zipped {
			if content, err = unzip(content); err != nil {
				return fmt.Errorf("%s: %w", asset.Name(), err)
			}
		}
		mediaType := mediaTypes[path.Ext(name)]
		if mediaType == "" {
			return fmt.Errorf("%s is of no known type", name)
		}
		files[reference+name] = File{mediaType, content}
	}
	return nil
}

func unzip(content []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}
