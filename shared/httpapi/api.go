// Package httpapi is how Plant speaks HTTP: what every function does with a request before and after its handler.
//
// A function is a Function: it registers its operations on API.Operations (see routes.go of each function). Handlers return resources or errors; this package alone knows statuses, headers and problem documents.
// The conventions that it keeps are those of the contract: strict JSON, RFC 9457 problems, entity tags, signed
// cursors, idempotency keys, roles, CORS, shedding.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
)

// Config of a function's HTTP side.
type Config struct {
	// CursorKey signs cursors; the same for all instances of a function.
	CursorKey config.Secret `env:"CURSOR_KEY, required"`
	// PublicURL is where callers reach Plant: scheme, host and port. Cards and catalogues that others keep name it.
	PublicURL string `env:"PUBLIC_URL, required"`
	// RequestTimeout ends the work on a request.
	RequestTimeout time.Duration `env:"REQUEST_TIMEOUT, default=10s"`
	// BodyTimeout ends the wait for a request's body.
	BodyTimeout time.Duration `env:"BODY_TIMEOUT, default=5s"`
	// AnswerTimeout ends the wait for a caller who does not take an answer.
	AnswerTimeout time.Duration `env:"ANSWER_TIMEOUT, default=20s"`
	// MaxInFlight is how many requests are worked on at once. Beyond four fifths of it reads are shed, beyond it all.
	MaxInFlight int64 `env:"MAX_IN_FLIGHT, default=200"`
	// GCPercent is how much the heap may grow, in percent of what lives, before it is collected. A function's heap is so
	// small that Go's own 100 collects it too often under load. Google's clients, which are linked whether they are used or
	// not, made what lives 2 MB larger: 130 leaves the room that 200 left without them.
	GCPercent int `env:"GC_PERCENT, default=130"`
	// CORSOrigins may call from a browser: exact origins, such as https://portal.example.
	CORSOrigins []string `env:"CORS_ORIGINS"`
}

// maxBodyBytes bounds a request's body.
const maxBodyBytes = 1 << 20

// API is one function's HTTP side.
type API struct {
	// Operations is where the function's routes are registered.
	Operations huma.API
	// Cursors seals the positions in the function's lists.
	Cursors Cursors
	// Settings are those of the function.
	Settings Settings
	// Log is the function's.
	Log *slog.Logger
	// Dialects are those of other standards. Add them before their operations.
	Dialects []Dialect
	// AfterWrite is called when a request that changed something was answered well, before the answer is sent: what takes
	// longer than a moment bounds itself. It may be nil. Its context has the request's trace for log lines, and does not end
	// with the request.
	AfterWrite func(ctx context.Context)
	// OnClose is called when the function ends. It may be nil.
	OnClose func()

	name     string
	cfg      Config
	verifier *auth.Verifier
	limits   limits
	mux      *http.ServeMux
	traced   http.Handler // the same, traced; nil where nothing is
	inFlight atomic.Int64
	sending  atomic.Int64 // requests whose traces may still be on their way, and after them their answers
	draining atomic.Bool
	stopping chan struct{} // closed when draining begins
}

// newAPI returns an API without operations but for its health. Ready reports whether what the function needs answers.
func newAPI(f Function, cfg Config, verifier *auth.Verifier, log *slog.Logger, ready func(context.Context) error) *API {
	a := &API{Cursors: newCursors(cfg.CursorKey), name: f.Name, cfg: cfg, verifier: verifier, Log: log, mux: http.NewServeMux(), stopping: make(chan struct{})}
	settings := huma.DefaultConfig(f.Title, "1.0.0")
	settings.OpenAPIPath, settings.DocsPath, settings.SchemasPath = "", "", ""
	settings.CreateHooks = nil // no $schema links
	settings.RejectUnknownQueryParameters = true
	settings.Transformers = []huma.Transformer{finishProblem}
	settings.Formats = map[string]huma.Format{
		"application/json": {Marshal: marshal, Unmarshal: unmarshal}, "json": {Marshal: marshal, Unmarshal: unmarshal},
	}
	settings.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		bearerScheme: {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "an access token of a trusted issuer"},
	}
	a.mux.HandleFunc(anyPath, a.noOperation)
	api := humago.New(a.mux, settings)
	api.UseMiddleware(a.authorise, a.readBody)
	operations := huma.NewGroup(api)
	operations.UseSimpleModifier(a.complete)
	a.Operations = operations
	a.registerHealth(ready)
	return a
}

// Address returns a path as an address for those who are elsewhere.
func (a *API) Address(path string) string { return strings.TrimSuffix(a.cfg.PublicURL, "/") + path }

// complete gives every operation what all have alike.
func (a *API) complete(op *huma.Operation) {
	// readBody has bounded and read the body already; these two keep huma from doing it again its own way.
	op.MaxBodyBytes = maxBodyBytes + 1
	op.BodyReadTimeout = -1
	if !op.Hidden {
		op.Tags = []string{"discovery"}
		if resource, ok := strings.CutPrefix(op.Path, "/api/v1/"); ok {
			op.Tags[0], _, _ = strings.Cut(resource, "/")
		}
	}
	contentType, schema := a.problemSchema(op.Path)
	delete(op.Responses, "default")
	for _, status := range refusals(op) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{contentType: {Schema: schema}},
		}
	}
}

// refusals are the statuses of the problems that an operation can answer.
func refusals(op *huma.Operation) []int {
	statuses := []int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
	}
	if len(roles(op)) > 0 {
		statuses = append(statuses, http.StatusConflict)
	}
	if op.RequestBody != nil {
		statuses = append(statuses, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	for _, parameter := range op.Parameters {
		switch parameter.Name {
		case "If-Match":
			statuses = append(statuses, http.StatusPreconditionFailed)
		case "If-None-Match":
			op.Responses[strconv.Itoa(http.StatusNotModified)] = &huma.Response{Description: "the caller has it already"}
		}
	}
	return statuses
}
