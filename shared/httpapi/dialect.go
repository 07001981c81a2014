package httpapi

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
)

// Dialect is how another standard says what is wrong, at the addresses that are its own. Whatever is answered there that
// is a problem is said in it: what the handlers find, and what is found before any of them runs.
type Dialect struct {
	// Prefix of the addresses' paths.
	Prefix string
	// Says returns the status and the body, as JSON, that a problem is answered with.
	Says func(*Problem) (status int, body any)
	// Body is the zero value of what Says returns, for the reference.
	Body any
}

// dialectOf returns the dialect of a path; nil is our own.
func (a *API) dialectOf(path string) *Dialect {
	for i := range a.Dialects {
		if strings.HasPrefix(path, a.Dialects[i].Prefix) {
			return &a.Dialects[i]
		}
	}
	return nil
}

// problemSchema describes what problems are answered with at a path.
func (a *API) problemSchema(path string) (contentType string, schema *huma.Schema) {
	registry := a.Operations.OpenAPI().Components.Schemas
	if d := a.dialectOf(path); d != nil {
		return "application/json", registry.Schema(reflect.TypeOf(d.Body), true, "")
	}
	return "application/problem+json", registry.Schema(reflect.TypeFor[Problem](), true, "")
}

// holds keeps the header of a problem back, until the problem is known: its body is written next. It reports whether it does.
func (w *answer) holds(status int) bool {
	if w.dialect == nil || status < http.StatusBadRequest {
		return false
	}
	w.held = status
	return true
}

// translate answers a problem whose header was held back, in the dialect. What is no problem of ours goes out as it is.
func (w *answer) translate() {
	p, dialect, status := w.call.problem, w.dialect, w.held
	w.held, w.dialect = 0, nil // from here on, this is an answer like any other
	if p == nil {
		w.WriteHeader(status)
		return
	}
	status, body := dialect.Says(p)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Del("Content-Length")
	w.WriteHeader(status)
	if w.request.Method != http.MethodHead {
		_ = json.MarshalWrite(w, body) // the caller may be gone
	}
	w.said = true
}
