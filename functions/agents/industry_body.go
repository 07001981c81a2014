package agents

import (
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/waooaw/plant/shared/httpapi"
)

// industryDraft is an industry as a governor adds it.
type industryDraft struct {
	Slug        string `json:"slug,omitempty" minLength:"1" maxLength:"63" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" doc:"its name in addresses and filters, for life, and never another's; made from the name, if not sent" example:"health-care"`
	Name        string `json:"name" minLength:"1" maxLength:"255" example:"Health care"`
	Description string `json:"description,omitempty" maxLength:"8000" example:"Clinics, practices and those who supply them."`
}

const maxSlug = 63

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say, and makes the slug.
func (d *industryDraft) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("name", &d.Name, maxName)
	checks.Prose("description", &d.Description, maxDescription)
	if d.Slug == "" {
		d.Slug = slugOf(d.Name)
	}
	switch {
	case d.Slug == "" && d.Name != "":
		checks.Add("slug", "is needed, since the name has no letter from a to z and no digit")
	case isID(d.Slug):
		checks.Add("slug", "must not look like an id")
	}
	return checks.Errors()
}

// slugOf makes a slug from a name: its letters without their accents, in lower case, its digits, and hyphens for whatever
// lies between. It is "" where nothing is left.
func slugOf(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(norm.NFKD.String(name)) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		case !unicode.Is(unicode.Mn, r): // an accent belongs to the letter before it
			gap = true
		}
	}
	text := b.String()
	return strings.TrimRight(text[:min(len(text), maxSlug)], "-")
}

// isID reports whether text is an id, and so never a slug. uuid.Parse also takes braces, a prefix and no hyphens.
func isID(text string) bool {
	_, err := uuid.Parse(text)
	return err == nil && len(text) == len(uuid.Nil.String())
}

// industryChange is what a PUT or PATCH sends: an absent field keeps its value, null brings the default back.
type industryChange struct {
	Name        *string               `json:"name,omitempty" minLength:"1" maxLength:"255" nullable:"false"`
	Description httpapi.Field[string] `json:"description,omitzero" maxLength:"8000"`
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (c *industryChange) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("name", c.Name, maxName)
	checks.Prose("description", c.Description.Value, maxDescription)
	return checks.Errors()
}
