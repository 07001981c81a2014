// Package embedding turns texts into vectors whose angles tell how near the texts are in meaning.
//
// The vectors are a provider's: a model in this process, Vertex AI, or any endpoint that speaks OpenAI's API. Whichever it
// is, what comes of it is checked and normalised here, once for all, and a provider that fails is left alone for a while.
package embedding

import (
	"context"
	"errors"
)

// Dimensions that every vector has, of whatever model.
const Dimensions = 384

// Kind says what a text is, for models that embed the two differently.
type Kind int

// The kinds of texts.
const (
	Document Kind = iota // what is found
	Query                // what somebody looks for
)

// Embedder makes vectors. It is safe for concurrent use.
type Embedder interface {
	// Model names what makes the vectors, generation included; vectors of two models are never compared.
	Model() string
	// Embed makes one normalised vector of Dimensions numbers a text, in order: all of them, or an error. It is
	// ErrUnavailable where the provider is at fault. The first line of a document is its name, which may count for more; a
	// text that says nothing to the local model has a nil vector there.
	Embed(ctx context.Context, kind Kind, texts []string) ([][]float32, error)
}

// ErrUnavailable is a provider that is down, slow, or answers wrongly. Search goes on without meaning then, and says so.
var ErrUnavailable = errors.New("the embedding provider is unavailable")
