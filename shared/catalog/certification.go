package catalog

import "time"

// Certification is a governor's word that a skill or a job role is what it says, and where the evidence lies.
type Certification struct {
	Level       string     `json:"level" enum:"foundation,advanced,expert"`
	EvidenceURL string     `json:"evidence_url" format:"uri"`
	Issuer      string     `json:"issuer" doc:"the body that certified"`
	CertifiedAt time.Time  `json:"certified_at"`
	ExpiresAt   *time.Time `json:"expires_at" nullable:"true" doc:"null is never"`
	Expired     bool       `json:"expired"`
}

// hasExpired is false where there is no certification.
func (c *Certification) hasExpired() bool { return c != nil && c.Expired }

// A certification stands in columns of the row that it is about. It is answered as one member, of which expired follows
// from the database's clock. Times are written as encoding/json writes them. Which governor certified is not for everyone:
// the amendments tell those who may know.
const certificationColumn = `
	case when certified_at is not null then json_build_object('level', certification_level, 'evidence_url', certification_evidence_url,
		'issuer', certification_issuer,
		'certified_at', rtrim(rtrim(to_char(certified_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z',
		'expires_at', rtrim(rtrim(to_char(certification_expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z',
		'expired', coalesce(certification_expires_at <= now(), false)) end as certification`
