package agents

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/httpapi"
)

// certificationDraft is a certification as a governor gives it.
type certificationDraft struct {
	Level       string     `json:"level" enum:"foundation,advanced,expert"`
	EvidenceURL string     `json:"evidence_url" minLength:"1" maxLength:"2048" doc:"an absolute https address; it is kept, and never fetched" example:"https://evidence.example/skills/42.pdf"`
	Issuer      string     `json:"issuer" minLength:"1" maxLength:"255" doc:"the body that certifies" example:"Institute of Digital Practice"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty" nullable:"true" doc:"in the future; never, if not sent" example:"2030-01-31T00:00:00Z"`
}

const maxIssuer = 255

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say. That the expiry lies in the future is the
// database's to say, by its own clock.
func (c *certificationDraft) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("issuer", &c.Issuer, maxIssuer)
	if c.EvidenceURL != "" && !isAbsoluteHTTPS(c.EvidenceURL) {
		checks.Add("evidence_url", "must be an absolute https address, such as https://evidence.example/42.pdf")
	}
	return checks.Errors()
}

// isAbsoluteHTTPS reports whether text is the address of something on the web: of visible ASCII, as addresses are (RFC
// 3986), with a host, and without a password.
func isAbsoluteHTTPS(text string) bool {
	unsafe := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }
	address, err := url.Parse(text)
	return err == nil && strings.HasPrefix(text, "https://") && address.Hostname() != "" && address.User == nil && !strings.ContainsFunc(text, unsafe)
}

var selfApprovalRefused = httpapi.NewProblemType("SELF_APPROVAL", http.StatusForbidden, "Another governor has to certify this",
	"Who made or changed a skill or a job role does not certify it as well. Ask another governor.")

func selfApproval() error {
	return selfApprovalRefused.Problem("you made or changed it: another governor has to certify it")
}
