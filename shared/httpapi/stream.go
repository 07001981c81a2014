package httpapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Stream answers what write writes, as it comes: the caller may take its time over the whole, but not over a part of it.
// Where write fails, the connection ends in the middle, so that nobody takes the part for the whole.
func (a *API) Stream(contentType string, write func(ctx context.Context, w io.Writer) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		request, w := humago.Unwrap(ctx)
		patient := &patientWriter{ResponseWriter: w, contentType: contentType, patience: a.cfg.AnswerTimeout}
		switch err := write(ctx.Context(), patient); {
		case err != nil && !patient.begun:
			a.refuse(ctx, err)
		case err != nil:
			a.Log.ErrorContext(request.Context(), "an answer was broken off", "request_id", callOf(request.Context()).id, "error", err)
			panic(http.ErrAbortHandler)
		}
	}}
}

// patientWriter gives the caller so much time for each part of an answer.
type patientWriter struct {
	http.ResponseWriter
	contentType string
	patience    time.Duration
	begun       bool
}

// Write implements io.Writer.
func (w *patientWriter) Write(part []byte) (int, error) {
	if !w.begun {
		w.begun = true
		w.Header().Set("Content-Type", w.contentType)
	} else if w.patience > 0 {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.patience)) // a recorder in tests has no connection
	}
	return w.ResponseWriter.Write(part)
}
