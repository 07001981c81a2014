package auth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// What can be wrong with a request's identity. Test with errors.Is; the texts never hold a token.
var (
	ErrUnauthenticated = errors.New("the token was not accepted")
	ErrForbidden       = errors.New("the token does not permit this")
	ErrTokenInQuery    = errors.New("a token stands in the address")
	ErrKeysUnavailable = errors.New("the issuer's keys are out of reach")
)

// Verifier tells who calls. It is safe for concurrent use.
type Verifier struct {
	cfg     Config
	issuers map[string]trusted
	now     func() time.Time
}

// trusted is an issuer with its keys: a key is only ever looked for among those of the token's own issuer.
type trusted struct {
	Issuer
	keys *keySet
}

// Option changes what a Verifier is made of.
type Option func(*options)

type options struct {
	now    func() time.Time
	client *http.Client
}

// WithClock replaces the clock.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithClient replaces the client that fetches keys. Its redirects are not followed.
func WithClient(client *http.Client) Option { return func(o *options) { o.client = client } }

// New returns a verifier. It fails on a configuration that is not safe, and reaches for nothing.
func New(cfg Config, opts ...Option) (*Verifier, error) {
	o := options{now: time.Now, client: &http.Client{Timeout: fetchTimeout}}
	for _, opt := range opts {
		opt(&o)
	}
	client := *o.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	v := &Verifier{cfg: cfg, issuers: map[string]trusted{}, now: o.now}
	for _, configured := range cfg.Issuers {
		issuer, err := configured.complete()
		if err != nil {
			return nil, fmt.Errorf("configure auth: %w", err)
		}
		if _, twice := v.issuers[issuer.Issuer]; twice {
			return nil, fmt.Errorf("configure auth: issuer %s is listed twice", issuer.Issuer)
		}
		v.issuers[issuer.Issuer] = trusted{issuer, newKeySet(issuer, &client, o.now)}
	}
	if len(cfg.Services) > 0 && cfg.ServiceAudience == "" {
		return nil, errors.New("configure auth: AUTH_SERVICES needs AUTH_SERVICE_AUDIENCE")
	}
	for _, service := range cfg.Services {
		if _, known := v.issuers[service.Issuer]; known {
			continue
		}
		// An issuer of service tokens only: no audience of it makes a user.
		issuer, err := Issuer{Issuer: service.Issuer, Algorithms: []string{"RS256"}}.complete()
		if err != nil {
			return nil, fmt.Errorf("configure auth: %w", err)
		}
		issuer.Audiences = nil
		v.issuers[issuer.Issuer] = trusted{issuer, newKeySet(issuer, &client, o.now)}
	}
	return v, nil
}

// Authenticate returns the principal of a request, or false where it carries no token. A token that is there and not
// accepted is ErrUnauthenticated; one that cannot be checked now is ErrKeysUnavailable. Only one Authorization header
// with one bearer token counts (RFC 6750, 2.1): cookies and forms are not looked at, and a token in the query is
// ErrTokenInQuery.
func (v *Verifier) Authenticate(r *http.Request) (Principal, bool, error) {
	if strings.Contains(r.URL.RawQuery, "access_token") && r.URL.Query().Has("access_token") {
		return Principal{}, false, ErrTokenInQuery
	}
	sent := r.Header.Values("Authorization")
	if len(sent) == 0 {
		return Principal{}, false, nil
	}
	scheme, raw, _ := strings.Cut(sent[0], " ")
	if len(sent) > 1 || !strings.EqualFold(scheme, "Bearer") || raw == "" || strings.ContainsAny(raw, " \t,") {
		return Principal{}, false, refused(errors.New("exactly one bearer token is expected"))
	}
	p, err := v.verify(r.Context(), raw)
	return p, err == nil, err
}

func refused(reason error) error { return fmt.Errorf("%w: %w", ErrUnauthenticated, reason) }

func (v *Verifier) verify(ctx context.Context, raw string) (Principal, error) {
	t, err := parse(raw)
	if err != nil {
		return Principal{}, refused(err)
	}
	issuer, known := v.issuers[t.claims.Issuer]
	if !known {
		return Principal{}, refused(errors.New("its issuer is not trusted"))
	}
	if !slices.Contains(issuer.Algorithms, t.header.Algorithm) {
		return Principal{}, refused(errors.New("its algorithm is not accepted"))
	}
	if err := t.claims.checkTimes(v.now()); err != nil {
		return Principal{}, refused(err)
	}
	principal, err := v.judge(t, issuer)
	if err != nil {
		return Principal{}, refused(err)
	}
	// Last, since only now a fetch of keys or an expensive check is worth it.
	key, err := issuer.keys.find(ctx, t.header.KeyID, t.header.Algorithm)
	if err != nil {
		return Principal{}, err
	}
	verifier := oidc.NewVerifier(issuer.Issuer.Issuer, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key}}, &oidc.Config{
		SkipClientIDCheck: true, SupportedSigningAlgs: []string{t.header.Algorithm}, Now: v.now,
	})
	if _, err := verifier.Verify(ctx, raw); err != nil {
		return Principal{}, refused(errors.New("its signature is not good"))
	}
	return principal, nil
}

// judge returns whom the claims speak of, taking them for true. The two kinds of token exclude each other by their type.
func (v *Verifier) judge(t *token, issuer trusted) (Principal, error) {
	subject, err := t.name("sub")
	if err != nil {
		return Principal{}, err
	}
	kind := strings.TrimPrefix(strings.ToLower(t.header.Type), "application/")
	switch kind {
	case "at+jwt": // an access token (RFC 9068)
		if !slices.ContainsFunc(t.claims.Audience, func(a string) bool { return slices.Contains(issuer.Audiences, a) }) {
			return Principal{}, errors.New("it is for another audience")
		}
		owner, err := t.name(issuer.OwnerClaim)
		if err != nil {
			return Principal{}, err
		}
		return Principal{Issuer: t.claims.Issuer, Subject: subject, Owner: owner, Role: t.role(issuer.RoleClaim)}, nil
	case "jwt": // what Google mints for a service account
		account := ServiceAccount{Issuer: t.claims.Issuer, Email: t.claims.Email}
		if !t.claims.EmailVerified || !slices.Contains(v.cfg.Services, account) {
			return Principal{}, errors.New("it is not an access token")
		}
		if len(t.claims.Audience) != 1 || t.claims.Audience[0] != v.cfg.ServiceAudience {
			return Principal{}, errors.New("it is for another audience")
		}
		return Principal{Issuer: t.claims.Issuer, Subject: subject, Owner: subject, Role: Service}, nil
	default:
		return Principal{}, errors.New("it is not an access token")
	}
}
