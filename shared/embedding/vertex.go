package embedding

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/httptransport"
	"google.golang.org/genai"
)

const defaultGemini = "gemini-embedding-001"

// vertex is Gemini embedding on Vertex AI. It takes one text a request.
type vertex struct {
	http        *http.Client
	config      genai.ClientConfig
	name        string
	credentials func() (*auth.Credentials, error)

	mu     sync.Mutex
	client *genai.Client // nil before the first request
}

func newVertex(cfg Config) (*vertex, error) {
	if cfg.Project == "" || cfg.Location == "" {
		return nil, errors.New("EMBEDDING_PROVIDER=vertex needs GOOGLE_CLOUD_PROJECT and EMBEDDING_LOCATION")
	}
	v := &vertex{http: newClient(1), name: cfg.Model, credentials: defaultCredentials}
	v.config = genai.ClientConfig{Backend: genai.BackendVertexAI, Project: cfg.Project, Location: cfg.Location}
	if v.name == "" {
		v.name = defaultGemini
	}
	if cfg.URL != "" {
		base, err := cfg.baseURL(true)
		if err != nil {
			return nil, err
		}
		v.config.HTTPOptions.BaseURL = base
	}
	return v, nil
}

func defaultCredentials() (*auth.Credentials, error) {
	return credentials.DetectDefault(&credentials.DetectOptions{Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"}})
}

// open returns the client. A failure is not kept: the next request tries again.
func (v *vertex) open(ctx context.Context) (*genai.Client, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.client != nil {
		return v.client, nil
	}
	found, err := v.credentials()
	if err != nil {
		return nil, &failure{reason: "there are no Google credentials"}
	}
	authorized := *v.http
	if err := httptransport.AddAuthorizationMiddleware(&authorized, found); err != nil {
		return nil, err
	}
	cfg := v.config
	cfg.HTTPClient = &authorized
	v.client, err = genai.NewClient(ctx, &cfg)
	return v.client, err
}

func (v *vertex) model() string { return v.name }
func (v *vertex) batch() int    { return 1 }

func (v *vertex) embed(ctx context.Context, kind Kind, texts []string) (vectors [][]float32, err error) {
	client, err := v.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil { // genai takes the types in an answer for granted
			vectors, err = nil, wrong("something that is not of Vertex AI's form")
		}
	}()
	task := "RETRIEVAL_DOCUMENT"
	if kind == Query {
		task = "RETRIEVAL_QUERY"
	}
	contents := make([]*genai.Content, len(texts))
	for i, text := range texts {
		contents[i] = genai.NewContentFromText(text, genai.RoleUser)
	}
	answer, err := client.Models.EmbedContent(ctx, v.name, contents, &genai.EmbedContentConfig{
		TaskType: task, OutputDimensionality: genai.Ptr[int32](Dimensions),
	})
	if err != nil {
		return nil, err
	}
	vectors = make([][]float32, len(answer.Embeddings))
	for i, embedding := range answer.Embeddings {
		vectors[i] = embedding.Values // a null one is a panic
	}
	return vectors, nil
}
