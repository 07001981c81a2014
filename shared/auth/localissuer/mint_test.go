package localissuer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/auth/localissuer"
)

// part reads the header (0) or the claims (1) of a token by hand.
func part(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func get(t *testing.T, h http.Handler, method, path string) (int, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	var document map[string]any
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s is %s", path, got)
		}
	}
	return w.Code, document
}

func TestMint_SaysWhatItIsTold(t *testing.T) {
	t.Parallel()
	issuer, err := localissuer.New()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[any]bool{}
	for _, ttl := range []time.Duration{time.Minute, 90 * time.Minute, -time.Hour} {
		token, err := issuer.Mint("http://localhost:1", localissuer.Claims{Subject: "ada", Role: auth.Customer, TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		claims := part(t, token, 1)
		issued, expires := claims["iat"].(float64), claims["exp"].(float64)
		if expires-issued != ttl.Seconds() || time.Since(time.Unix(int64(issued), 0)).Abs() > time.Minute {
			t.Errorf("ttl %v: issued at %v, expires at %v", ttl, issued, expires)
		}
		ids[claims["jti"]] = true
		for _, name := range []string{"iat", "exp", "jti"} {
			delete(claims, name)
		}
		if diff := cmp.Diff(map[string]any{"iss": "http://localhost:1", "sub": "ada", "aud": "plant", "role": "customer", "client_id": "local"}, claims); diff != "" {
			t.Error(diff)
		}
	}
	if len(ids) != 3 {
		t.Errorf("three tokens have %d ids", len(ids))
	}
}

// What is served fits what is minted, and holds nothing private.
func TestHandler_ServesOnlyWhatIsPublic(t *testing.T) {
	t.Parallel()
	issuer, err := localissuer.New()
	if err != nil {
		t.Fatal(err)
	}
	const url = "http://localhost:1"
	h := issuer.Handler(url)
	code, discovery := get(t, h, http.MethodGet, "/.well-known/openid-configuration")
	if code != http.StatusOK || discovery["issuer"] != url {
		t.Fatalf("discovery: %d, %v", code, discovery)
	}
	code, set := get(t, h, http.MethodGet, strings.TrimPrefix(discovery["jwks_uri"].(string), url))
	keys, _ := set["keys"].([]any)
	if code != http.StatusOK || len(keys) != 1 {
		t.Fatalf("keys: %d, %v", code, set)
	}
	key := keys[0].(map[string]any)
	token, err := issuer.Mint(url, localissuer.Claims{Subject: "ada", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": key["kid"]}, part(t, token, 0)); diff != "" {
		t.Error(diff)
	}
	for _, coordinate := range []string{"x", "y"} {
		delete(key, coordinate)
	}
	if diff := cmp.Diff(map[string]any{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": key["kid"]}, key); diff != "" {
		t.Errorf("the key: %s", diff)
	}
	for path, method := range map[string]string{"/": http.MethodGet, "/issuer.pem": http.MethodGet, "/.well-known/jwks.json": http.MethodPost} {
		if code, _ := get(t, h, method, path); code == http.StatusOK {
			t.Errorf("%s %s is served", method, path)
		}
	}
}

func TestOpen_RefusesAnotherCurve(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "issuer.pem"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := localissuer.Open(dir); err == nil || !strings.Contains(err.Error(), "P-256") {
		t.Errorf("got %v", err)
	}
}

// Whoever comes while the first key is being made ends with that key, however they interleave; no draft is left over.
func TestOpen_FirstKeyWins(t *testing.T) {
	t.Parallel()
	for range 30 {
		dir := filepath.Join(t.TempDir(), "a", "b")
		ids := make([]any, 8)
		start := make(chan struct{})
		var opening sync.WaitGroup
		for n := range ids {
			opening.Go(func() {
				<-start
				issuer, err := localissuer.Open(dir)
				if err != nil {
					t.Error(err)
					return
				}
				token, err := issuer.Mint("http://localhost:1", localissuer.Claims{Subject: "ada"})
				if err != nil {
					t.Error(err)
					return
				}
				ids[n] = part(t, token, 0)["kid"]
			})
		}
		close(start)
		opening.Wait()
		for _, id := range ids {
			if id == nil || id != ids[0] {
				t.Fatalf("several keys: %v", ids)
			}
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Fatalf("the folder: %v, %v", info.Mode(), err)
		}
	}
}

// A link that leads nowhere is no reason to try for ever: the name is taken, and there is nothing to read.
func TestOpen_RefusesLinksThatLeadNowhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nowhere := filepath.Join(dir, "nowhere")
	folder := filepath.Join(dir, "folder")
	if err := os.Symlink(nowhere, folder); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(nowhere, filepath.Join(dir, "issuer.pem")); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{folder, dir} {
		if _, err := localissuer.Open(at); err == nil {
			t.Errorf("%s was opened", at)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("something was left over: %v, %v", files, err)
	}
}

func TestMint_RefusesWhatIsNoText(t *testing.T) {
	t.Parallel()
	issuer, err := localissuer.New()
	if err != nil {
		t.Fatal(err)
	}
	if token, err := issuer.Mint("http://localhost:1", localissuer.Claims{Subject: "a\xff"}); err == nil {
		t.Errorf("got %s", token)
	}
}
