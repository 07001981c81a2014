package httpapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// streaming is a function whose answers are written bit by bit. Wrote counts what was written by others.
func streaming(wrote *atomic.Int64) httpapi.Function {
	return httpapi.Function{Name: "probe", Title: "Probe", Register: func(api *httpapi.API, _ *database.DB) error {
		stream := func(parts int, failing error) func(context.Context, *struct{}) (*huma.StreamResponse, error) {
			return func(context.Context, *struct{}) (*huma.StreamResponse, error) {
				return api.Stream("text/csv", func(ctx context.Context, w io.Writer) error {
					for range parts {
						if _, err := io.WriteString(w, strings.Repeat("x", 9)+"\n"); err != nil {
							return err
						}
						select {
						case <-time.After(20 * time.Millisecond):
						case <-ctx.Done():
							return ctx.Err()
						}
					}
					return failing
				}), nil
			}
		}
		huma.Get(api.Operations, "/api/v1/probe/whole", stream(20, nil), httpapi.Lasts(time.Minute))
		huma.Get(api.Operations, "/api/v1/probe/broken", stream(3, errors.New("marker-of-the-cause")), httpapi.Lasts(time.Minute))
		huma.Get(api.Operations, "/api/v1/probe/nothing", stream(0, errors.New("marker-of-the-cause")))
		huma.Get(api.Operations, "/api/v1/probe/late", stream(20, nil))
		huma.Post(api.Operations, "/api/v1/probe/write", func(context.Context, *struct{}) (*word, error) { return said("done"), nil })
		huma.Post(api.Operations, "/api/v1/probe/refuse", func(context.Context, *struct{}) (*word, error) { return nil, database.ErrForbidden })
		huma.Get(api.Operations, "/api/v1/probe/read", func(context.Context, *struct{}) (*word, error) { return said("done"), nil }, httpapi.Fresh)
		api.AfterWrite = func(context.Context) { wrote.Add(1) }
		return nil
	}}
}

// An answer that comes bit by bit may take longer than the time of a request and of an answer, as long as its parts come;
// one that fails is never taken for a whole.
func TestStream(t *testing.T) {
	t.Parallel()
	var wrote atomic.Int64
	s := apitest.Start(t, streaming(&wrote), func(settings *httpapi.Settings) {
		settings.HTTP.RequestTimeout, settings.HTTP.AnswerTimeout = 100*time.Millisecond, 200*time.Millisecond
	})
	whole := s.Do(t, "GET", "/api/v1/probe/whole", "", "").Want(t, http.StatusOK)
	if whole.Body != strings.Repeat("xxxxxxxxx\n", 20) || whole.Header.Get("Content-Type") != "text/csv" {
		t.Errorf("got %d bytes of %s", len(whole.Body), whole.Header.Get("Content-Type"))
	}
	for _, path := range []string{"broken", "late"} {
		request, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v1/probe/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue // it broke off before its first part was sent
		}
		if text, err := io.ReadAll(response.Body); err == nil {
			t.Errorf("%s was answered as a whole: %q", path, text)
		}
		_ = response.Body.Close()
	}
	if log := s.Log.String(); !strings.Contains(log, "marker-of-the-cause") || !strings.Contains(log, "an answer was broken off") {
		t.Errorf("nobody is told: %s", log)
	}
	request, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v1/probe/nothing", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusInternalServerError || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
}

// Whoever wants to know is told of each write that was done, and of nothing else.
func TestAfterWrite(t *testing.T) {
	t.Parallel()
	var wrote atomic.Int64
	s := apitest.Start(t, streaming(&wrote))
	s.Do(t, "POST", "/api/v1/probe/write", "", "").Want(t, http.StatusOK)
	s.Do(t, "POST", "/api/v1/probe/refuse", "", "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	s.Do(t, "POST", "/api/v1/probe/nothing-there", "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	read := s.Do(t, "GET", "/api/v1/probe/read", "", "").Want(t, http.StatusOK)
	if wrote.Load() != 1 || read.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("told of %d writes; a fresh answer may be kept: %s", wrote.Load(), read.Header.Get("Cache-Control"))
	}
}
