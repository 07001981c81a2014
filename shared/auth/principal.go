// Package auth tells who calls, from the access token that a request carries.
//
// Tokens are those of OpenID Connect issuers that the configuration trusts (RFC 9068), and for scheduled work those that
// Google mints for listed service accounts. Nothing here talks to an issuer before a token needs it, and nothing runs in
// the background.
package auth

import (
	"context"
	"slices"
)

// Role is what a principal may do, as the contract names it.
type Role string

// The roles of the contract. The empty role is a caller whose token names none that we know: it may read what all may.
const (
	Customer Role = "customer"
	Partner  Role = "partner"
	Governor Role = "governor"
	Service  Role = "service"
)

// Principal is who calls.
type Principal struct {
	Issuer  string // the token's issuer
	Subject string // the token's subject
	Owner   string // the owner claim: with the issuer, whom resources belong to
	Role    Role
}

// Can reports whether the principal has one of the roles. A governor may do whatever a partner or a customer may.
func (p Principal) Can(roles ...Role) bool {
	if p.Role == Governor && (slices.Contains(roles, Partner) || slices.Contains(roles, Customer)) {
		return true
	}
	return p.Role != "" && slices.Contains(roles, p.Role)
}

type principalKey struct{}

// WithPrincipal returns a context of the principal's.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext returns the principal, or false where nobody has identified themselves.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}
