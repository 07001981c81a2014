package auth

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
	issuers map[string]*trusted
	now     func() time.Time
}

// trusted is an issuer with its keys: a key is only ever looked for among those of the token's own issuer.
type trusted struct {
	Issuer
	keyAlgorithms []string // of users' and of services' tokens
	keys          *keySet
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
	issuers, err := cfg.trustedIssuers()
	if err != nil {
		return nil, fmt.Errorf("configure auth: %w", err)
	}
	for _, issuer := range issuers {
		issuer.keys = &keySet{issuer: issuer.Issuer, algorithms: issuer.keyAlgorithms, client: &client, now: o.now}
	}
	return &Verifier{cfg: cfg, issuers: issuers, now: o.now}, nil
}

// Authenticate returns the principal of a request, or false where it carries no token. A token that is there and not
// accepted is ErrUnauthenticated; one that cannot be checked now is ErrKeysUnavailable. Only one Authorization header
// with one bearer token counts (RFC 6750, 2.1): cookies and forms are not looked at, and a token in the query is
// ErrTokenInQuery.
func (v *Verifier) Authenticate(r *http.Request) (Principal, bool, error) {
	if hasTokenInQuery(r.URL.RawQuery) {
		return Principal{}, false, ErrTokenInQuery
	}
	sent := r.Header.Values("Authorization")
	if len(sent) == 0 {
		return Principal{}, false, nil
	}
	scheme, raw, _ := strings.Cut(sent[0], " ")
	if len(sent) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, false, refused(errors.New("exactly one bearer token is expected"))
	}
	p, err := v.verify(r.Context(), raw)
	return p, err == nil, err
}

// hasTokenInQuery looks at every name, those too that url.ParseQuery drops for what is beside them.
func hasTokenInQuery(query string) bool {
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil && plain == "access_token" {
			return true
		}
	}
	return false
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
	principal, algorithms, err := v.judge(t, issuer)
	if err != nil {
		return Principal{}, refused(err)
	}
	if !slices.Contains(algorithms, t.header.Algorithm) {
		return Principal{}, refused(errors.New("its algorithm is not accepted"))
	}
	if err := t.claims.checkTimes(v.now()); err != nil {
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

// judge returns whom the claims speak of, taking them for true, and the algorithms that such a token may have. The two
// kinds of token exclude each other by their type (RFC 8725, 3.12).
func (v *Verifier) judge(t *token, issuer *trusted) (Principal, []string, error) {
	subject, err := t.name("sub")
	if err != nil {
		return Principal{}, nil, err
	}
	p := Principal{Issuer: issuer.Issuer.Issuer, Subject: subject, Owner: subject}
	switch strings.TrimPrefix(strings.ToLower(t.header.Type), "application/") {
	case "at+jwt": // an access token (RFC 9068)
		if !slices.ContainsFunc(t.claims.Audience, func(a string) bool { return slices.Contains(issuer.Audiences, a) }) {
			return Principal{}, nil, errors.New("it is for another audience")
		}
		p.Role = t.role(issuer.RoleClaim)
		p.Owner, err = t.name(issuer.OwnerClaim)
		return p, issuer.Algorithms, err
	case "jwt": // what Google mints for a service account
		p.Role = Service
		return p, []string{serviceAlgorithm}, v.judgeService(t, issuer)
	default:
		return Principal{}, nil, errors.New("it is not an access token")
	}
}

// judgeService returns why the claims are not those of a service that is listed.
func (v *Verifier) judgeService(t *token, issuer *trusted) error {
	email, _ := stringOf(t.all["email"])
	verified := t.all["email_verified"].Kind() == 't'
	_, claimsRole := t.all[cmp.Or(issuer.RoleClaim, defaultRoleClaim)]
	switch {
	case !verified || claimsRole || !slices.Contains(v.cfg.Services, ServiceAccount{Issuer: issuer.Issuer.Issuer, Email: email}):
		return errors.New("it is not an access token")
	case len(t.claims.Audience) != 1 || t.claims.Audience[0] != v.cfg.ServiceAudience:
		return errors.New("it is for another audience")
	}
	return nil
}
