package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/singleflight"
)

const (
	fetchTimeout    = 5 * time.Second
	maxDocument     = 256 << 10        // bytes of a discovery document or key set
	keysFresh       = 10 * time.Minute // keys are fetched again after this
	keysUsable      = time.Hour        // and used for this long while that fails
	refetchInterval = time.Minute      // at most one fetch in it while there are keys
	retryInterval   = time.Second      // at most one fetch in it while there are none
	minRSABits      = 2048
)

// keySet is one issuer's public keys. They are fetched when a token needs them and at no other time.
type keySet struct {
	issuer     Issuer
	algorithms []string
	client     *http.Client
	now        func() time.Time
	flight     singleflight.Group

	mu        sync.Mutex
	keys      []publicKey
	fetchedAt time.Time
	triedAt   time.Time
	fetching  bool  // a caller that needs a key waits for the fetch that is under way
	failure   error // of the last fetch
}

// publicKey is good for one algorithm only (RFC 8725, 3.1).
type publicKey struct {
	id, algorithm string
	key           crypto.PublicKey
}

// find returns the key, fetching the set where it is unknown or old, within the bounds above. A key that the issuer does
// not have is ErrUnauthenticated; where that cannot be told it is ErrKeysUnavailable.
func (s *keySet) find(ctx context.Context, id, algorithm string) (crypto.PublicKey, error) {
	key, due, failure := s.look(id, algorithm)
	if due {
		// The fetch is for all who wait, so no single caller's end may cut it short.
		done := s.flight.DoChan("", func() (any, error) {
			fetching, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
			defer cancel()
			s.refresh(fetching)
			return nil, nil
		})
		select {
		case <-done:
			key, _, failure = s.look(id, algorithm)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %s: %w", ErrKeysUnavailable, s.issuer.Issuer, ctx.Err())
		}
	}
	switch {
	case key != nil:
		return key, nil
	case failure != nil:
		return nil, fmt.Errorf("%w: %s: %w", ErrKeysUnavailable, s.issuer.Issuer, failure)
	default:
		return nil, refused(errors.New("its key is unknown"))
	}
}

// look returns the key if it is there and young enough to be believed, whether it is time to fetch, and what went wrong
// with the last fetch.
func (s *keySet) look(id, algorithm string) (key crypto.PublicKey, due bool, failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	age := now.Sub(s.fetchedAt)
	usable := !s.fetchedAt.IsZero() && age < keysUsable
	if i := slices.IndexFunc(s.keys, func(k publicKey) bool { return k.id == id && k.algorithm == algorithm }); usable && i >= 0 {
		key = s.keys[i].key
	}
	due = key == nil && s.fetching || (key == nil || age >= keysFresh) && s.mayFetch(now, usable)
	return key, due, s.failure
}

// mayFetch bounds how often the issuer is asked, whatever tokens come. The caller holds the lock.
func (s *keySet) mayFetch(now time.Time, usable bool) bool {
	interval := refetchInterval
	if !usable {
		interval = retryInterval
	}
	return s.triedAt.IsZero() || now.Sub(s.triedAt) >= interval
}

// refresh fetches the set, unless somebody did between this caller's look and now.
func (s *keySet) refresh(ctx context.Context) {
	s.mu.Lock()
	now := s.now()
	if !s.mayFetch(now, !s.fetchedAt.IsZero() && now.Sub(s.fetchedAt) < keysUsable) {
		s.mu.Unlock()
		return
	}
	s.triedAt, s.fetching = now, true
	s.mu.Unlock()
	keys, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetching, s.failure = false, err
	if err == nil {
		s.keys, s.fetchedAt = keys, s.now()
	}
}

func (s *keySet) fetch(ctx context.Context) ([]publicKey, error) {
	address, err := s.address(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the key set: %w", err)
	}
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := s.get(ctx, address, &set); err != nil {
		return nil, fmt.Errorf("fetch the key set: %w", err)
	}
	var keys []publicKey
	for _, text := range set.Keys {
		if key, ok := s.usableKey(text); ok {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no usable key")
	}
	return keys, nil
}

// address is where the key set is: configured, or as the issuer's discovery document says (OpenID Connect Discovery 1.0).
func (s *keySet) address(ctx context.Context) (string, error) {
	if s.issuer.JWKSURL != "" {
		return s.issuer.JWKSURL, nil
	}
	var discovery struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := s.get(ctx, strings.TrimSuffix(s.issuer.Issuer, "/")+"/.well-known/openid-configuration", &discovery); err != nil {
		return "", err
	}
	if discovery.Issuer != s.issuer.Issuer {
		return "", errors.New("the discovery document is another issuer's")
	}
	if err := checkURL(discovery.JWKS); err != nil {
		return "", fmt.Errorf("jwks_uri: %w", err)
	}
	if strings.HasPrefix(s.issuer.Issuer, "https:") && !strings.HasPrefix(discovery.JWKS, "https:") {
		return "", errors.New("jwks_uri: an issuer elsewhere points to this machine")
	}
	return discovery.JWKS, nil
}

func (s *keySet) get(ctx context.Context, address string, document any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the issuer answered %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	if err != nil {
		return err
	}
	if len(text) > maxDocument {
		return errors.New("the issuer's document is too large")
	}
	return json.Unmarshal(text, document)
}

// usableKey reads a key of the set. Keys that are for something else, too weak or unknown to us are left out.
func (s *keySet) usableKey(text jsontext.Value) (publicKey, bool) {
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(text); err != nil || !k.Valid() || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
		return publicKey{}, false
	}
	algorithm := k.Algorithm
	if i := slices.IndexFunc(s.algorithms, func(a string) bool { return fits(k.Key, a) }); algorithm == "" && i >= 0 {
		algorithm = s.algorithms[i] // a key that names none is for the first that it can
	}
	return publicKey{id: k.KeyID, algorithm: algorithm, key: k.Key}, slices.Contains(s.algorithms, algorithm) && fits(k.Key, algorithm)
}

// fits reports whether the key is one of the algorithm's (RFC 7518, 3; RFC 8037) and strong enough (RFC 8725, 3.5).
func fits(key any, algorithm string) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits && (strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS"))
	case *ecdsa.PublicKey:
		return algorithm == map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[k.Params().Name]
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}
