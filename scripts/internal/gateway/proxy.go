package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/routes"
	"github.com/waooaw/plant/shared/tracing"
)

// maxIdlePerFunction connections are kept open to each function, so that load does not wear out this machine's ports.
const maxIdlePerFunction = 128

// newProxy sends each request to the function that the table names, with its path and query as they came.
func newProxy(table routes.Table, functions map[string]*url.URL, tracer *tracing.Tracer) (http.Handler, error) {
	for _, route := range append(routes.Table{{Function: routes.Default}}, table...) {
		if functions[route.Function] == nil {
			return nil, fmt.Errorf("routes.json names the function %s, which does not run", route.Function)
		}
	}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
		MaxIdleConnsPerHost: maxIdlePerFunction, IdleConnTimeout: time.Minute, DisableCompression: true,
	}
	proxy := &httputil.ReverseProxy{
		Transport: tracer.Transport(transport),
		Rewrite: func(r *httputil.ProxyRequest) {
			target := functions[table.Function(r.In.URL.Path)]
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery // the function, not the proxy, judges a malformed query
			r.Out.Host = r.In.Host
			// As a load balancer does: what the caller says of itself stays, and what is known of it comes after that.
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			problem(w, httpapi.Unavailable.Problem("the function does not answer"))
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Scheduled work calls a function's own address; from outside it is not there.
		if r.URL.Path == "/internal" || strings.HasPrefix(r.URL.Path, "/internal/") {
			problem(w, httpapi.NotFound.Problem("there is nothing at this address"))
			return
		}
		proxy.ServeHTTP(w, r)
	}), nil
}

// problem answers what no function has answered.
func problem(w http.ResponseWriter, p *httpapi.Problem) {
	p.RequestID, p.Timestamp = uuid.NewString(), time.Now().UTC().Truncate(time.Microsecond)
	h := w.Header()
	h.Set("Content-Type", p.ContentType(""))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Request-Id", p.RequestID)
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = json.MarshalWrite(w, p) // the caller may be gone
}
