// Package localissuer is a real OpenID Connect issuer for local runs and tests: it keeps a key, serves discovery and its
// key set, and mints access tokens (RFC 9068). It has no users: whoever can read the key can be anyone.
package localissuer

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
)

const (
	// Audience is whom the tokens are for.
	Audience = "plant"
	keyFile  = "issuer.pem"
	jwksPath = "/.well-known/jwks.json"
)

// Issuer mints tokens under one key.
type Issuer struct {
	key *ecdsa.PrivateKey
	id  string
}

// New returns an issuer with a new key that is kept nowhere.
func New() (*Issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the issuer's key: %w", err)
	}
	return withKey(key)
}

// Open returns the issuer whose key is in dir, making one where there is none.
func Open(dir string) (*Issuer, error) {
	file := filepath.Join(dir, keyFile)
	issuer, err := read(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return issuer, err
	}
	if err := create(dir, file); err != nil {
		return nil, err
	}
	return read(file)
}

func read(file string) (*Issuer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the issuer's key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("read the issuer's key: %s is not PEM", file)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the issuer's key: %w", err)
	}
	if key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("read the issuer's key: %s is not of P-256", file)
	}
	return withKey(key)
}

// create writes a new key under another name first: a half-written one is never read, and of two who make one at the
// same time both end with the one that was there first.
func create(dir, file string) error {
	issuer, err := New()
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(issuer.key)
	if err != nil {
		return fmt.Errorf("write the issuer's key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write the issuer's key: %w", err)
	}
	draft := file + "." + issuer.id
	if err := os.WriteFile(draft, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("write the issuer's key: %w", err)
	}
	defer func() { _ = os.Remove(draft) }()
	if err := os.Link(draft, file); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write the issuer's key: %w", err)
	}
	return nil
}

func withKey(key *ecdsa.PrivateKey) (*Issuer, error) {
	public := jose.JSONWebKey{Key: key.Public()}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("name the issuer's key: %w", err)
	}
	return &Issuer{key: key, id: fmt.Sprintf("%x", thumbprint[:8])}, nil
}

// Handler serves the discovery document and the key set of the issuer at this URL.
func (i *Issuer) Handler(issuerURL string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": issuerURL, "jwks_uri": issuerURL + jwksPath, "response_types_supported": []string{"token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{string(jose.ES256)},
		})
	})
	mux.HandleFunc("GET "+jwksPath, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: i.key.Public(), KeyID: i.id, Algorithm: string(jose.ES256), Use: "sig"},
		}})
	})
	return mux
}

func answer(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, document) // the caller may be gone
}

// Claims are what a token says.
type Claims struct {
	Subject  string
	Role     auth.Role
	TTL      time.Duration // one that is not positive makes a token that has expired
	Owner    string        // the claim owner, for those who configure owner_claim; none by default
	Audience string        // by default Audience
}

// Mint returns a signed access token (RFC 9068) of the issuer at this URL.
func (i *Issuer) Mint(issuerURL string, claims Claims) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: i.id}},
		(&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return "", fmt.Errorf("mint a token: %w", err)
	}
	now := time.Now()
	text, err := json.Marshal(struct {
		Issuer    string    `json:"iss"`
		Subject   string    `json:"sub"`
		Audience  string    `json:"aud"`
		Client    string    `json:"client_id"`
		Role      auth.Role `json:"role,omitempty"`
		Owner     string    `json:"owner,omitempty"`
		IssuedAt  int64     `json:"iat"`
		ExpiresAt int64     `json:"exp"`
		ID        string    `json:"jti"`
	}{
		Issuer: issuerURL, Subject: claims.Subject, Audience: cmp.Or(claims.Audience, Audience), Client: "local", Role: claims.Role, Owner: claims.Owner,
		IssuedAt: now.Unix(), ExpiresAt: now.Add(claims.TTL).Unix(), ID: uuid.NewString(),
	})
	if err != nil {
		return "", fmt.Errorf("mint a token: %w", err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", fmt.Errorf("mint a token: %w", err)
	}
	return signed.CompactSerialize()
}

// Trust returns the configuration of a function that trusts this issuer alone.
func Trust(issuerURL string) auth.Config {
	return auth.Config{Issuers: auth.Issuers{{Issuer: issuerURL, Algorithms: []string{string(jose.ES256)}, Audiences: []string{Audience}}}}
}
