package agents

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/httpapi"
)

const (
	certified = `certification_level = @level, certification_evidence_url = @evidence_url, certification_issuer = @certification_issuer,
		certified_at = now(), certified_by_issuer = @issuer, certified_by = @certified_by, certification_expires_at = @expires_at`
	uncertified = `certification_level = null, certification_evidence_url = null, certification_issuer = null,
		certified_at = null, certified_by_issuer = null, certified_by = null, certification_expires_at = null`
	isCertified = `certified_at is not null`
	// Whoever is forgotten is nobody who certifies.
	isByAnother = `(not @second_governor::boolean or not exists (
			select from plant.amendments m join plant.amendment_salts p on p.pseudonym = m.actor
			where m.entity_id = @id and m.action in ('create', 'update', 'restore') and p.issuer = @issuer and p.subject = @certified_by))`
)

func certificationArgs(ctx context.Context, draft certificationDraft, secondGovernor bool) pgx.NamedArgs {
	caller, _ := auth.FromContext(ctx)
	return pgx.NamedArgs{
		"level": draft.Level, "evidence_url": draft.EvidenceURL, "certification_issuer": draft.Issuer, "certified_by": caller.Subject, "expires_at": draft.ExpiresAt,
		"second_governor": secondGovernor,
	}
}

// expiresTooSoon is the answer to an expiry that the database refused.
func expiresTooSoon() error {
	const message = "must be in the future, and before the year 10000"
	return httpapi.Invalid.Problem("body.expires_at: "+message, &httpapi.Fault{Location: "body.expires_at", Message: message})
}
