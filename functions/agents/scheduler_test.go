package agents

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
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

const (
	schedulerEmail    = "scheduler@plant.example"
	schedulerAudience = "https://plant.example/internal"
)

// startScheduled runs the function with a service account of another issuer, as Google is one, and returns its token.
func startScheduled(t *testing.T, opts ...apitest.Option) (s service, token string) {
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
		"iss": url, "sub": "1", "aud": schedulerAudience, "email": schedulerEmail, "email_verified": true, "exp": time.Now().Add(time.Hour).Unix(),
	}))
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	s = start(t, append(opts, func(settings *httpapi.Settings) {
		settings.Auth.Services = auth.Services{{Issuer: url, Email: schedulerEmail}}
		settings.Auth.ServiceAudience = schedulerAudience
	})...)
	return s, signed + "." + segment(signature)
}

// A scheduler may say of any agent whether it works, under the same conditions as its owner, and nothing else.
func TestScheduler_SetsStatusOnly(t *testing.T) {
	t.Parallel()
	s, scheduler := startScheduled(t)
	path := s.path(t, writer)
	tag := s.Do(t, "GET", path, "", "").Header.Get("ETag")
	match := apitest.Header{Name: "If-Match", Value: tag}
	got := apitest.Decode[catalog.Agent](t, s.Do(t, "PUT", path+"/status", scheduler, `{"status":"offline"}`, match).Want(t, http.StatusOK))
	if got.Status != "offline" || got.Version != 2 || got.Owner != "ada" {
		t.Errorf("got %+v", got)
	}
	s.Do(t, "PUT", path+"/status", scheduler, `{"status":"working"}`, match).WantProblem(t, http.StatusPreconditionFailed, "STALE")
	s.Do(t, "PUT", path+"/status", scheduler, `{"status":"retired"}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "PUT", path+"/status", scheduler, `{"status":"working","name":"x"}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "GET", "/api/v1/agents?include_deleted=true", scheduler, "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	if mine, _ := s.list(t, "/api/v1/agents?owner=me", scheduler); len(mine) != 0 {
		t.Errorf("a scheduler owns %d agents", len(mine))
	}
}

// The statements themselves let a service set the status only, whatever the operations ask for.
func TestService_StatementsSetStatusOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	agent := s.publish(t, writer)
	store := newAgentStore(s.DB.DB)
	ctx := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: "https://accounts.google.com", Subject: "1", Owner: "1", Role: auth.Service})
	if got, err := store.setStatus(ctx, agent.ID, nil, "working"); err != nil || got.Status != "working" {
		t.Errorf("got %v, %v", got.Status, err)
	}
	name := "Taken"
	if _, err := store.change(ctx, agent.ID, nil, agentChange{Name: &name}); err == nil {
		t.Error("a service changed a name")
	}
}
