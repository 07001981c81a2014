package auth

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json"
)

// Config says whose tokens are trusted, and for what.
type Config struct {
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
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, (*[]Issuer)(i), json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("not a JSON array of issuers: %w", err)
	}
	return nil
}

// Services reads from one environment variable.
type Services []ServiceAccount

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Services) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, (*[]ServiceAccount)(s), json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("not a JSON array of service accounts: %w", err)
	}
	return nil
}

// asymmetric are the algorithms that an issuer may be configured with: none whose key a verifier could sign with.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// complete fills in the defaults and checks what is left.
func (i Issuer) complete() (Issuer, error) {
	if len(i.Audiences) == 0 {
		i.Audiences = []string{"plant"}
	}
	if len(i.Algorithms) == 0 {
		i.Algorithms = []string{"ES256", "RS256"}
	}
	if i.RoleClaim == "" {
		i.RoleClaim = "role"
	}
	if i.OwnerClaim == "" {
		i.OwnerClaim = "sub"
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
	case u.Host == "" || u.User != nil || u.Fragment != "" || u.RawQuery != "":
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
