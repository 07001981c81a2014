package auth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waooaw/plant/shared/auth"
)

// Slowness is tested in a bubble whose time passes by itself; what is left running at its end is an error.

// wire is an issuer without a network: it answers after a while.
type wire struct {
	*issuer
	after    time.Duration
	document string // of discovery
	asked    int
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.asked++
	answer := w.document
	if strings.HasSuffix(r.URL.Path, "/keys") {
		w.fetches.Add(1)
		answer = `{"keys":[` + `{"kty":"EC","crv":"P-256","kid":"ec","alg":"ES256","x":"` + ecJWK("", &w.ec.PublicKey)["x"].(string) + `","y":"` + ecJWK("", &w.ec.PublicKey)["y"].(string) + `"}]}`
	}
	select {
	case <-time.After(w.after):
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// newWire returns the issuer of a URL, which the verifier trusts. The test moves its clock with the bubble's.
func newWire(t *testing.T, i *issuer, url, document string) (*wire, *auth.Verifier) {
	t.Helper()
	w := &wire{issuer: &issuer{url: url, ec: i.ec, rsa: i.rsa, clock: &clock{}}, document: document}
	w.clock.seconds.Store(time.Now().Unix())
	v, err := auth.New(w.config(), auth.WithClient(&http.Client{Transport: w}))
	if err != nil {
		t.Fatal(err)
	}
	return w, v
}

const elsewhere, here = "https://issuer.example", "http://localhost:8080"

func TestF23_Slow(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		w, v := newWire(t, i, elsewhere, `{"issuer":"https://issuer.example","jwks_uri":"https://keys.example/keys"}`)
		try := func(want error, atMost time.Duration) {
			t.Helper()
			w.clock.seconds.Store(time.Now().Unix())
			start := time.Now()
			if _, err := authenticate(t, v, w.signES256(t, w.header(), w.claims())); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			if took := time.Since(start); took > atMost {
				t.Errorf("a caller waited %v", took)
			}
		}
		w.after = time.Hour
		try(auth.ErrKeysUnavailable, 5*time.Second)
		w.after = 2 * time.Second
		time.Sleep(time.Second)
		try(nil, 4*time.Second)
		// Keys that are known keep nobody waiting but the one who fetches them anew, and that one not for long.
		w.after = time.Hour
		time.Sleep(11 * time.Minute)
		done := make(chan struct{})
		go func() {
			defer close(done)
			try(nil, 5*time.Second)
		}()
		synctest.Wait()
		try(nil, 0)
		<-done
	})
}

// The first who asks goes away; the fetch goes on for those who stay.
func TestF23_CallerGoesAway(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		w, v := newWire(t, i, elsewhere, `{"issuer":"https://issuer.example","jwks_uri":"https://keys.example/keys"}`)
		w.after = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		token := w.signES256(t, w.header(), w.claims())
		if _, _, err := v.Authenticate(request(t, "Bearer "+token).WithContext(ctx)); !errors.Is(err, auth.ErrKeysUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the first: %v", err)
		}
		start := time.Now()
		if _, err := authenticate(t, v, token); err != nil || time.Since(start) != 1900*time.Millisecond || w.asked != 2 {
			t.Errorf("the second, after %v and %d requests: %v", time.Since(start), w.asked, err)
		}
	})
}

// Of a document that is not the issuer's own, or points where no keys may come from, nothing is fetched, even though
// good keys are there.
func TestF23_WhereKeysMayBe(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for name, test := range map[string]struct {
		issuer, document string
		want             bool
	}{
		"another host":              {elsewhere, `{"issuer":"https://issuer.example","jwks_uri":"https://keys.example/keys"}`, true},
		"this machine, from itself": {here, `{"issuer":"http://localhost:8080","jwks_uri":"http://127.0.0.1:8081/keys"}`, true},
		"this machine":              {elsewhere, `{"issuer":"https://issuer.example","jwks_uri":"http://127.0.0.1:8080/keys"}`, false},
		"plain http":                {here, `{"issuer":"http://localhost:8080","jwks_uri":"http://keys.example/keys"}`, false},
		"metadata server":           {here, `{"issuer":"http://localhost:8080","jwks_uri":"http://169.254.169.254/keys"}`, false},
		"with a password":           {elsewhere, `{"issuer":"https://issuer.example","jwks_uri":"https://a:b@keys.example/keys"}`, false},
		"another issuer's":          {elsewhere, `{"issuer":"https://eve.example","jwks_uri":"https://keys.example/keys"}`, false},
		"issuer twice":              {elsewhere, `{"issuer":"https://eve.example","issuer":"https://issuer.example","jwks_uri":"https://keys.example/keys"}`, false},
		"nobody's":                  {elsewhere, `{"jwks_uri":"https://keys.example/keys"}`, false},
		"trailing slash":            {elsewhere, `{"issuer":"https://issuer.example/","jwks_uri":"https://keys.example/keys"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, v := newWire(t, i, test.issuer, test.document)
				_, err := authenticate(t, v, w.signES256(t, w.header(), w.claims()))
				if got := w.fetches.Load() > 0; got != test.want || (err == nil) != test.want || err != nil && !errors.Is(err, auth.ErrKeysUnavailable) {
					t.Errorf("keys were fetched: %v, want %v; %v", got, test.want, err)
				}
			})
		})
	}
}

// The longest document that may be is read, and one byte more is too much.
func TestF23_Size(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	set := text(t, map[string]any{"keys": i.keys})
	size := 256<<10 + 1
	i.answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, set+strings.Repeat(" ", size-len(set)))
	})
	token := i.signES256(t, i.header(), i.claims())
	if _, err := authenticate(t, v, token); !errors.Is(err, auth.ErrKeysUnavailable) {
		t.Errorf("%d bytes: %v", size, err)
	}
	size--
	i.clock.advance(time.Second)
	if _, err := authenticate(t, v, token); err != nil {
		t.Errorf("%d bytes: %v", size, err)
	}
}

// What the issuer cannot be asked about is not the caller's fault, and the error says what the issuer did.
func TestF23_UnknownKeyMeanwhile(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	known := i.signES256(t, i.header(), i.claims())
	unknown := i.signES256(t, edited(i.header(), map[string]any{"kid": "next"}), i.claims())
	try := func(token string, want error) {
		t.Helper()
		if _, err := authenticate(t, v, token); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	try(known, nil)
	i.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	try(unknown, auth.ErrUnauthenticated) // the issuer has just said that it has no such key
	i.clock.advance(time.Minute)
	try(known, nil)
	if _, err := authenticate(t, v, unknown); !errors.Is(err, auth.ErrKeysUnavailable) || !strings.Contains(err.Error(), "502") || !strings.Contains(err.Error(), i.url) {
		t.Errorf("got %v, want ErrKeysUnavailable that names the issuer and its answer", err)
	}
	i.answers(nil)
	i.clock.advance(time.Minute)
	try(unknown, auth.ErrUnauthenticated)
}

// A key that is withdrawn is good no longer than keys are fresh.
func TestF24_Withdrawal(t *testing.T) {
	t.Parallel()
	i, other := newIssuer(t), newIssuer(t)
	v := i.verifier(t, i.config())
	token := i.signES256(t, i.header(), i.claims())
	again := signECDSA(t, other.ec, i.header(), i.claims())
	if _, err := authenticate(t, v, token); err != nil {
		t.Fatal(err)
	}
	i.has(ecJWK("ec", &other.ec.PublicKey)) // the same name, another key
	i.clock.advance(10*time.Minute - time.Second)
	if _, err := authenticate(t, v, token); err != nil {
		t.Error(err)
	}
	i.clock.advance(time.Second)
	wantRefused(t, v, map[string]string{"withdrawn": token})
	if _, err := authenticate(t, v, again); err != nil {
		t.Error(err)
	}
}
