package localgoogle

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"sync"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Traces is a collector of traces: Cloud Trace's at https://telemetry.googleapis.com, or one of its own where it is served
// elsewhere. It is safe for concurrent use.
type Traces struct {
	mu       sync.Mutex
	spans    []Span
	requests int
	failing  bool
}

// Span is one span that was sent. Ids are hexadecimal.
type Span struct {
	Service, Name             string
	TraceID, SpanID, ParentID string
	Attributes                map[string]string // those that are text
}

// ServeHTTP implements http.Handler: OTLP over HTTP, in protobuf.
func (t *Traces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if t.failing {
		http.Error(w, "failing", http.StatusServiceUnavailable)
		return
	}
	var reader io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reader = unzipped
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		return
	}
	var in collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &in); err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "not traces", http.StatusBadRequest)
		return
	}
	for _, resource := range in.GetResourceSpans() {
		service := ""
		for _, attribute := range resource.GetResource().GetAttributes() {
			if attribute.GetKey() == "service.name" {
				service = attribute.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				attributes := map[string]string{}
				for _, attribute := range span.GetAttributes() {
					if text := attribute.GetValue().GetStringValue(); text != "" {
						attributes[attribute.GetKey()] = text
					}
				}
				t.spans = append(t.spans, Span{
					Service: service, Name: span.GetName(), TraceID: hex.EncodeToString(span.GetTraceId()), SpanID: hex.EncodeToString(span.GetSpanId()),
					ParentID: hex.EncodeToString(span.GetParentSpanId()), Attributes: attributes,
				})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// Of returns the spans of a trace, in the order in which they came.
func (t *Traces) Of(traceID string) []Span {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []Span
	for _, span := range t.spans {
		if span.TraceID == traceID {
			found = append(found, span)
		}
	}
	return found
}

// Requests returns how often spans were sent.
func (t *Traces) Requests() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests
}

// Fail lets requests fail from now on, or no more.
func (t *Traces) Fail(failing bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failing = failing
}
