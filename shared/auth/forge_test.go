//go:debug rsa1024min=0

package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waooaw/plant/shared/auth"
)

// issuer is a fake of the outside end: an issuer whose keys, answers and clock a test controls. Tokens are forged by
// hand, so that nothing about them is too well-formed.
type issuer struct {
	url     string
	ec      *ecdsa.PrivateKey
	rsa     *rsa.PrivateKey
	fetches atomic.Int64 // of the key set
	clock   *clock

	mu     sync.Mutex
	answer http.HandlerFunc // of the key set; nil answers the keys
	keys   []map[string]any
}

// clock is a time that a test moves.
type clock struct{ seconds atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.seconds.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.seconds.Add(int64(d.Seconds())) }

// rsaKey is made once: it takes its time.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // the machine has no randomness
	}
	return key
})

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{ec: key, rsa: rsaKey(), clock: &clock{}}
	i.clock.seconds.Store(1_800_000_000)
	i.keys = []map[string]any{ecJWK("ec", &key.PublicKey), rsaJWK("rsa", &i.rsa.PublicKey)}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		i.mu.Lock()
		answer, keys := i.answer, i.keys
		i.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func (i *issuer) answers(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = h
}

func (i *issuer) has(keys ...map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

func (i *issuer) config() auth.Config {
	return auth.Config{Issuers: auth.Issuers{{Issuer: i.url}}}
}

func (i *issuer) verifier(t testing.TB, cfg auth.Config) *auth.Verifier {
	t.Helper()
	v, err := auth.New(cfg, auth.WithClock(i.clock.now), auth.WithClient(&http.Client{Timeout: 2 * time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ecJWK(id string, key *ecdsa.PublicKey) map[string]any {
	point, err := key.Bytes()
	if err != nil {
		panic(err) // a key of this test
	}
	size := (len(point) - 1) / 2
	return map[string]any{"kty": "EC", "crv": "P-256", "kid": id, "alg": "ES256", "use": "sig", "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])}
}

func rsaJWK(id string, key *rsa.PublicKey) map[string]any {
	return map[string]any{"kty": "RSA", "kid": id, "alg": "RS256", "use": "sig", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// header and claims of a token that is good; a test changes what it is about.
func (i *issuer) header() map[string]any {
	return map[string]any{"alg": "ES256", "kid": "ec", "typ": "at+jwt"}
}

func (i *issuer) claims() map[string]any {
	now := i.clock.now().Unix()
	return map[string]any{"iss": i.url, "sub": "ada", "aud": "plant", "role": "partner", "exp": now + 3600, "iat": now}
}

func text(t testing.TB, v any) string {
	t.Helper()
	if s, ok := v.(string); ok {
		return s // raw JSON
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// signES256 signs with the issuer's own key. Header and claims may be raw JSON.
func (i *issuer) signES256(t testing.TB, header, claims any) string {
	t.Helper()
	return signECDSA(t, i.ec, header, claims)
}

func signECDSA(t testing.TB, key *ecdsa.PrivateKey, header, claims any) string {
	t.Helper()
	signed := b64([]byte(text(t, header))) + "." + b64([]byte(text(t, claims)))
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + b64(signature)
}

func signRSA(t testing.TB, key *rsa.PrivateKey, header, claims any) string {
	t.Helper()
	signed := b64([]byte(text(t, header))) + "." + b64([]byte(text(t, claims)))
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(signature)
}

func signHMAC(t testing.TB, secret []byte, header, claims any) string {
	t.Helper()
	signed := b64([]byte(text(t, header))) + "." + b64([]byte(text(t, claims)))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

// edited returns a copy with members replaced, or removed where the value is nil.
func edited(m map[string]any, members map[string]any) map[string]any {
	result := map[string]any{}
	for name, value := range m {
		result[name] = value
	}
	for name, value := range members {
		if value == nil {
			delete(result, name)
			continue
		}
		result[name] = value
	}
	return result
}

func request(t testing.TB, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header["Authorization"] = headers
	return r
}

func authenticate(t testing.TB, v *auth.Verifier, token string) (auth.Principal, error) {
	t.Helper()
	p, known, err := v.Authenticate(request(t, "Bearer "+token))
	if known != (err == nil) {
		t.Errorf("known is %v with error %v", known, err)
	}
	return p, err
}

// wantRefused fails the test unless each token is refused as ErrUnauthenticated, with a reason that does not show it.
func wantRefused(t *testing.T, v *auth.Verifier, tokens map[string]string) {
	t.Helper()
	for name, token := range tokens {
		p, err := authenticate(t, v, token)
		if !errors.Is(err, auth.ErrUnauthenticated) || p != (auth.Principal{}) {
			t.Errorf("%s: got %+v, %v", name, p, err)
		}
		if err != nil && len(token) > 20 && len(fmt.Sprint(err)) > 300 {
			t.Errorf("%s: the reason is suspiciously long: %v", name, err)
		}
	}
}
