package gateway

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/waooaw/plant/shared/httpapi"
)

// ready answers whether all functions are.
type ready struct {
	functions map[string]*url.URL
	client    *http.Client
}

// ServeHTTP implements http.Handler.
func (h ready) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	names := slices.Sorted(maps.Keys(h.functions))
	answers := make([]bool, len(names))
	var asking sync.WaitGroup
	for i, name := range names {
		asking.Go(func() { answers[i] = h.ask(r.Context(), name) })
	}
	asking.Wait()
	var not []string
	for i, name := range names {
		if !answers[i] {
			not = append(not, name)
		}
	}
	if len(not) > 0 {
		problem(w, httpapi.Unavailable.Problem("not ready: "+strings.Join(not, ", ")))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.MarshalWrite(w, map[string]any{"status": "ready", "functions": names}, json.Deterministic(true)) // the caller may be gone
}

func (h ready) ask(ctx context.Context, function string) bool {
	address := h.functions[function].JoinPath("/api/v1", function, "ready")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return false
	}
	response, err := h.client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
