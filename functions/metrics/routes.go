package metrics

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// register adds every operation of the function. Who may call one stands beside it; without, anyone may.
func register(api *httpapi.API, db *database.DB) error {
	metrics := agentMetrics{store: agentMetricsStore{db}}

	on, doc := api.Operations, httpapi.Doc

	huma.Get(on, "/api/v1/agents/{id}/metrics", metrics.get, doc("Get what an agent really did"))
	return nil
}
