// Package gateway is the front of a local run, as the load balancer is in the cloud: it routes by routes.json, and serves
// the reference, the problems' pages and the local issuer.
package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/routes"
)

// Config is what the gateway stands in front of.
type Config struct {
	Functions map[string]*url.URL // where each function listens, by its name in routes.json
	Documents map[string][]byte   // each function's OpenAPI document
	Issuer    http.Handler        // serves /.well-known/openid-configuration and the key set
}

// New returns the gateway's handler. It fails where the functions' documents do not fit together, or the routes name a
// function that is not there.
func New(cfg Config) (http.Handler, error) {
	table, err := routes.Load()
	if err != nil {
		return nil, err
	}
	forward, err := newProxy(table, cfg.Functions)
	if err != nil {
		return nil, err
	}
	static, err := staticFiles(cfg.Documents)
	if err != nil {
		return nil, err
	}
	// No badge: it would send the document to a validator on the internet.
	settings := swgui.Config{SettingsUI: map[string]string{"validatorUrl": "null"}}
	docs := v5emb.NewWithConfig(settings)("Plant API", "/openapi.json", "/docs/")
	mux := http.NewServeMux()
	for path, file := range static {
		mux.Handle("GET "+path, file)
	}
	mux.Handle("GET /docs/", docs)
	mux.Handle("GET /docs", http.RedirectHandler("/docs/", http.StatusMovedPermanently))
	mux.Handle("GET /.well-known/openid-configuration", cfg.Issuer)
	mux.Handle("GET /.well-known/jwks.json", cfg.Issuer)
	mux.Handle("GET /ready", ready{functions: cfg.Functions, client: &http.Client{Timeout: readyTimeout}})
	mux.Handle("/", forward)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The functions framework, and a mux, would answer these by redirecting to another path than was sent.
		if !isClean(r.URL.Path) {
			problem(w, r, httpapi.NotFound.Problem("there is nothing at this address"))
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// readyTimeout bounds how long a function may take to say that it is ready.
const readyTimeout = 5 * time.Second

func isClean(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return strings.HasPrefix(path, "/") && !strings.Contains(path, "//")
}
