package apitest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/httpapi"
)

// SchedulerEmail is the account of Scheduler.
const SchedulerEmail = "scheduler@plant.example"

const schedulerAudience = "https://plant.example/internal"

// Scheduler returns the token of a service account of another issuer, as Google is one, and the option of a function that
// knows it.
func Scheduler(t testing.TB) (token string, known Option) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	segment := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	text := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		return b
	}
	var url string
	documents := http.NewServeMux()
	documents.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(text(map[string]string{"issuer": url, "jwks_uri": url + "/keys"}))
	})
	documents.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(text(map[string]any{"keys": []map[string]string{
			{"kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig", "n": segment(key.N.Bytes()), "e": "AQAB"},
		}}))
	})
	issuer := httptest.NewServer(documents)
	t.Cleanup(issuer.Close)
	url = issuer.URL

	signed := segment(text(map[string]string{"alg": "RS256", "kid": "k", "typ": "JWT"})) + "." + segment(text(map[string]any{
		"iss": url, "sub": "1", "aud": schedulerAudience, "email": SchedulerEmail, "email_verified": true, "exp": time.Now().Add(time.Hour).Unix(),
	}))
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + segment(signature), func(settings *httpapi.Settings) {
		settings.Auth.Services = auth.Services{{Issuer: url, Email: SchedulerEmail}}
		settings.Auth.ServiceAudience = schedulerAudience
	}
}
