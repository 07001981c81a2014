package agents

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/httpapi"
)

// reviewDraft is a review as a customer writes it.
type reviewDraft struct {
	Rating int    `json:"rating" minimum:"1" maximum:"5" doc:"stars" example:"5"`
	Text   string `json:"text,omitempty" maxLength:"4000" example:"Finds leads that answer, and says where it found them."`
}

const maxReview = 4000 // of a reply too

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (d *reviewDraft) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Prose("text", &d.Text, maxReview)
	return checks.Errors()
}

// reviewReply is what an agent's owner answers to a review.
type reviewReply struct {
	Text string `json:"text" minLength:"1" maxLength:"4000" example:"Thank you. The report that you missed is there now."`
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (r *reviewReply) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Prose("text", &r.Text, maxReview)
	return checks.Errors()
}
