package agents

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// register adds every operation of the function. Who may call one stands beside it; without, anyone may.
func register(api *httpapi.API, db *database.DB) {
	agents := agents{store: newAgentStore(db), cursors: api.Cursors, operations: api.Operations}
	skills := skills{store: skillStore{db}, cursors: api.Cursors}
	jobRoles := jobRoles{store: jobRoleStore{db}, ofJobRole: skills.store.ofJobRole, cursors: api.Cursors}
	industries := industries{store: industryStore{db}, cursors: api.Cursors}

	on, doc, creates := api.Operations, httpapi.Doc, httpapi.Creates
	partner := httpapi.Needs(auth.Partner)
	partnerOrService := httpapi.Needs(auth.Partner, auth.Service)

	huma.Post(on, "/api/v1/agents", agents.create, doc("Publish an agent"), partner, creates)
	huma.Get(on, "/api/v1/agents", agents.list, doc("List agents"))
	huma.Post(on, "/api/v1/agents/batch", agents.createBatch, doc("Publish up to 500 agents"), partner)
	huma.Get(on, "/api/v1/agents/compare", agents.compare, doc("Put 2 to 8 agents side by side"))
	huma.Get(on, "/api/v1/agents/{id}", agents.get, doc("Get an agent"))
	huma.Put(on, "/api/v1/agents/{id}", agents.change, doc("Change some fields of an agent"), partner)
	huma.Patch(on, "/api/v1/agents/{id}", agents.change, doc("Change an agent by JSON Merge Patch"), partner)
	huma.Put(on, "/api/v1/agents/{id}/status", agents.setStatus, doc("Say whether an agent can be hired"), partnerOrService)
	huma.Delete(on, "/api/v1/agents/{id}", agents.delete, doc("Delete an agent"), partner)
	huma.Post(on, "/api/v1/agents/{id}/restore", agents.restore, doc("Bring a deleted agent back"), partner)
	huma.Post(on, "/api/v1/agents/{id}/transfer", agents.transfer, doc("Give an agent to another owner"), partner)

	huma.Get(on, "/api/v1/skills", skills.list, doc("List skills"))
	huma.Get(on, "/api/v1/skills/{id}", skills.get, doc("Get a skill"))

	huma.Get(on, "/api/v1/job-roles", jobRoles.list, doc("List job roles"))
	huma.Get(on, "/api/v1/job-roles/{id}", jobRoles.get, doc("Get a job role"))
	huma.Get(on, "/api/v1/job-roles/{id}/skills", jobRoles.skills, doc("List the skills that a job role requires"))

	huma.Get(on, "/api/v1/industries", industries.list, doc("List industries"))
	huma.Get(on, "/api/v1/industries/{id}", industries.get, doc("Get an industry by id or slug"))
}
