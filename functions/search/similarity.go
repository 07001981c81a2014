package search

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/embedding"
	"github.com/waooaw/plant/shared/httpapi"
)

// likeness is what skills are compared with: a text, or a vector of the model that serves.
type likeness struct {
	Text      *string   `json:"text,omitempty" minLength:"1" maxLength:"8000" nullable:"false" doc:"instead of an embedding" example:"helps people find a page on the web"`
	Embedding []float64 `json:"embedding,omitempty" minItems:"384" maxItems:"384" nullable:"false" doc:"instead of a text: a direction, of any length"`
	Model     *string   `json:"model,omitempty" minLength:"1" maxLength:"255" nullable:"false" doc:"what has made the embedding; it has to be what has made those of the skills"`
	Limit     int       `json:"limit,omitempty" minimum:"1" maximum:"50" default:"10" doc:"how many at most"`

	vector []float32 // of length 1
}

// maxLikeness characters are compared: as many as a description may have.
const maxLikeness = 8000

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (l *likeness) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Prose("text", l.Text, maxLikeness)
	switch {
	case l.Text != nil && l.Embedding != nil:
		checks.Add("embedding", "cannot go with a text")
	case l.Text != nil && l.Model != nil:
		checks.Add("model", "goes with an embedding only")
	case l.Text != nil && strings.TrimSpace(*l.Text) == "":
		checks.Add("text", "must not be blank")
	case l.Text == nil && l.Embedding == nil:
		checks.Add("text", "is needed, or an embedding with its model")
	case l.Embedding != nil && l.Model == nil:
		checks.Add("model", "is needed with an embedding")
	}
	for i, x := range l.Embedding {
		if math.Abs(x) > math.MaxFloat32 {
			checks.Add(fmt.Sprintf("embedding[%d]", i), "must be a number of 32 bits")
		}
		l.vector = append(l.vector, float32(x))
	}
	if faults := checks.Errors(); len(faults) > 0 || l.Embedding == nil {
		return faults
	}
	if !embedding.Normalize(l.vector) {
		checks.Add("embedding", "must not be all zero: that is no direction")
	}
	return checks.Errors()
}

// similarSkills finds the skills that are nearest in meaning to a text or an embedding.
func (s search) similarSkills(ctx context.Context, in *struct{ Body likeness }) (*foundSkills, error) {
	if in.Body.Text != nil {
		return s.skillsLike(ctx, *in.Body.Text, in.Body.Limit)
	}
	model, err := s.models.Serving(ctx)
	switch {
	case errors.Is(err, embedding.ErrUnavailable):
		return nil, httpapi.Unavailable.Problem("no model serves yet, so that no embedding can be compared")
	case err != nil:
		return nil, err
	case *in.Body.Model != model.Model():
		return nil, httpapi.Invalid.Problem("the embedding is of another model than those of the skills",
			&httpapi.Fault{Location: "body.model", Message: "must be " + model.Model()})
	}
	return s.skillsNear(ctx, model.Slot, in.Body.vector, in.Body.Limit)
}

// skillsLike compares skills with a text; where what makes vectors does not answer, by words.
func (s search) skillsLike(ctx context.Context, text string, limit int) (*foundSkills, error) {
	meaning, degraded, err := s.meaningOf(ctx, text)
	if err != nil {
		return nil, err
	}
	if meaning.vector != nil {
		return s.skillsNear(ctx, meaning.slot, meaning.vector, limit)
	}
	rows, err := s.store.skills(ctx, finding{query: text, kind: skillKind, limit: limit})
	if err != nil {
		return nil, err
	}
	answer := &foundSkills{Degraded: degraded, Body: make([]foundSkill, len(rows))}
	for i, row := range rows {
		answer.Body[i] = foundSkill{row.Skill, row.match(false)}
	}
	return answer, nil
}

func (s search) skillsNear(ctx context.Context, slot int, vector []float32, limit int) (*foundSkills, error) {
	rows, err := s.store.nearSkills(ctx, slot, vector, limit)
	if err != nil {
		return nil, err
	}
	answer := &foundSkills{Body: make([]foundSkill, len(rows))}
	for i, row := range rows {
		answer.Body[i] = foundSkill{row.Skill, Match{Score: row.Score}}
	}
	return answer, nil
}
