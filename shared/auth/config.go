package auth

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Config says whose tokens are trusted, and for what.
type Config struct {
	// SecondGovernor asks for two governors where something is certified: who made or changed it may not certify it.
	SecondGovernor bool `env:"CERTIFY_NEEDS_SECOND_GOVERNOR, default=false"`
	// Issuers of users' tokens, as a JSON array.
	Issuers Issuers `env:"AUTH_ISSUERS"`
	// Services are the accounts of scheduled work, as a JSON array: the tokens that Google mints for them have no role.
	Services Services `env:"AUTH_SERVICES"`
	// ServiceAudience is the one audience of the services' tokens.
	ServiceAudience string `env:"AUTH_SERVICE_AUDIENCE"`
}

// Issuer is one trusted issuer of users' tokens.
type Issuer struct {
	Issuer     string   `json:"issuer"`                // the iss claim, exactly
	JWKSURL    string   `json:"jwks_url,omitempty"`    // where its keys are; by default its discovery document says
	Audiences  []string `json:"audiences,omitempty"`   // one of them has to be in aud; by default plant
	Algorithms []string `json:"algorithms,omitempty"`  // signatures that are accepted; by default ES256 and RS256
	RoleClaim  string   `json:"role_claim,omitempty"`  // by default role
	OwnerClaim string   `json:"owner_claim,omitempty"` // by default sub
}

// ServiceAccount is an account of scheduled work.
type ServiceAccount struct {
	Issuer string `json:"issuer"` // such as https://accounts.google.com
	Email  string `json:"email"`
}

// Issuers reads from one environment variable.
type Issuers []Issuer

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *Issuers) UnmarshalText(text []byte) error {
	if err := unmarshalArray(text, (*[]Issuer)(i)); err != nil {
		return fmt.Errorf("not a JSON array of issuers: %w", err)
	}
	return nil
}

// Services reads from one environment variable.
type Services []ServiceAccount

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Services) UnmarshalText(text []byte) error {
	if err := unmarshalArray(text, (*[]ServiceAccount)(s)); err != nil {
		return fmt.Errorf("not a JSON array of service accounts: %w", err)
	}
	return nil
}

// unmarshalArray is strict: names occur once and are those that we know. An empty text is none.
func unmarshalArray(text []byte, v any) error {
	if len(text) == 0 {
		return nil
	}
	if jsontext.Value(text).Kind() != '[' {
		return errors.New("it is something else")
	}
	return json.Unmarshal(text, v, json.RejectUnknownMembers(true))
}

// asymmetric are the algorithms that an issuer may be configured with: none whose key a verifier could sign with.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

const defaultRoleClaim = "role"

// serviceAlgorithm is what Google signs the tokens of service accounts with.
const serviceAlgorithm = "RS256"

// trustedIssuers returns the issuers of all tokens by their names. Those of services only have no audience and no
// algorithm for users.
func (c Config) trustedIssuers() (map[string]*trusted, error) {
	issuers := map[string]*trusted{}
	for _, configured := range c.Issuers {
		issuer, err := configured.complete()
		if err != nil {
			return nil, err
		}
		if issuers[issuer.Issuer] != nil {
			return nil, fmt.Errorf("issuer %s is listed twice", issuer.Issuer)
		}
		issuers[issuer.Issuer] = &trusted{Issuer: issuer, keyAlgorithms: issuer.Algorithms}
	}
	if len(c.Services) > 0 && c.ServiceAudience == "" {
		return nil, errors.New("AUTH_SERVICES needs AUTH_SERVICE_AUDIENCE")
	}
	for _, service := range c.Services {
		if service.Email == "" {
			return nil, fmt.Errorf("service of issuer %s: it has no email", service.Issuer)
		}
		issuer := issuers[service.Issuer]
		if issuer == nil {
			if err := checkURL(service.Issuer); err != nil {
				return nil, fmt.Errorf("service %s: issuer %q: %w", service.Email, service.Issuer, err)
			}
			issuer = &trusted{Issuer: Issuer{Issuer: service.Issuer}}
			issuers[service.Issuer] = issuer
		}
		if !slices.Contains(issuer.keyAlgorithms, serviceAlgorithm) {
			issuer.keyAlgorithms = append(slices.Clone(issuer.keyAlgorithms), serviceAlgorithm)
		}
	}
	return issuers, nil
}

// complete fills in the defaults and checks what is left.
func (i Issuer) complete() (Issuer, error) {
	if len(i.Audiences) == 0 {
		i.Audiences = []string{"plant"}
	}
	if len(i.Algorithms) == 0 {
		i.Algorithms = []string{"ES256", "RS256"}
	}
	i.RoleClaim = cmp.Or(i.RoleClaim, defaultRoleClaim)
	i.OwnerClaim = cmp.Or(i.OwnerClaim, "sub")
	if slices.Contains(i.Audiences, "") {
		return i, fmt.Errorf("issuer %s: an audience is empty", i.Issuer)
	}
	if i.OwnerClaim == i.RoleClaim {
		return i, fmt.Errorf("issuer %s: the owner cannot be the role claim, or all of a role would own the same", i.Issuer)
	}
	for _, algorithm := range i.Algorithms {
		if !slices.Contains(asymmetric, algorithm) {
			return i, fmt.Errorf("issuer %s: algorithm %q is not an asymmetric one", i.Issuer, algorithm)
		}
	}
	if err := checkURL(i.Issuer); err != nil {
		return i, fmt.Errorf("issuer %q: %w", i.Issuer, err)
	}
	if i.JWKSURL != "" {
		if err := checkURL(i.JWKSURL); err != nil {
			return i, fmt.Errorf("issuer %s: jwks_url: %w", i.Issuer, err)
		}
	}
	return i, nil
}

// checkURL accepts https, and http to this machine for local runs.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.RawQuery != "":
		return errors.New("must be a plain URL with a host")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	default:
		return errors.New("must be https, or http to this machine")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
