package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
	"github.com/waooaw/plant/shared/logging"
	"github.com/waooaw/plant/shared/tracing"
)

// sized is a function with one answer, which says how long it is and does not fit into a buffer.
var sized = httpapi.Function{Name: "probe", Title: "Probe", Register: func(api *httpapi.API, _ *database.DB) error {
	type answer struct {
		Length int `header:"Content-Length"`
		Body   string
	}
	huma.Get(api.Operations, "/api/v1/probe/sized", func(context.Context, *struct{}) (*answer, error) {
		text := strings.Repeat("long ", 1<<14)
		return &answer{Length: len(text) + len(`""`), Body: text}, nil
	})
	return nil
}}

// traced sends the trace of every request to a collector, and waits for it as long as a test may.
func traced(collector string) func(*httpapi.Settings) {
	return func(settings *httpapi.Settings) {
		settings.Trace = tracing.Config{Endpoint: collector, Ratio: 1, Timeout: time.Minute}
	}
}

// Once an answer has ended, an instance may have no processor: its trace is sent by then, however long it is.
func TestTraces_AreSentBeforeTheAnswerEnds(t *testing.T) {
	t.Parallel()
	answered, sent := make(chan struct{}), make(chan struct{})
	const long = 100 * time.Millisecond // for an answer that does not wait to arrive
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		defer close(sent)
		select {
		case <-answered:
			t.Error("the answer ended before its trace was sent")
		case <-time.After(long):
		}
	}))
	t.Cleanup(collector.Close)
	s := apitest.Start(t, sized, traced(collector.URL))
	s.Do(t, "GET", "/api/v1/probe/sized", "", "").Want(t, http.StatusOK)
	close(answered)
	<-sent
	untraced := apitest.Start(t, sized)
	if got := untraced.Do(t, "GET", "/api/v1/probe/sized", "", "").Header.Get("Content-Length"); got == "" {
		t.Error("what is not traced does not say how long it is")
	}
}

// F26: a process that is told to end does so when its traces are sent.
func TestF26_DrainWaitsForTraces(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release
	}))
	t.Cleanup(collector.Close)
	settings := httpapi.Settings{
		HTTP:     httpapi.Config{CursorKey: "k", RequestTimeout: time.Minute, BodyTimeout: time.Minute, MaxInFlight: 10},
		Database: database.Config{URL: config.Secret("postgres://nobody@127.0.0.1:1/none"), MaxConns: 1},
	}
	traced(collector.URL)(&settings)
	service, err := sized.Open(t.Context(), settings, logging.New(&apitest.Log{}, logging.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(service.Close)
	answered := make(chan struct{})
	go func() {
		service.API.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/probe/sized", nil))
		close(answered)
	}()
	<-asked
	drained := make(chan struct{})
	go func() {
		service.API.Drain(time.Minute)
		close(drained)
	}()
	select {
	case <-drained:
		t.Error("drained before the trace was sent")
	case <-answered:
		t.Error("answered before the trace was sent")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	<-answered
	<-drained
}
