package search

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// register adds every operation of the function. Anyone may call them.
func register(api *httpapi.API, db *database.DB) error {
	search := search{store: searchStore{db}}
	matches := matches{store: matchStore{db}}
	recommendations := recommendations{store: recommendationStore{db}, find: search.find}

	on, doc := api.Operations, httpapi.Doc

	huma.Get(on, "/api/v1/agents/available/search", search.available, doc("Find agents that can be hired now"))
	huma.Get(on, "/api/v1/agents/search", search.all, doc("Find agents"))

	huma.Post(on, "/api/v1/job-roles/{id}/match", matches.role, doc("Find agents and teams that cover a job role"))
	huma.Post(on, "/api/v1/match", matches.skills, doc("Find agents and teams that cover some skills"))
	huma.Get(on, "/api/v1/recommendations", recommendations.list, doc("Recommend agents for a kind of company"))
	return nil
}
