package agents

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/indexing"
)

// functionOf returns the function whose writes are embedded as the settings say.
func functionOf(settings func(context.Context) (indexing.Config, error)) httpapi.Function {
	return httpapi.Function{Name: "agents", Title: "Plant: the catalogue", Register: func(api *httpapi.API, db *database.DB) error {
		models, err := indexing.Open(db, settings, api.Log)
		if err != nil {
			return err
		}
		api.OnClose = models.Close
		return register(api, db, indexing.New(models, api.Log))
	}}
}

// register adds every operation of the function. Who may call one stands beside it; without, anyone may.
func register(api *httpapi.API, db *database.DB, indexer *indexing.Indexer) error {
	agents := agents{store: newAgentStore(db), cursors: api.Cursors, operations: api.Operations, address: api.Address}
	skills := skills{store: skillStore{db, api.Settings.Auth.SecondGovernor}, cursors: api.Cursors}
	jobRoles := jobRoles{store: jobRoleStore{db, api.Settings.Auth.SecondGovernor}, ofJobRole: skills.store.ofJobRole, cursors: api.Cursors}
	industries := industries{store: industryStore{db}, cursors: api.Cursors}
	teams := teams{store: teamStore{db}, cursors: api.Cursors}
	hires := hires{store: hireStore{db}, cursors: api.Cursors}
	reviews := reviews{store: reviewStore{db}, cursors: api.Cursors}
	history := history{store: amendmentStore{db}, cursors: api.Cursors}
	changes := changes{store: amendmentStore{db}, watch: newWatch(amendmentStore{db}.sequenceAll), stopping: api.Stopping()}
	audits := audits{store: auditStore{db}, amendments: amendmentStore{db}, stream: api.Stream}
	checkpoints, err := newCheckpoints(api, db)
	if err != nil {
		return err
	}
	sequencer := &sequencer{store: amendmentStore{db}, log: api.Log, every: api.Settings.Audit.SequenceEvery}
	api.AfterWrite = func(ctx context.Context) {
		sequencer.nudge(ctx)
		indexer.Soon(ctx)
	}

	on, doc, creates := api.Operations, httpapi.Doc, httpapi.Creates
	partner, governor := httpapi.Needs(auth.Partner), httpapi.Needs(auth.Governor)
	partnerOrService := httpapi.Needs(auth.Partner, auth.Service)
	customer, customerOrPartner := httpapi.Needs(auth.Customer), httpapi.Needs(auth.Customer, auth.Partner)
	fresh, scheduled := httpapi.Fresh, httpapi.Scheduled

	huma.Post(on, "/api/v1/agents", agents.create, doc("Publish an agent"), partner, creates)
	huma.Get(on, "/api/v1/agents", agents.list, doc("List agents"))
	huma.Post(on, "/api/v1/agents/batch", agents.createBatch, doc("Publish up to 500 agents"), partner)
	huma.Get(on, "/api/v1/agents/compare", agents.compare, doc("Put 2 to 8 agents side by side"))
	huma.Get(on, "/api/v1/agents/{id}", agents.get, doc("Get an agent"))
	huma.Get(on, "/api/v1/agents/{id}/card", agents.card, doc("Get an agent's A2A card"))
	huma.Put(on, "/api/v1/agents/{id}", agents.change, doc("Change some fields of an agent"), partner)
	huma.Patch(on, "/api/v1/agents/{id}", agents.change, doc("Change an agent by JSON Merge Patch"), partner)
	huma.Put(on, "/api/v1/agents/{id}/status", agents.setStatus, doc("Say whether an agent can be hired"), partnerOrService)
	huma.Delete(on, "/api/v1/agents/{id}", agents.delete, doc("Delete an agent"), partner)
	huma.Post(on, "/api/v1/agents/{id}/restore", agents.restore, doc("Bring a deleted agent back"), partner)
	huma.Post(on, "/api/v1/agents/{id}/transfer", agents.transfer, doc("Give an agent to another owner"), partner)
	huma.Get(on, "/api/v1/agents/{id}/history", history.list, doc("List what was changed of an agent, and by whom"), partner)

	huma.Post(on, "/api/v1/skills", skills.create, doc("Add a skill"), governor, creates)
	huma.Get(on, "/api/v1/skills", skills.list, doc("List skills"))
	huma.Get(on, "/api/v1/skills/{id}", skills.get, doc("Get a skill"))
	huma.Put(on, "/api/v1/skills/{id}", skills.change, doc("Change some fields of a skill"), governor)
	huma.Patch(on, "/api/v1/skills/{id}", skills.change, doc("Change a skill by JSON Merge Patch"), governor)
	huma.Delete(on, "/api/v1/skills/{id}", skills.delete, doc("Delete a skill that nothing uses"), governor)
	huma.Post(on, "/api/v1/skills/{id}/restore", skills.restore, doc("Bring a deleted skill back"), governor)
	huma.Post(on, "/api/v1/skills/{id}/certify", skills.certify, doc("Certify a skill, in place of an earlier certification"), governor)
	huma.Delete(on, "/api/v1/skills/{id}/certification", skills.uncertify, doc("Take a skill's certification back"), governor)

	huma.Post(on, "/api/v1/job-roles", jobRoles.create, doc("Add a job role"), governor, creates)
	huma.Get(on, "/api/v1/job-roles", jobRoles.list, doc("List job roles"))
	huma.Get(on, "/api/v1/job-roles/{id}", jobRoles.get, doc("Get a job role"))
	huma.Get(on, "/api/v1/job-roles/{id}/skills", jobRoles.skills, doc("List the skills that a job role requires"))
	huma.Put(on, "/api/v1/job-roles/{id}", jobRoles.change, doc("Change some fields of a job role"), governor)
	huma.Patch(on, "/api/v1/job-roles/{id}", jobRoles.change, doc("Change a job role by JSON Merge Patch"), governor)
	huma.Delete(on, "/api/v1/job-roles/{id}", jobRoles.delete, doc("Delete a job role that nothing uses"), governor)
	huma.Post(on, "/api/v1/job-roles/{id}/restore", jobRoles.restore, doc("Bring a deleted job role back"), governor)
	huma.Post(on, "/api/v1/job-roles/{id}/certify", jobRoles.certify, doc("Certify a job role, in place of an earlier certification"), governor)
	huma.Delete(on, "/api/v1/job-roles/{id}/certification", jobRoles.uncertify, doc("Take a job role's certification back"), governor)

	huma.Post(on, "/api/v1/industries", industries.create, doc("Add an industry"), governor, creates)
	huma.Get(on, "/api/v1/industries", industries.list, doc("List industries"))
	huma.Get(on, "/api/v1/industries/{id}", industries.get, doc("Get an industry by id or slug"))
	huma.Put(on, "/api/v1/industries/{id}", industries.change, doc("Change some fields of an industry"), governor)
	huma.Patch(on, "/api/v1/industries/{id}", industries.change, doc("Change an industry by JSON Merge Patch"), governor)
	huma.Delete(on, "/api/v1/industries/{id}", industries.delete, doc("Delete an industry that nothing uses"), governor)
	huma.Post(on, "/api/v1/industries/{id}/restore", industries.restore, doc("Bring a deleted industry back"), governor)

	huma.Post(on, "/api/v1/teams", teams.create, doc("Make a team of agents"), partner, creates)
	huma.Get(on, "/api/v1/teams", teams.list, doc("List teams"))
	huma.Get(on, "/api/v1/teams/{id}", teams.get, doc("Get a team"))
	huma.Put(on, "/api/v1/teams/{id}", teams.change, doc("Change some fields of a team"), partner)
	huma.Patch(on, "/api/v1/teams/{id}", teams.change, doc("Change a team by JSON Merge Patch"), partner)
	huma.Delete(on, "/api/v1/teams/{id}", teams.delete, doc("Delete a team; its agents stay"), partner)
	huma.Post(on, "/api/v1/teams/{id}/restore", teams.restore, doc("Bring a deleted team back"), partner)
	huma.Put(on, "/api/v1/teams/{id}/agents/{agent_id}", teams.addAgent, doc("Let an agent into a team"), partner)
	huma.Delete(on, "/api/v1/teams/{id}/agents/{agent_id}", teams.removeAgent, doc("Take an agent out of a team"), partner)

	huma.Post(on, "/api/v1/agents/{id}/hires", hires.create, doc("Hire an agent, on trial at first"), customer, creates)
	huma.Get(on, "/api/v1/hires", hires.list, doc("List your hires, or those of your agents"), customerOrPartner)
	huma.Get(on, "/api/v1/hires/{id}", hires.get, doc("Get a hire"), customerOrPartner)
	huma.Put(on, "/api/v1/hires/{id}/status", hires.setStatus, doc("Go on with a trial, or cancel it; end a hire"), customerOrPartner)
	huma.Post(on, "/api/v1/hires/{id}/review", reviews.create, doc("Review a hire, once"), customer, creates)
	huma.Get(on, "/api/v1/hires/{id}/review", reviews.get, doc("Get the review of a hire"), customerOrPartner)
	huma.Post(on, "/api/v1/hires/{id}/review/reply", reviews.reply, doc("Reply to the review of a hire of your agent, once"), partner)
	huma.Put(on, "/api/v1/hires/{id}/review/hidden", reviews.hide, doc("Hide a review, or show it again"), governor)
	huma.Get(on, "/api/v1/agents/{id}/reviews", reviews.list, doc("List the reviews of an agent"))

	huma.Get(on, "/api/v1/changes", changes.list, doc("Follow all changes of the catalogue"), fresh, httpapi.Lasts(maxWait+answerTime))
	huma.Post(on, "/internal/sequence", checkpoints.sequence, doc("Give all changes their places, and sign the tree over them"), scheduled)
	huma.Get(on, "/api/v1/audit/checkpoint", checkpoints.get, doc("Get the signed head of the tree over all amendments"), fresh, httpapi.AnswersAs("text/plain"))
	huma.Get(on, "/api/v1/audit/proof/inclusion", checkpoints.inclusion, doc("Prove that an amendment is in the tree"), fresh)
	huma.Get(on, "/api/v1/audit/proof/consistency", checkpoints.consistency, doc("Prove that a tree has grown from another"), fresh)
	huma.Post(on, "/api/v1/audit/run", audits.run, doc("Check all rules, chains and the tree"), governor, httpapi.Lasts(auditTime))
	huma.Get(on, "/api/v1/audit/export", audits.export, doc("Export all amendments, for scripts/audit verify"), governor, httpapi.Lasts(exportTime), httpapi.AnswersAs("application/x-ndjson"))
	huma.Get(on, "/api/v1/audit/tampering/{entity_id}", audits.tampering, doc("Check the chain of one entity"), governor)
	return nil
}
