// Package gateway is the front of a local run, as the load balancer is in the cloud: it routes by routes.json, and serves
// the reference, the problems' pages and the local issuer.
package gateway

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/waooaw/plant/scripts/internal/static"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/routes"
	"github.com/waooaw/plant/shared/tracing"
)

// Config is what the gateway stands in front of.
type Config struct {
	Functions map[string]*url.URL // where each function listens, by its name in routes.json
	Documents map[string][]byte   // each function's OpenAPI document
	Issuer    http.Handler        // serves /.well-known/openid-configuration and the key set
	Tracer    *tracing.Tracer     // may be nil
}

// New returns the gateway's handler. It fails where the functions' documents do not fit together, or the routes name a
// function that is not there.
func New(cfg Config) (http.Handler, error) {
	table, err := routes.Load()
	if err != nil {
		return nil, err
	}
	forward, err := newProxy(table, cfg.Functions, cfg.Tracer)
	if err != nil {
		return nil, err
	}
	files, err := static.Files(cfg.Documents)
	if err != nil {
		return nil, err
	}
	if files["/"], err = static.Start(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for path, file := range files {
		serve(mux, path, file)
	}
	mux.Handle("GET /.well-known/openid-configuration", cfg.Issuer)
	mux.Handle("GET /.well-known/jwks.json", cfg.Issuer)
	mux.Handle("GET /ready", ready{functions: cfg.Functions, client: &http.Client{Timeout: readyTimeout}})
	mux.Handle("/", forward)
	return cfg.Tracer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Sent on, these would be escaped anew, and what was escaped already, a slash say, would not be any more.
		if r.URL.RawPath != "" && r.URL.RawPath != r.URL.EscapedPath() {
			problem(w, httpapi.MalformedRequest.Problem("the address holds characters that have to be escaped"))
			return
		}
		// The functions framework, and a mux, would answer these by redirecting to another path than was sent.
		if !isClean(r.URL.Path) {
			problem(w, httpapi.NotFound.Problem("there is nothing at this address"))
			return
		}
		mux.ServeHTTP(w, r)
	})), nil
}

// readyTimeout bounds how long a function may take to say that it is ready.
const readyTimeout = 5 * time.Second

// serve adds a file to the mux. Without its slash a folder leads to its index, as in a bucket.
func serve(mux *http.ServeMux, path string, f static.File) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", f.MediaType)
		h.Set("Cache-Control", "public, max-age=5")
		for name, value := range static.Headers {
			h.Set(name, value)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Content))
	})
	folder, isFolder := strings.CutSuffix(path, "/")
	if !isFolder {
		mux.Handle("GET "+path, handler)
		return
	}
	mux.Handle("GET "+path+"{$}", handler)
	if folder != "" {
		mux.Handle("GET "+folder, http.RedirectHandler(path, http.StatusMovedPermanently))
	}
}

func isClean(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return strings.HasPrefix(path, "/") && !strings.Contains(path, "//")
}
