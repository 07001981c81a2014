package search

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/indexing"
)

// functionOf returns the function whose vectors are made as the settings say.
func functionOf(settings func(context.Context) (indexing.Config, error)) httpapi.Function {
	return httpapi.Function{Name: "search", Title: "Plant: finding agents", Register: func(api *httpapi.API, db *database.DB) error {
		models, err := indexing.Open(db, settings, api.Log)
		if err != nil {
			return err
		}
		api.OnClose = models.Close
		register(api, db, models)
		return nil
	}}
}

// register adds every operation of the function. Anyone may call them, but for scheduled work.
func register(api *httpapi.API, db *database.DB, models *indexing.Models) {
	search := search{store: searchStore{db}, models: models, cursors: api.Cursors}
	matches := matches{store: matchStore{db}}
	recommendations := recommendations{store: recommendationStore{db}, find: search.find}
	index := index{indexer: indexing.New(models, api.Log)}
	api.Dialects = append(api.Dialects, ardDialect, mcpDialect)
	ard := newARD(api, db, search)

	on, doc, scheduled := api.Operations, httpapi.Doc, httpapi.Scheduled

	huma.Get(on, "/api/v1/agents/available/search", search.available, doc("Find agents that can be hired now"))
	huma.Get(on, "/api/v1/agents/search", search.all, doc("Find agents"))
	huma.Get(on, "/api/v1/agents/{id}/similar", search.similar, doc("Find agents like one"))
	huma.Get(on, "/api/v1/skills/search", search.skills, doc("Find skills"))
	huma.Post(on, "/api/v1/skills/similarity", search.similarSkills, doc("Find skills like a text, or an embedding"))
	huma.Get(on, "/api/v1/job-roles/search", search.jobRoles, doc("Find job roles"))
	huma.Get(on, "/api/v1/suggest", search.suggest, doc("Complete what somebody types"))

	huma.Post(on, "/api/v1/job-roles/{id}/match", matches.role, doc("Find agents and teams that cover a job role"))
	huma.Post(on, "/api/v1/match", matches.skills, doc("Find agents and teams that cover some skills"))
	huma.Get(on, "/api/v1/recommendations", recommendations.list, doc("Recommend agents for a kind of company"))

	huma.Post(on, "/api/v1/ard/search", ard.search, doc("Find agents, as a registry of Agentic Resource Discovery"))
	huma.Post(on, "/api/v1/ard/explore", ard.explore, doc("Count agents by facets"))
	huma.Get(on, "/api/v1/ard/agents", ard.list, doc("List agents by a filter expression"))
	huma.Get(on, "/.well-known/ai-catalog.json", ard.catalog, doc("Say what Plant offers to other agents"))

	api.Mount(mcpPath, api.Address(resourcePath), lazyServer(newTools(api, db, search, matches).server))
	huma.Get(on, resourcePath, resourceOf(api), doc("Say whose tokens /mcp takes"))
	huma.Get(on, resourcePath+mcpPath, resourceOf(api), doc("Say whose tokens /mcp takes, at the place that follows from its address"))

	huma.Post(on, "/internal/index", index.run, doc("Make the vectors that are left to be made"), scheduled, httpapi.Lasts(indexTime))
}
