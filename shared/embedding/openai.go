package embedding

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waooaw/plant/shared/config"
)

// openAI is an endpoint that speaks OpenAI's API: POST /v1/embeddings.
type openAI struct {
	client *http.Client
	url    string
	name   string
	key    config.Rotating
	many   int
	asked  int // dimensions; 0 is the model's own
}

func newOpenAI(cfg Config) (*openAI, error) {
	base, err := cfg.baseURL(cfg.Key.IsSet())
	if err != nil {
		return nil, err
	}
	if cfg.Model == "" {
		return nil, errors.New("EMBEDDING_PROVIDER=openai needs EMBEDDING_MODEL")
	}
	o := &openAI{client: newClient(cfg.Batch), url: base + "/v1/embeddings", name: cfg.Model, key: cfg.Key, many: cfg.Batch}
	if cfg.SendDimensions {
		o.asked = Dimensions
	}
	return o, nil
}

func (o *openAI) model() string { return o.name }
func (o *openAI) batch() int    { return o.many }

func (o *openAI) embed(ctx context.Context, _ Kind, texts []string) ([][]float32, error) {
	body, err := json.Marshal(struct {
		Model      string   `json:"model"`
		Input      []string `json:"input"`
		Dimensions int      `json:"dimensions,omitzero"`
	}{o.name, texts, o.asked})
	if err != nil {
		return nil, &failure{reason: "the text is not UTF-8", refused: true}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Content-Type", "application/json")
	if o.key.IsSet() {
		key, err := o.key.Reveal(ctx)
		if err != nil {
			return nil, &failure{reason: "its key cannot be read"}
		}
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := o.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return o.read(text, len(texts))
}

// read returns the vectors of an answer in the order of the texts.
func (o *openAI) read(text []byte, texts int) ([][]float32, error) {
	var answer struct {
		Model string `json:"model"`
		Data  []struct {
			Index     *int           `json:"index"`
			Embedding jsontext.Value `json:"embedding"`
		} `json:"data"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, wrong("something that is not of OpenAI's form")
	}
	// Ollama gives a model's full name where it was asked for by the short one.
	if answer.Model != "" && answer.Model != o.name && answer.Model != o.name+":latest" {
		return nil, wrong("vectors of another model")
	}
	if len(answer.Data) != texts {
		return nil, wrong(fmt.Sprintf("%d vectors for %d texts", len(answer.Data), texts))
	}
	vectors := make([][]float32, texts)
	for _, item := range answer.Data {
		if item.Index == nil || *item.Index < 0 || *item.Index >= texts { // where one occurs twice, another has no vector
			return nil, wrong("vectors without an order")
		}
		vector, err := readVector(item.Embedding)
		if err != nil {
			return nil, wrong("something that is not a vector")
		}
		vectors[*item.Index] = vector
	}
	return vectors, nil
}

// readVector reads an array of numbers, or the base64 of little-endian ones.
func readVector(text jsontext.Value) (vector []float32, err error) {
	if text.Kind() != '"' {
		vector = make([]float32, 0, Dimensions)
		err = json.Unmarshal(text, &vector)
		return vector, err
	}
	var encoded string
	if err := json.Unmarshal(text, &encoded); err != nil {
		return nil, err
	}
	bytes, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil || len(bytes)%bytesPerNumber != 0 {
		return nil, errors.Join(err, errors.New("not whole numbers"))
	}
	return numbers(bytes), nil
}
