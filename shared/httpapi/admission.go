package httpapi

import (
	"net/http"
	"strings"
)

// admit counts a request in, and says whether it may be worked on. Reads are shed first: the last fifth of the places is
// for writes, and health is always answered. Call leave when the request is done.
func (a *API) admit(r *http.Request) (admitted bool, leave func()) {
	count := a.inFlight.Add(1)
	leave = func() { a.inFlight.Add(-1) }
	limit := a.cfg.MaxInFlight
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		limit -= limit / 5
	}
	isHealth := strings.HasPrefix(r.URL.Path, "/api/v1/"+a.name+"/health")
	return isHealth || count <= limit && !a.draining.Load(), leave
}
