package httpapi

import (
	"context"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/logging"
	"github.com/waooaw/plant/shared/ratelimit"
	"github.com/waooaw/plant/shared/tracing"
)

// Settings are all that a function is told by its environment.
type Settings struct {
	Audit    audit.Config
	Auth     auth.Config
	Database database.Config
	HTTP     Config
	Limits   ratelimit.Config
	Log      logging.Config
	Trace    tracing.Config
}

// Function is one of Plant's functions: what differs between them.
type Function struct {
	Name  string // as in routes.json and in its health's address: agents, search, metrics
	Title string // of its OpenAPI document
	// Register adds its operations. Where only the document is wanted, db is nil and the API's settings are empty.
	Register func(api *API, db *database.DB) error
}

// Handler returns the handler to register with the functions framework. It starts the function with its first request.
func (f Function) Handler() http.HandlerFunc {
	return lazily(func(ctx context.Context) (*Service, error) {
		early, _ := config.Load[logging.Config](ctx) // for what goes wrong before all settings are there, such as these
		slog.SetDefault(logging.New(os.Stdout, early))
		settings, err := config.Load[Settings](ctx)
		if err != nil {
			return nil, err
		}
		log := logging.New(os.Stdout, settings.Log)
		slog.SetDefault(log)
		debug.SetGCPercent(settings.HTTP.GCPercent)
		return f.Open(ctx, settings, log)
	})
}

// Open makes the function of its settings. It reaches for nothing: connections and keys come with the requests.
func (f Function) Open(ctx context.Context, settings Settings, log *slog.Logger) (*Service, error) {
	verifier, err := auth.New(settings.Auth)
	if err != nil {
		return nil, err
	}
	limits, err := newLimits(settings.Limits, log)
	if err != nil {
		return nil, err
	}
	tracer, err := tracing.New(settings.Trace, f.Name, log)
	if err != nil {
		return nil, err
	}
	db, err := database.Open(ctx, settings.Database, database.WithTraces(tracer.Provider()))
	if err != nil {
		return nil, err
	}
	api := newAPI(f, settings.HTTP, verifier, log, db.Ready)
	api.limits, api.Settings = limits, settings
	if tracer != nil {
		api.traced = tracer.Handler(http.HandlerFunc(api.answer))
	}
	if err := f.Register(api, db); err != nil {
		db.Close()
		limits.close()
		return nil, err
	}
	return &Service{API: api, Close: func() {
		if api.OnClose != nil {
			api.OnClose()
		}
		db.Close()
		limits.close()
	}}, nil
}

// ProblemsExtension is where a function's OpenAPI document lists the kinds of problems that it answers, as ProblemType.
const ProblemsExtension = "x-problem-types"

// OpenAPI returns the function's published document, OpenAPI 3.1 as JSON. It needs no settings.
func (f Function) OpenAPI() ([]byte, error) {
	api := newAPI(f, Config{}, nil, nil, nil)
	if err := f.Register(api, nil); err != nil {
		return nil, err
	}
	document := api.Operations.OpenAPI()
	document.Extensions = map[string]any{ProblemsExtension: ProblemTypes()}
	return document.MarshalJSON()
}

// Main runs the function alone, through the functions framework: HOST and PORT say where. With the argument -openapi it
// prints the function's OpenAPI document instead.
func (f Function) Main(ctx context.Context) error {
	openAPI := flag.Bool("openapi", false, "print the OpenAPI document and end")
	flag.Parse()
	if *openAPI {
		document, err := f.OpenAPI()
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(document)
		return err
	}
	type address struct {
		Host string `env:"HOST"`
		Port string `env:"PORT, default=8080"`
	}
	at, err := config.Load[address](ctx)
	if err != nil {
		return err
	}
	return funcframework.StartHostPort(at.Host, at.Port)
}
