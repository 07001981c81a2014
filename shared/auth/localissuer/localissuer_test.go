package localissuer_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/auth/localissuer"
)

// verify returns what a function that trusts the issuer makes of its token.
func verify(t *testing.T, serves, mints *localissuer.Issuer) (auth.Principal, error) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	handler = serves.Handler(server.URL)
	v, err := auth.New(localissuer.Trust(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	token, err := mints.Mint(server.URL, localissuer.Claims{Subject: "ada", Role: auth.Partner, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	p, _, err := v.Authenticate(r)
	return p, err
}

func TestIssuer_MintsWhatIsAccepted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := localissuer.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := localissuer.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := verify(t, first, again); err != nil || p.Subject != "ada" || p.Role != auth.Partner {
		t.Errorf("got %+v, %v", p, err)
	}
	other, err := localissuer.New()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := verify(t, first, other); err == nil {
		t.Errorf("another issuer's token is %+v", p)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if info, err := files[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
}

func TestOpen_OfManyAtOnceIsOneKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	issuers := make([]*localissuer.Issuer, 20)
	var opening sync.WaitGroup
	for i := range issuers {
		opening.Go(func() {
			var err error
			if issuers[i], err = localissuer.Open(dir); err != nil {
				t.Error(err)
			}
		})
	}
	opening.Wait()
	for _, issuer := range issuers {
		if _, err := verify(t, issuers[0], issuer); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpen_RefusesWhatIsNoKey(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"empty": "", "not PEM": "x", "not a key": "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "issuer.pem"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := localissuer.Open(dir); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := localissuer.Open(file); err == nil {
		t.Error("a file was opened as a folder")
	}
}

func TestMint_OwnerAndAudience(t *testing.T) {
	t.Parallel()
	issuer, err := localissuer.New()
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	handler = issuer.Handler(server.URL)
	cfg := localissuer.Trust(server.URL)
	cfg.Issuers[0].OwnerClaim, cfg.Issuers[0].Audiences = "owner", []string{"other"}
	v, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	token, err := issuer.Mint(server.URL, localissuer.Claims{Subject: "ada", TTL: time.Hour, Owner: "acme", Audience: "other"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if p, _, err := v.Authenticate(r); err != nil || p.Owner != "acme" || p.Subject != "ada" || p.Role != "" {
		t.Errorf("got %+v, %v", p, err)
	}
}
