package metrics

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// register adds every operation of the function. Who may call one stands beside it; without, anyone may.
func register(api *httpapi.API, db *database.DB) error {
	events := events{store: eventStore{db}, operations: api.Operations}
	metrics := agentMetrics{store: agentMetricsStore{db}, now: time.Now}
	marketplace := marketplace{store: marketplaceStore{db}, now: time.Now}
	charts := charts{metrics: metrics}
	rollups := rollups{store: rollupStore{db}}

	on, doc := api.Operations, httpapi.Doc
	reporter := httpapi.Needs(auth.Partner, auth.Service)

	huma.Post(on, "/api/v1/events", events.record, doc("Report up to 1,000 events of your agents' jobs"), reporter)
	huma.Post(on, "/api/v1/agents/{id}/events", events.recordOfAgent, doc("Report up to 1,000 events of an agent's jobs"), reporter)
	huma.Get(on, "/api/v1/agents/{id}/metrics", metrics.get, doc("Get what an agent really did"))
	huma.Get(on, "/api/v1/agents/{id}/metrics/timeseries", metrics.timeseries, doc("Get what an agent did over time"))
	huma.Get(on, "/api/v1/agents/{id}/metrics/chart.svg", charts.svg, doc("Draw what an agent did over time"), httpapi.AnswersAs("image/svg+xml"))
	huma.Get(on, "/api/v1/agents/{id}/metrics/chart.png", charts.png, doc("Draw what an agent did over time, as pixels"), httpapi.AnswersAs("image/png"))
	huma.Get(on, "/api/v1/agents/{id}/metrics/badge.svg", charts.badge, doc("Draw one figure of an agent, for a README"), httpapi.AnswersAs("image/svg+xml"))

	huma.Get(on, "/api/v1/marketplace/summary", marketplace.summary, doc("Count agents, hires, jobs and ratings by industry"))
	huma.Get(on, "/api/v1/marketplace/trending", marketplace.trending, doc("List agents whose use grows"))
	huma.Get(on, "/api/v1/marketplace/leaderboard", marketplace.leaderboard, doc("List the best agents by a measure"))

	huma.Post(on, "/internal/rollup", rollups.keep, doc("Make the days ahead that events are stored by, and drop old ones"), httpapi.Scheduled)
	return nil
}
