package embedding

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"go.uber.org/goleak"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/localgoogle"
)

// google is where the process's credentials and calls to Google go to.
var google *localgoogle.Google

// Nothing runs on after the tests and their Google.
func TestMain(m *testing.M) { goleak.VerifyTestMain(withGoogle{m}) }

type withGoogle struct{ *testing.M }

// Run runs the tests in a process that is told of google.
func (m withGoogle) Run() int {
	var err error
	if google, err = localgoogle.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer google.Close()
	for _, variable := range google.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.M.Run()
}

// What no error and no log line may hold: a key or token, and a text.
const (
	secretKey = "marker-key"
	text      = "marker-text"
)

// vectorOf is the vector that a fake makes of a text, not normalised.
func vectorOf(kind Kind, text string) []float32 {
	hash := fnv.New64a()
	_, _ = fmt.Fprint(hash, kind, text)
	random := rand.New(rand.NewPCG(hash.Sum64(), 0))
	v := make([]float32, Dimensions)
	for i := range v {
		v[i] = float32(3 * random.NormFloat64())
	}
	return v
}

// fake is a provider out there. It answers well unless fault does.
type fake struct {
	t     *testing.T
	kind  string
	fault func(w http.ResponseWriter, r *http.Request) (done bool)

	mu       sync.Mutex
	requests int
	largest  int      // texts in a request
	at       []string // when they came, since the first
	began    time.Time
	texts    []string
	kinds    []Kind
}

// ServeHTTP takes only what the real ones do.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	if f.requests++; f.requests == 1 {
		f.began = time.Now()
	}
	f.at = append(f.at, time.Since(f.began).Round(time.Millisecond).String())
	fault := f.fault
	f.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	if got := r.Header.Get("Authorization"); got != "Bearer "+secretKey || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" {
		f.t.Errorf("%s %s with %q, %s", r.Method, r.URL, got, r.Header.Get("Content-Type"))
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if f.kind == "openai" {
		f.openAI(w, r)
	} else {
		f.vertex(w, r)
	}
}

func (f *fake) seen(kind Kind, texts ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.texts = append(f.texts, texts...)
	f.kinds = append(f.kinds, kind)
	f.largest = max(f.largest, len(texts))
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

func (f *fake) decode(r *http.Request, body any) {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(body); err != nil {
		f.t.Errorf("%s: %v", r.URL, err)
	}
}

// openAI answers in no order, and every other vector as base64.
func (f *fake) openAI(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Model      string
		Input      []string
		Dimensions *int
	}
	f.decode(r, &asked)
	if r.URL.Path != "/v1/embeddings" || asked.Model != "all-minilm" || asked.Dimensions != nil && *asked.Dimensions != Dimensions {
		f.t.Errorf("%s: %+v", r.URL, asked)
	}
	f.seen(Document, asked.Input...)
	var data []any
	for i, text := range asked.Input {
		var vector any = vectorOf(Document, text)
		if i%2 == 1 {
			vector = base64.StdEncoding.EncodeToString(encode(vectorOf(Document, text)))
		}
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": vector})
	}
	slices.Reverse(data)
	_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": data, "model": "all-minilm", "usage": map[string]int{"total_tokens": 3}})
}

// vertex is asked for one text at a time, in one of two forms.
func (f *fake) vertex(w http.ResponseWriter, r *http.Request) {
	kinds := map[string]Kind{"RETRIEVAL_DOCUMENT": Document, "RETRIEVAL_QUERY": Query}
	const models = "/v1beta1/projects/plant-test/locations/asia-south1/publishers/google/models/"
	switch r.URL.Path {
	case models + "gemini-embedding-001:predict":
		var asked struct {
			Instances []struct {
				Content  string `json:"content"`
				TaskType string `json:"task_type"`
			} `json:"instances"`
			Parameters struct{ OutputDimensionality int } `json:"parameters"`
		}
		f.decode(r, &asked)
		kind, ok := kinds[asked.Instances[0].TaskType]
		if !ok || len(asked.Instances) != 1 || asked.Parameters.OutputDimensionality != Dimensions {
			f.t.Errorf("%+v", asked)
		}
		f.seen(kind, asked.Instances[0].Content)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"predictions": []any{map[string]any{"embeddings": map[string]any{
				"statistics": map[string]any{"truncated": false, "token_count": 3}, "values": vectorOf(kind, asked.Instances[0].Content),
			}}},
			"metadata": map[string]any{"billableCharacterCount": 11},
		})
	case models + "gemini-embedding-2:embedContent":
		var asked struct {
			Content struct {
				Role  string
				Parts []struct{ Text string }
			}
			EmbedContentConfig struct {
				TaskType             string
				OutputDimensionality int
			}
		}
		f.decode(r, &asked)
		kind, ok := kinds[asked.EmbedContentConfig.TaskType]
		if !ok || len(asked.Content.Parts) != 1 || asked.EmbedContentConfig.OutputDimensionality != Dimensions {
			f.t.Errorf("%+v", asked)
		}
		f.seen(kind, asked.Content.Parts[0].Text)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"embedding": map[string]any{"values": vectorOf(kind, asked.Content.Parts[0].Text)}, "usageMetadata": map[string]any{"promptTokenCount": 3},
		})
	default:
		f.t.Errorf("asked for %s", r.URL)
	}
}

// Token implements auth.TokenProvider.
func (*fake) Token(context.Context) (*auth.Token, error) {
	return &auth.Token{Value: secretKey, Expiry: time.Now().Add(time.Hour), Metadata: map[string]any{"auth.google.tokenSource": "compute-metadata"}}, nil
}

// logged collects log lines. It is safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// remoteOf returns a guarded provider of a kind, all of whose connections are made by dial, and what it logs.
func remoteOf(t *testing.T, cfg Config, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*remote, *logged) {
	t.Helper()
	if cfg.Provider == "vertex" {
		cfg.Project, cfg.Location = "plant-test", "asia-south1"
	} else {
		cfg.Model, cfg.Key = "all-minilm", config.Literal(secretKey)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Batch == 0 {
		cfg.Batch = 4
	}
	cfg.Parallel = 3
	log := &logged{}
	r, err := newRemote(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	var client *http.Client
	switch p := r.provider.(type) {
	case *openAI:
		client = p.client
	case *vertex:
		client = p.http
		p.credentials = func() (*auth.Credentials, error) {
			return auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: &fake{}}), nil
		}
	}
	client.Transport.(*strict).base.(*http.Transport).DialContext = dial
	t.Cleanup(client.CloseIdleConnections)
	return r, log
}

// memory is a network within a test: connections whose time is the test's.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	dialed []string
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { m.once.Do(func() { close(m.closed) }); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{} }

func (m *memory) dial(ctx context.Context, _, address string) (net.Conn, error) {
	m.mu.Lock()
	m.dialed = append(m.dialed, address)
	m.mu.Unlock()
	here, there := net.Pipe()
	select {
	case m.conns <- there:
		return here, nil
	case <-m.closed:
		return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// start returns a provider of a kind out there, in memory.
func start(t *testing.T, cfg Config) (*remote, *fake, *memory, *logged) {
	t.Helper()
	f := &fake{t: t, kind: cfg.Provider}
	network := &memory{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &httptest.Server{Listener: network, Config: &http.Server{Handler: f, ReadHeaderTimeout: time.Hour, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}}
	server.Start()
	cfg.URL = "http://127.0.0.1"
	r, log := remoteOf(t, cfg, network.dial)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return r, f, network, log
}

// wantSilent fails where a text or key is told.
func wantSilent(t *testing.T, err error, log fmt.Stringer) {
	t.Helper()
	if got := fmt.Sprintf("%v %+v %#v %s", err, err, err, log); strings.Contains(got, "marker") {
		t.Errorf("it tells: %s", got)
	}
}

// sayJSON is a fault that answers 200 with a body.
func sayJSON(body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
		return true
	}
}

// hang is a fault that takes a request and never answers.
func hang(_ http.ResponseWriter, r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
	return true
}
