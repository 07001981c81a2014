package search

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// register adds every operation of the function. Anyone may call them.
func register(api *httpapi.API, db *database.DB) error {
	search := search{store: searchStore{db}}
	api.Dialects = append(api.Dialects, ardDialect, mcpDialect)
	ard := newARD(api, db, search)

	on, doc := api.Operations, httpapi.Doc

	huma.Get(on, "/api/v1/agents/available/search", search.available, doc("Find agents that can be hired now"))
	huma.Get(on, "/api/v1/agents/search", search.all, doc("Find agents"))

	huma.Post(on, "/api/v1/ard/search", ard.search, doc("Find agents, as a registry of Agentic Resource Discovery"))
	huma.Post(on, "/api/v1/ard/explore", ard.explore, doc("Count agents by facets"))
	huma.Get(on, "/api/v1/ard/agents", ard.list, doc("List agents by a filter expression"))
	huma.Get(on, "/.well-known/ai-catalog.json", ard.catalog, doc("Say what Plant offers to other agents"))

	api.Mount(mcpPath, api.Address(resourcePath), lazyServer(newTools(api, db, search).server))
	huma.Get(on, resourcePath, resourceOf(api), doc("Say whose tokens /mcp takes"))
	huma.Get(on, resourcePath+mcpPath, resourceOf(api), doc("Say whose tokens /mcp takes, at the place that follows from its address"))
	return nil
}
