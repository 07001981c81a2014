package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waooaw/plant/shared/auth"
)

// The first who come wait for the keys together; none is turned away.
func TestKeys_AreFetchedOnceForAllWhoWait(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	release := make(chan struct{})
	i.answers(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{ecJWK("ec", &i.ec.PublicKey)}})
	})
	token := i.signES256(t, i.header(), i.claims())
	var waiting sync.WaitGroup
	for range 50 {
		waiting.Go(func() {
			if _, err := authenticate(t, v, token); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	waiting.Wait()
	if got := i.fetches.Load(); got != 1 {
		t.Errorf("%d fetches", got)
	}
}

func TestF23_KeysOutOfReach(t *testing.T) {
	t.Parallel()
	broken := map[string]http.HandlerFunc{
		"error":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no keys":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) },
		"only junk": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[{"kty":"oct","k":"AA","kid":"ec"},{},5]}`)
		},
		"10 MB": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[],"x":"`+strings.Repeat("x", 10<<20)+`"}`)
		},
		"redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"empty":      func(http.ResponseWriter, *http.Request) {},
		"connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, answer := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			v := i.verifier(t, i.config())
			token := func() string { return i.signES256(t, i.header(), i.claims()) }
			i.answers(answer)
			if _, err := authenticate(t, v, token()); !errors.Is(err, auth.ErrKeysUnavailable) || errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("at start: %v", err)
			}
			i.answers(nil)
			i.clock.advance(2 * time.Second)
			if _, err := authenticate(t, v, token()); err != nil {
				t.Errorf("healed: %v", err)
			}
			i.answers(answer)
			i.clock.advance(59 * time.Minute)
			if _, err := authenticate(t, v, token()); err != nil {
				t.Errorf("with keys of an hour ago: %v", err)
			}
			i.clock.advance(2 * time.Minute)
			if _, err := authenticate(t, v, token()); !errors.Is(err, auth.ErrKeysUnavailable) {
				t.Errorf("with keys that are too old: %v", err)
			}
		})
	}
}

func TestF23_DiscoveryOfAnother(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"another issuer": `{"issuer":"https://evil.example","jwks_uri":"%s/keys"}`, "http elsewhere": `{"issuer":"%s","jwks_uri":"http://evil.example/keys"}`, "no keys": `{"issuer":"%s"}`,
	} {
		i := newIssuer(t)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, document, "http://"+r.Host)
		}))
		t.Cleanup(server.Close)
		i.url = server.URL
		if _, err := authenticate(t, i.verifier(t, i.config()), i.signES256(t, i.header(), i.claims())); !errors.Is(err, auth.ErrKeysUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestF24_UnknownKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	if _, err := authenticate(t, v, i.signES256(t, i.header(), i.claims())); err != nil {
		t.Fatal(err)
	}
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.has(ecJWK("ec", &i.ec.PublicKey), ecJWK("next", &next.PublicKey))
	i.clock.advance(time.Minute)
	rotated := signECDSA(t, next, edited(i.header(), map[string]any{"kid": "next"}), i.claims())
	if _, err := authenticate(t, v, rotated); err != nil {
		t.Errorf("a rotated key: %v", err)
	}
	if got := i.fetches.Load(); got != 2 {
		t.Errorf("%d fetches for a rotation", got)
	}
	for minute := range 3 {
		i.clock.advance(time.Minute)
		before := i.fetches.Load()
		var flood sync.WaitGroup
		for n := range 200 {
			token := i.signES256(t, edited(i.header(), map[string]any{"kid": fmt.Sprintf("k%d-%d", minute, n)}), i.claims())
			flood.Go(func() {
				if _, err := authenticate(t, v, token); !errors.Is(err, auth.ErrUnauthenticated) {
					t.Errorf("an unknown key: %v", err)
				}
			})
		}
		flood.Wait()
		if got := i.fetches.Load() - before; got > 1 {
			t.Errorf("%d fetches in a minute", got)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		``: true, `[]`: true, `[{"issuer":"https://a.example"}]`: true, `{}`: false, `[{"issuer":1}]`: false, `[{"Issuer":"https://a.example"}]`: false, `[{"issuer":"a","issuer":"b"}]`: false,
	} {
		var issuers auth.Issuers
		if err := issuers.UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Errorf("issuers %s: %v", text, err)
		}
	}
	for text, ok := range map[string]bool{``: true, `[{"issuer":"https://a.example","email":"x"}]`: true, `[{"email":1}]`: false, `x`: false} {
		var services auth.Services
		if err := services.UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Errorf("services %s: %v", text, err)
		}
	}
	service := auth.Services{{Issuer: "https://accounts.example", Email: "x"}}
	tests := map[string]struct {
		cfg auth.Config
		ok  bool
	}{
		"none":                      {auth.Config{}, true},
		"https":                     {auth.Config{Issuers: auth.Issuers{{Issuer: "https://a.example"}}}, true},
		"this machine":              {auth.Config{Issuers: auth.Issuers{{Issuer: "http://localhost:8080"}, {Issuer: "http://[::1]:1"}}}, true},
		"http":                      {auth.Config{Issuers: auth.Issuers{{Issuer: "http://a.example"}}}, false},
		"no URL":                    {auth.Config{Issuers: auth.Issuers{{Issuer: "a"}}}, false},
		"malformed":                 {auth.Config{Issuers: auth.Issuers{{Issuer: "https://a\x00"}}}, false},
		"with a password":           {auth.Config{Issuers: auth.Issuers{{Issuer: "https://u:p@a.example"}}}, false},
		"twice":                     {auth.Config{Issuers: auth.Issuers{{Issuer: "https://a.example"}, {Issuer: "https://a.example"}}}, false},
		"keys over http":            {auth.Config{Issuers: auth.Issuers{{Issuer: "https://a.example", JWKSURL: "http://a.example/keys"}}}, false},
		"unsigned":                  {auth.Config{Issuers: auth.Issuers{{Issuer: "https://a.example", Algorithms: []string{"none"}}}}, false},
		"services":                  {auth.Config{Services: service, ServiceAudience: "x"}, true},
		"services, no audience":     {auth.Config{Services: service}, false},
		"services, issuer's http":   {auth.Config{Services: auth.Services{{Issuer: "http://a.example", Email: "x"}}, ServiceAudience: "x"}, false},
		"services of users' issuer": {auth.Config{Issuers: auth.Issuers{{Issuer: "https://accounts.example"}}, Services: service, ServiceAudience: "x"}, true},
	}
	for name, test := range tests {
		if _, err := auth.New(test.cfg); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
