package agents

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// references are what agents, job roles and teams refer to: by id, but for the industries' slugs.
type references struct {
	SkillIDs, JobRoleIDs, TeamIDs []uuid.UUID
	Industries                    []string
}

func (r references) any() bool {
	return len(r.SkillIDs)+len(r.JobRoleIDs)+len(r.TeamIDs)+len(r.Industries) > 0
}

func (d agentDraft) references() references {
	r := references{SkillIDs: d.SkillIDs, Industries: []string{strings.ToLower(d.Industry)}}
	if d.JobRoleID != nil {
		r.JobRoleIDs = []uuid.UUID{*d.JobRoleID}
	}
	if d.TeamID != nil {
		r.TeamIDs = []uuid.UUID{*d.TeamID}
	}
	return r
}

// references of a change are those that are sent; the industry is only ever compared.
func (c agentChange) references() references {
	var r references
	if c.SkillIDs.Value != nil {
		r.SkillIDs = *c.SkillIDs.Value
	}
	if c.JobRoleID.Value != nil {
		r.JobRoleIDs = []uuid.UUID{*c.JobRoleID.Value}
	}
	if c.TeamID.Value != nil {
		r.TeamIDs = []uuid.UUID{*c.TeamID.Value}
	}
	return r
}

func referencesOf(drafts []agentDraft) references {
	var all references
	for _, draft := range drafts {
		r := draft.references()
		all.SkillIDs = append(all.SkillIDs, r.SkillIDs...)
		all.JobRoleIDs = append(all.JobRoleIDs, r.JobRoleIDs...)
		all.TeamIDs = append(all.TeamIDs, r.TeamIDs...)
		all.Industries = append(all.Industries, r.Industries...)
	}
	return all
}

// A team of someone else's is as unknown as one that does not exist.
const unknownAmong = `
	select
		array(select w from unnest($1::uuid[]) w where not exists (
			select from plant.skills where id = w and deleted_at is null)) as skill_ids,
		array(select w from unnest($2::uuid[]) w where not exists (
			select from plant.job_roles where id = w and deleted_at is null)) as job_role_ids,
		array(select w from unnest($3::uuid[]) w where not exists (
			select from plant.teams where id = w and deleted_at is null
				and ($5 = 'governor' or owner_issuer = $6 and owner = $7))) as team_ids,
		array(select w from unnest($4::text[]) w where not exists (
			select from plant.industries where slug = w and deleted_at is null)) as industries`

// missing are references that lead nowhere.
type missing references

// lookFor returns those of the references that do not exist, are deleted or, teams, are not the caller's.
func lookFor(ctx context.Context, tx database.Tx, wanted references, caller auth.Principal) (missing, error) {
	return database.One[missing](ctx, tx, unknownAmong, wanted.SkillIDs, wanted.JobRoleIDs, wanted.TeamIDs, wanted.Industries,
		string(caller.Role), caller.Issuer, caller.Owner)
}

// faults names each reference of a body that leads nowhere; skills is the member that the skills stand in.
func (m missing) faults(r references, skills string) []*httpapi.Fault {
	var faults []*httpapi.Fault
	name := func(location, what string, value any) {
		faults = append(faults, &httpapi.Fault{Location: location, Message: "there is no such " + what, Value: value})
	}
	for i, id := range r.SkillIDs {
		if slices.Contains(m.SkillIDs, id) {
			name(fmt.Sprintf("body.%s[%d]", skills, i), "skill", id.String())
		}
	}
	for _, id := range r.JobRoleIDs {
		if slices.Contains(m.JobRoleIDs, id) {
			name("body.job_role_id", "job role", id.String())
		}
	}
	for _, id := range r.TeamIDs {
		if slices.Contains(m.TeamIDs, id) {
			name("body.team_id", "team of yours", id.String())
		}
	}
	for _, slug := range r.Industries {
		if slices.Contains(m.Industries, slug) {
			name("body.industry", "industry", nil)
		}
	}
	return faults
}

func unknownReferences(faults []*httpapi.Fault) *httpapi.Problem {
	detail := "something that it refers to does not exist"
	if len(faults) > 1 {
		detail = fmt.Sprintf("%d things that it refers to do not exist", len(faults))
	}
	return httpapi.Invalid.Problem(detail, faults...)
}
