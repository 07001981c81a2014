package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/process"
)

// What a record lacks. A stop word is no word to search.
const (
	defaultIndustry       = "other"
	defaultSpecialization = "other"
	defaultRate           = 10
	defaultCategory       = "technical"
	defaultSeniority      = "mid"
	// placeholder is a skill for roles that have none. It has no word, and is taken out of the index.
	placeholder = "-"
)

// batch of agents is sent at once.
const batch = 100

// loader sends records to Plant, as a partner and a governor do.
type loader struct {
	catalogue         *catalogue
	agentsFunction    *functions.Function
	partner, governor string // their tokens
}

// skills adds skills, one by one: the next is given a higher id.
func (l *loader) skills(ctx context.Context, records []record) error {
	for i, r := range records {
		id, err := l.add(ctx, "/api/v1/skills", r.Name, map[string]any{"description": r.Description, "category": defaultCategory})
		if err != nil {
			return fmt.Errorf("add %s: %w", r.ID, err)
		}
		l.catalogue.know(id, r)
		l.progress(i, len(records), "skills")
	}
	return nil
}

// roles adds job roles, one by one, of whose required skills those that were loaded.
func (l *loader) roles(ctx context.Context, records []record) error {
	loaded := l.catalogue.ids()
	none := sync.OnceValues(func() (uuid.UUID, error) { return l.addPlaceholder(ctx) })
	for i, r := range records {
		var required []uuid.UUID
		for _, id := range r.RequiredSkillIDs {
			if id, ok := loaded[id]; ok && len(required) < maxRequired {
				required = append(required, id)
			}
		}
		if len(required) == 0 {
			id, err := none()
			if err != nil {
				return err
			}
			required = []uuid.UUID{id}
		}
		id, err := l.add(ctx, "/api/v1/job-roles", r.Name, map[string]any{
			"description": r.Description, "required_skills": required, "seniority_level": defaultSeniority,
		})
		if err != nil {
			return fmt.Errorf("add %s: %w", r.ID, err)
		}
		l.catalogue.know(id, r)
		l.progress(i, len(records), "job roles")
	}
	return nil
}

func (l *loader) addPlaceholder(ctx context.Context) (uuid.UUID, error) {
	id, err := l.add(ctx, "/api/v1/skills", placeholder, map[string]any{"category": defaultCategory})
	if err != nil {
		return id, fmt.Errorf("add a placeholder: %w", err)
	}
	return id, l.catalogue.unindex(ctx, id)
}

// add adds something, and returns its id. Where its name is taken, in another case say, it is the second of that name:
// "Name (2)", and so on.
func (l *loader) add(ctx context.Context, path, name string, body map[string]any) (uuid.UUID, error) {
	const most = 99
	body["name"] = name
	for n := 2; ; n++ {
		var added struct{ ID uuid.UUID }
		err := l.post(ctx, path, l.governor, body, &added)
		var refused refusal
		if !errors.As(err, &refused) || refused.status != http.StatusConflict || n > most {
			return added.ID, err
		}
		suffix := " (" + strconv.Itoa(n) + ")"
		body["name"] = cut(name, maxName-len(suffix)) + suffix
	}
}

// agents publishes agents, some at once.
func (l *loader) agents(ctx context.Context, records []record) error {
	for begin := 0; begin < len(records); begin += batch {
		some := records[begin:min(begin+batch, len(records))]
		drafts := make([]map[string]any, len(some))
		for i, r := range some {
			drafts[i] = map[string]any{
				"name": r.Name, "specialization": r.Specialization, "industry": defaultIndustry, "hourly_rate": defaultRate,
				"description": r.Description, "tags": append([]string{}, r.Tags...),
			}
			if r.Specialization == "" {
				drafts[i]["specialization"] = defaultSpecialization
			}
		}
		var answered struct {
			Results []struct {
				ID      *uuid.UUID
				Problem json.RawMessage
			}
		}
		if err := l.post(ctx, "/api/v1/agents/batch", l.partner, map[string]any{"agents": drafts}, &answered); err != nil {
			return fmt.Errorf("publish agents: %w", err)
		}
		for i, result := range answered.Results {
			if result.ID == nil {
				return fmt.Errorf("publish %s: %s", some[i].ID, result.Problem)
			}
			l.catalogue.know(*result.ID, some[i])
		}
	}
	return nil
}

// progress says every few thousand how far loading is.
func (l *loader) progress(i, of int, what string) {
	const every = 3000
	if (i+1)%every == 0 {
		process.Say(l.catalogue.out, "%d of %d %s loaded", i+1, of, what)
	}
}

// refusal is an answer that is no success.
type refusal struct {
	status int
	text   string
}

// Error implements error.
func (r refusal) Error() string { return strconv.Itoa(r.status) + ": " + r.text }

// post sends JSON and reads the answer.
func (l *loader) post(ctx context.Context, path, token string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.agentsFunction.Address.String()+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	return do(request, into)
}

// do sends a request and reads what is answered. A refusal is an error.
func do(request *http.Request, into any) error {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return refusal{response.StatusCode, strings.TrimSpace(string(text))}
	}
	return json.Unmarshal(text, into)
}
