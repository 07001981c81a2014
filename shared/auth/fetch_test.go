package auth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waooaw/plant/shared/auth"
)

// Answers that are no key set are not believed even though the issuer's good keys stand in them, or behind them.
func TestF23_GoodKeysInBadAnswers(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusCreated, http.StatusPartialContent, http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect, http.StatusNotFound, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			v := i.verifier(t, i.config())
			keys := text(t, map[string]any{"keys": []any{ecJWK("ec", &i.ec.PublicKey)}})
			var followed atomic.Int64
			target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				followed.Add(1)
				_, _ = fmt.Fprint(w, keys)
			}))
			t.Cleanup(target.Close)
			i.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", target.URL)
				w.WriteHeader(status)
				_, _ = fmt.Fprint(w, keys)
			})
			if _, err := authenticate(t, v, i.signES256(t, i.header(), i.claims())); !errors.Is(err, auth.ErrKeysUnavailable) {
				t.Errorf("got %v", err)
			}
			if followed.Load() != 0 {
				t.Error("the redirect was followed")
			}
		})
	}
}

// Even of discovery no redirect is followed.
func TestF23_DiscoveryElsewhere(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	var asked atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/good" { // a document that would do
			_, _ = fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"%s/keys"}`, r.Host, i.url)
			return
		}
		http.Redirect(w, r, "/good", http.StatusFound)
	}))
	t.Cleanup(front.Close)
	keys := i.url
	i.url = front.URL
	if _, err := authenticate(t, i.verifier(t, i.config()), i.signES256(t, i.header(), i.claims())); !errors.Is(err, auth.ErrKeysUnavailable) {
		t.Errorf("got %v", err)
	}
	if i.fetches.Load() != 0 || asked.Load() != 1 {
		t.Errorf("%d requests to the issuer, %d to %s", asked.Load(), i.fetches.Load(), keys)
	}
}

// An issuer whose name ends with a slash (as Auth0's do) is found, and is not the one without.
func TestF23_IssuerWithASlash(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/tenant/.well-known/openid-configuration":
			_, _ = fmt.Fprintf(w, `{"issuer":"http://%s/tenant/","jwks_uri":"http://%s/keys"}`, r.Host, r.Host)
		case "/keys":
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{ecJWK("ec", &i.ec.PublicKey)}})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	i.url = server.URL + "/tenant/"
	v := i.verifier(t, i.config())
	good := i.signES256(t, i.header(), i.claims())
	if _, err := authenticate(t, v, good); err != nil {
		t.Error(err)
	}
	wantRefused(t, v, map[string]string{
		"no slash":    i.signES256(t, i.header(), edited(i.claims(), map[string]any{"iss": strings.TrimSuffix(i.url, "/")})),
		"two slashes": i.signES256(t, i.header(), edited(i.claims(), map[string]any{"iss": i.url + "/"})),
	})
}

// While there are no keys the issuer is asked once a second at most, however many call, and good callers are told 503.
func TestF23_NoKeysAtAll(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	i.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	token := i.signES256(t, i.header(), i.claims())
	for second := range int64(5) {
		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() {
				if _, err := authenticate(t, v, token); !errors.Is(err, auth.ErrKeysUnavailable) || errors.Is(err, auth.ErrUnauthenticated) {
					t.Errorf("got %v", err)
				}
			})
		}
		calls.Wait()
		if got := i.fetches.Load(); got != second+1 {
			t.Errorf("%d fetches in %d seconds", got, second+1)
		}
		i.clock.advance(time.Second)
	}
}

// A thousand callers with keys that nobody knows cost one fetch, another thousand within the minute none; meanwhile the
// known key is good for everybody.
func TestF24_FloodOfUnknownKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	known := i.signES256(t, i.header(), i.claims())
	if _, err := authenticate(t, v, known); err != nil {
		t.Fatal(err)
	}
	tokens := make([]string, 1000)
	for n := range tokens {
		tokens[n] = i.signES256(t, edited(i.header(), map[string]any{"kid": fmt.Sprintf("k%d", n)}), edited(i.claims(), map[string]any{"exp": i.clock.now().Unix() + 36_000}))
	}
	steps := []struct {
		after   time.Duration
		fetches int64
	}{{59 * time.Second, 0}, {time.Second, 1}, {time.Second, 0}, {58 * time.Second, 0}, {time.Second, 1}}
	for n, step := range steps {
		i.clock.advance(step.after)
		before := i.fetches.Load()
		var flood sync.WaitGroup
		for _, token := range tokens {
			flood.Go(func() {
				if _, err := authenticate(t, v, token); !errors.Is(err, auth.ErrUnauthenticated) {
					t.Errorf("an unknown key: %v", err)
				}
			})
		}
		flood.Go(func() {
			if _, err := authenticate(t, v, known); err != nil {
				t.Errorf("the known key: %v", err)
			}
		})
		flood.Wait()
		if got := i.fetches.Load() - before; got != step.fetches {
			t.Errorf("step %d: %d fetches, want %d", n, got, step.fetches)
		}
	}
}

// One issuer's outage, and a flood in its name, is not another's.
func TestF24_IssuersDoNotShareLimits(t *testing.T) {
	t.Parallel()
	i, other := newIssuer(t), newIssuer(t)
	other.clock = i.clock
	v := i.verifier(t, auth.Config{Issuers: auth.Issuers{{Issuer: i.url}, {Issuer: other.url}}})
	other.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	if _, err := authenticate(t, v, other.signES256(t, other.header(), other.claims())); !errors.Is(err, auth.ErrKeysUnavailable) {
		t.Errorf("the one that is out: %v", err)
	}
	if _, err := authenticate(t, v, i.signES256(t, i.header(), i.claims())); err != nil {
		t.Errorf("the one that is not: %v", err)
	}
	if i.fetches.Load() != 1 || other.fetches.Load() != 1 {
		t.Errorf("%d and %d fetches", i.fetches.Load(), other.fetches.Load())
	}
}

// A key that only another issuer has is as unknown as any.
func TestA9_KeyOnlyAnotherIssuerHas(t *testing.T) {
	t.Parallel()
	i, other := newIssuer(t), newIssuer(t)
	other.clock = i.clock
	other.has(ecJWK("theirs", &other.ec.PublicKey))
	v := i.verifier(t, auth.Config{Issuers: auth.Issuers{{Issuer: i.url}, {Issuer: other.url}}})
	header := edited(i.header(), map[string]any{"kid": "theirs"})
	if p, err := authenticate(t, v, other.signES256(t, header, other.claims())); err != nil || p.Issuer != other.url {
		t.Fatalf("their own: got %+v, %v", p, err)
	}
	wantRefused(t, v, map[string]string{"theirs in our name": other.signES256(t, header, i.claims())})
}
