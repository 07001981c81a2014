package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// readyTimeout bounds how long readiness waits for what it asks.
const readyTimeout = 2 * time.Second

// Health says how the function is.
type Health struct {
	Body struct {
		Status string `json:"status" enum:"ok,ready" doc:"ok: the process is up; ready: what it needs answers too"`
	}
}

// registerHealth adds GET …/health, which touches nothing, and GET …/ready, which asks what the function needs.
func (a *API) registerHealth(ready func(context.Context) error) {
	path := "/api/v1/" + a.name
	huma.Get(a.Operations, path+"/health", func(context.Context, *struct{}) (*Health, error) {
		answer := &Health{}
		answer.Body.Status = "ok"
		return answer, nil
	}, Fresh, Doc("Say whether the process is up"))
	huma.Get(a.Operations, path+"/ready", func(ctx context.Context, _ *struct{}) (*Health, error) {
		if a.draining.Load() {
			return nil, Unavailable.Problem("this instance is stopping")
		}
		ctx, cancel := context.WithTimeout(ctx, readyTimeout)
		defer cancel()
		if err := ready(ctx); err != nil {
			p := Unavailable.Problem("not ready: the database does not answer, or its login is not the application's",
				&Fault{Location: "database", Message: "unavailable"})
			p.cause = err
			return nil, p
		}
		answer := &Health{}
		answer.Body.Status = "ready"
		return answer, nil
	}, Fresh, Doc("Say whether what the function needs answers"))
}

var _ http.Handler = (*API)(nil)
