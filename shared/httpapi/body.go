package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// readBody reads and checks a body before huma decodes it: its type, its size, the time it takes, and that it is one
// strict JSON document. Operations without a body ignore one that is sent.
func (a *API) readBody(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	if op.RequestBody == nil {
		next(ctx)
		return
	}
	request, writer := humago.Unwrap(ctx)
	if !op.RequestBody.Required && request.ContentLength == 0 {
		next(ctx)
		return
	}
	if problem := checkType(request); problem != nil {
		a.refuse(ctx, problem)
		return
	}
	body, problem := receive(writer, request, a.cfg.BodyTimeout)
	if problem != nil {
		// What is left of the body is not worth reading, so the connection cannot be used again.
		writer.Header().Set("Connection", "close")
		a.refuse(ctx, problem)
		return
	}
	faults, err := scanJSON(body)
	if err == nil && len(faults) == 0 && bytes.Contains(body, []byte("null")) {
		var value any
		err = unmarshal(body, &value)
		faults = nulls(a.Operations.OpenAPI().Components.Schemas, op.RequestBody.Content["application/json"].Schema, "body", value)
	}
	switch {
	case err != nil:
		a.refuse(ctx, MalformedRequest.Problem(err.Error()))
	case len(faults) > 0:
		a.refuse(ctx, Invalid.Problem(summary(faults), faults...))
	default:
		next(received{humaContext: ctx, body: bytes.NewReader(body)})
	}
}

// received is a context whose body was read already, and is JSON whatever its Content-Type was spelt like.
type received struct {
	humaContext
	body io.Reader
}

// humaContext has another name than its method Context, so that it can be embedded.
type humaContext huma.Context

// BodyReader implements huma.Context.
func (r received) BodyReader() io.Reader { return r.body }

// Header implements huma.Context.
func (r received) Header(name string) string {
	if name == "Content-Type" {
		return "application/json"
	}
	return r.humaContext.Header(name)
}

// Unwrap lets humago find the request.
func (r received) Unwrap() huma.Context { return r.humaContext }

func checkType(r *http.Request) *Problem {
	sent := r.Header.Values("Content-Type")
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON := media == "application/json" || r.Method == http.MethodPatch && media == "application/merge-patch+json"
	charset, given := parameters["charset"]
	switch {
	case len(sent) != 1 || err != nil || !isJSON:
		return UnsupportedMediaType.Problem("Content-Type has to be application/json")
	case given && !strings.EqualFold(charset, "utf-8"):
		return UnsupportedMediaType.Problem("the charset has to be utf-8")
	case r.Header.Get("Content-Encoding") != "" && !strings.EqualFold(r.Header.Get("Content-Encoding"), "identity"):
		return UnsupportedMediaType.Problem("Content-Encoding is not supported")
	}
	return nil
}

// receive reads the body within its bounds. The deadline is lifted afterwards: where it passed during the handler's work,
// net/http would take the caller for gone.
func receive(w http.ResponseWriter, r *http.Request, patience time.Duration) ([]byte, *Problem) {
	if r.ContentLength > maxBodyBytes {
		return nil, TooLarge.Problem("a body may have 1 MiB")
	}
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Now().Add(patience)) // a recorder in tests has no connection
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes+1))
	_ = connection.SetReadDeadline(time.Time{})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, RequestTimeout.Problem("the body did not arrive in time")
	case err != nil:
		return nil, MalformedRequest.Problem("the body ended too early")
	case len(body) > maxBodyBytes:
		return nil, TooLarge.Problem("a body may have 1 MiB")
	}
	return body, nil
}
