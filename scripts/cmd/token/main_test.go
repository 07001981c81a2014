package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/auth/localissuer"
)

func TestMint(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	issuer, err := localissuer.Open(filepath.Join(home, "issuer"))
	if err != nil {
		t.Fatal(err)
	}
	var keys http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { keys.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	keys = issuer.Handler(server.URL)
	if err := os.WriteFile(filepath.Join(home, "issuer-url"), []byte(server.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.New(localissuer.Trust(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []auth.Role{auth.Customer, auth.Partner, auth.Governor} {
		token, err := mint(settings{Home: home}, []string{"--role", string(role), "--sub", "ada", "--ttl", "5m"})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if p, _, err := verifier.Authenticate(r); err != nil || p.Role != role || p.Subject != "ada" {
			t.Errorf("%s: got %+v, %v", role, p, err)
		}
	}
	for _, args := range [][]string{
		{},
		{"--role", "partner"},
		{"--sub", "ada"},
		{"--role", "service", "--sub", "a"},
		{"--role", "root", "--sub", "a"},
		{"--role", "partner", "--sub", "a", "--ttl", "-1h"},
		{"--role", "partner", "--sub", "a", "--ttl", "x"},
		{"--nonsense"},
		{"--role", "partner", "--sub", "a", "more"},
	} {
		if token, err := mint(settings{Home: home}, args); err == nil {
			t.Errorf("%v gave %s", args, token)
		}
	}
	if got := issuerURL(settings{Home: t.TempDir(), Port: 8081}); got != "http://localhost:8081" {
		t.Errorf("without a run the issuer is %s", got)
	}
}

func TestMint_SaysHowLongAndOfWhom(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for args, want := range map[string]float64{"": 3600, "--ttl 5m": 300, "--ttl 1s": 1, "--ttl 720h": 2_592_000} {
		token, err := mint(settings{Home: home, Port: 8083}, append([]string{"--role", "partner", "--sub", "ada"}, strings.Fields(args)...))
		if err != nil {
			t.Fatal(err)
		}
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Issuer   string  `json:"iss"`
			IssuedAt float64 `json:"iat"`
			Expires  float64 `json:"exp"`
		}
		if err := json.Unmarshal(text, &claims); err != nil {
			t.Fatal(err)
		}
		if claims.Issuer != "http://localhost:8083" || claims.Expires-claims.IssuedAt != want {
			t.Errorf("%q: got %+v, want %v seconds", args, claims, want)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "issuer", "issuer.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if token, err := mint(settings{Home: home}, []string{"--role", "partner", "--sub", "ada"}); err == nil {
		t.Errorf("a broken key gave %s", token)
	}
}
