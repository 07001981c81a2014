package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxTokenBytes = 8 << 10
	maxKeyIDBytes = 256
	maxNameRunes  = 255 // of subjects and owners
	// leeway is how far an issuer's clock may be ahead of ours.
	leeway = time.Minute
)

// token is an access token taken apart and not verified yet. Everything in it is what the caller claims.
type token struct {
	raw    string
	header header
	claims claims
	// all is every claim, for those whose name is configuration.
	all map[string]jsontext.Value
}

// header is of a JSON Web Signature (RFC 7515). What could name a key elsewhere (jwk, jku, x5u, x5c) is not even read.
type header struct {
	Algorithm  string         `json:"alg"`
	KeyID      string         `json:"kid"`
	Type       string         `json:"typ"`
	Critical   jsontext.Value `json:"crit"`
	Unencoded  jsontext.Value `json:"b64"`
	Encryption jsontext.Value `json:"enc"`
	Compressed jsontext.Value `json:"zip"`
	Content    jsontext.Value `json:"cty"`
}

// claims are those that every token is judged by (RFC 7519).
type claims struct {
	Issuer    string   `json:"iss"`
	Audience  audience `json:"aud"`
	ExpiresAt *seconds `json:"exp"`
	NotBefore *seconds `json:"nbf"`
	IssuedAt  *seconds `json:"iat"`
}

// seconds are since 1970. RFC 7519 would allow fractions; issuers do not write any, and where verifiers round them
// differently, a token is good for one and not for the other.
type seconds int64

// audience is one string or several, never anything else.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(text []byte) error {
	values := []jsontext.Value{text}
	if values[0].Kind() == '[' {
		if err := json.Unmarshal(text, &values); err != nil {
			return err
		}
	}
	for _, value := range values {
		one, ok := stringOf(value)
		if !ok {
			return errors.New("not a string")
		}
		*a = append(*a, one)
	}
	return nil
}

// stringOf returns a value that has to be a string. Decoded into one, null would be the empty string.
func stringOf(value jsontext.Value) (string, bool) {
	var s string
	ok := value.Kind() == '"' && json.Unmarshal(value, &s) == nil
	return s, ok
}

// parse takes a token apart. It is strict: names occur once and are compared exactly, types are as specified, nothing is
// critical, encrypted, nested or compressed.
func parse(raw string) (*token, error) {
	if len(raw) > maxTokenBytes {
		return nil, errors.New("the token is too long")
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || parts[2] == "" {
		return nil, errors.New("not a signed token")
	}
	if _, err := decodeBase64(parts[2]); err != nil {
		return nil, fmt.Errorf("its signature: %w", err)
	}
	t := &token{raw: raw}
	if err := decode(parts[0], &t.header); err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	h := t.header
	switch {
	case h.Critical != nil || h.Unencoded != nil || h.Encryption != nil || h.Compressed != nil || h.Content != nil:
		return nil, errors.New("its header asks for what is not supported")
	case h.KeyID == "" || len(h.KeyID) > maxKeyIDBytes || strings.ContainsFunc(h.KeyID, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("its key id is missing or malformed")
	}
	if err := decode(parts[1], &t.claims); err != nil {
		return nil, fmt.Errorf("its claims: %w", err)
	}
	if err := decode(parts[1], &t.all); err != nil {
		return nil, fmt.Errorf("its claims: %w", err)
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		if t.all[name].Kind() == 'n' {
			return nil, errors.New("its claims: a time is null")
		}
	}
	return t, nil
}

func decode(part string, v any) error {
	text, err := decodeBase64(part)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return errors.New("malformed, or a value has the wrong type")
	}
	return nil
}

// decodeBase64 reads the one spelling that these bytes have (RFC 7515, 2): no padding, no spare bits in the last character,
// and no line ends, which encoding/base64 would skip.
func decodeBase64(part string) ([]byte, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil || strings.ContainsAny(part, "\r\n") {
		return nil, errors.New("not base64url")
	}
	return text, nil
}

// checkTimes holds the token against the clock.
func (c claims) checkTimes(now time.Time) error {
	// Beyond the year 9999 no timestamp is meant.
	const lastSecond = 253_402_300_799
	ahead := seconds(now.Add(leeway).Unix())
	switch {
	case c.ExpiresAt == nil || *c.ExpiresAt > lastSecond:
		return errors.New("it has no valid expiry")
	case *c.ExpiresAt <= seconds(now.Unix()):
		return errors.New("it has expired")
	case c.NotBefore != nil && *c.NotBefore > ahead, c.IssuedAt != nil && *c.IssuedAt > ahead:
		return errors.New("it is not valid yet")
	}
	return nil
}

// name returns a claim that names someone: a string of visible text.
func (t *token) name(claim string) (string, error) {
	value, ok := stringOf(t.all[claim])
	if !ok || !isName(value) {
		return "", fmt.Errorf("its claim %s is missing or malformed", claim)
	}
	return value, nil
}

// role returns the role that a claim gives: a string, or an array of which exactly one is a role of ours. Anything else
// is no role.
func (t *token) role(claim string) Role {
	var given audience // the same form: one string or several
	if text := t.all[claim]; text == nil || json.Unmarshal(text, &given) != nil {
		return ""
	}
	var found Role
	for _, value := range given {
		switch role := Role(value); role {
		case Customer, Partner, Governor: // services are listed, they do not claim it
			if found != "" {
				return ""
			}
			found = role
		}
	}
	return found
}

// isName reports whether all of a text can be seen: two names that look the same because of a blank at an end, a control
// or a formatting character would be two owners.
func isName(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= maxNameRunes && s == strings.TrimSpace(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) })
}
