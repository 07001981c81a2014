package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
)

// call is what one request carries through the layers, for its answer's headers and its log line.
type call struct {
	id      string
	timer   *database.Timer
	problem *Problem        // the one it was answered with, if any
	role    string          // of the caller, once known
	caller  string          // a pseudonym of the caller, once known
	guarded bool            // not everyone may do this
	route   string          // the operation's path template, once known
	shared  bool            // the answer may be kept by caches
	quota   quota           // that the request was counted in last
	client  context.Context // ends when the caller goes away, and has no deadline
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// maxRequestIDBytes bounds an id that a caller sends.
const maxRequestIDBytes = 128

// requestID returns the caller's id where it is sane, and a new one otherwise.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > maxRequestIDBytes {
		return uuid.NewString()
	}
	for _, c := range []byte(id) {
		sane := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.' || c == ':'
		if !sane {
			return uuid.NewString()
		}
	}
	return id
}
