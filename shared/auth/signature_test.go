package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512" // of the longer algorithms
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/auth"
)

// No character of a token can be another one: neither in the header and the claims, nor in the signature.
func TestA3_EveryCharacterCounts(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	good := i.signES256(t, i.header(), i.claims())
	if _, err := authenticate(t, v, good); err != nil {
		t.Fatal(err)
	}
	for at := range good {
		for _, other := range []string{"A", "B", ".", "=", ""} {
			changed := good[:at] + other + good[at+1:]
			if changed == good {
				continue
			}
			if p, err := authenticate(t, v, changed); !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("character %d as %q: got %+v, %v", at, other, p, err)
			}
		}
	}
}

// Numbers that no signature has, and other ways to write those of a good one.
func TestA3_NumbersOfSignatures(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	good := i.signES256(t, i.header(), i.claims())
	cut := strings.LastIndex(good, ".") + 1
	signature, err := base64.RawURLEncoding.DecodeString(good[cut:])
	if err != nil {
		t.Fatal(err)
	}
	n, one, zero := i.ec.Params().N, big.NewInt(1), new(big.Int)
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{"as DER": good[:cut] + b64(der), "33 bytes each": good[:cut] + b64(append(append([]byte{0}, signature[:32]...), append([]byte{0}, signature[32:]...)...))}
	for name, pair := range map[string][2]*big.Int{
		"r zero": {zero, s}, "s zero": {r, zero}, "r n": {n, s}, "s n": {r, n}, "both n": {n, n}, "one": {one, one}, "swapped": {s, r},
		"all ones": {new(big.Int).Sub(new(big.Int).Lsh(one, 256), one), s}, "r negated": {new(big.Int).Sub(n, r), s},
	} {
		tokens[name] = good[:cut] + b64(append(pair[0].FillBytes(make([]byte, 32)), pair[1].FillBytes(make([]byte, 32))...))
	}
	wantRefused(t, v, tokens)
}

// What is malformed, or asks for what is not supported, costs no fetch of keys: neither here nor there.
func TestA6_BoundedWork(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	good := i.signES256(t, i.header(), i.claims())
	cut := strings.LastIndex(good, ".") + 1
	now := i.clock.now().Unix()
	tokens := map[string]string{
		"no signature":        good[:cut],
		"padded":              good + "=",
		"spare bits":          good[:len(good)-1] + string(good[len(good)-1]+1),
		"deep header":         i.signES256(t, `{"alg":"ES256","kid":"ec","typ":"at+jwt","x":`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)+`}x`, i.claims()),
		"deep claims":         i.signES256(t, i.header(), strings.Repeat(`{"a":`, 1000)),
		"PBES2":               b64([]byte(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":1000000000,"p2s":"AA","kid":"ec"}`)) + ".AA.AA.AA.AA",
		"PBES2 as a signed":   i.signES256(t, edited(i.header(), map[string]any{"alg": "PBES2-HS512+A256KW", "p2c": 1_000_000_000, "p2s": "AA"}), i.claims()),
		"none":                i.signES256(t, edited(i.header(), map[string]any{"alg": "none"}), i.claims()),
		"HS256":               i.signES256(t, edited(i.header(), map[string]any{"alg": "HS256"}), i.claims()),
		"ES256, lower case":   i.signES256(t, edited(i.header(), map[string]any{"alg": "es256"}), i.claims()),
		"PS256":               i.signES256(t, edited(i.header(), map[string]any{"alg": "PS256", "kid": "rsa"}), i.claims()),
		"expired":             i.signES256(t, i.header(), edited(i.claims(), map[string]any{"exp": now})),
		"of tomorrow":         i.signES256(t, i.header(), edited(i.claims(), map[string]any{"nbf": now + 86_400})),
		"of another audience": i.signES256(t, i.header(), edited(i.claims(), map[string]any{"aud": "other"})),
		"of another issuer":   i.signES256(t, i.header(), edited(i.claims(), map[string]any{"iss": "https://evil.example"})),
		"of nobody":           i.signES256(t, i.header(), edited(i.claims(), map[string]any{"sub": nil})),
		"ID token":            i.signES256(t, edited(i.header(), map[string]any{"typ": "JWT"}), i.claims()),
	}
	for name, value := range map[string]any{
		"crit": []string{"b64"}, "b64": false, "zip": "DEF", "enc": "A256GCM", "cty": "JWT",
	} {
		tokens[name] = i.signES256(t, edited(i.header(), map[string]any{name: value}), i.claims())
	}
	for name, kid := range map[string]any{
		"path with a blank": "../../dev/null ", "SQL": "' or 1=1 --", "NUL": "ec\x00", "1 MB": strings.Repeat("k", 1<<20), "array": []string{"ec"}, "missing": nil, "not ASCII": "еc",
	} {
		tokens["kid "+name] = i.signES256(t, edited(i.header(), map[string]any{"kid": kid}), i.claims())
	}
	wantRefused(t, v, tokens)
	if got := i.fetches.Load(); got != 0 {
		t.Errorf("keys were fetched %d times for tokens that cannot be good", got)
		for name, token := range tokens { // which?
			before := i.fetches.Load()
			_, _ = authenticate(t, i.verifier(t, i.config()), token)
			if i.fetches.Load() != before {
				t.Logf("fetched for: %s", name)
			}
		}
	}
}

// Refusals go into logs and answers: none repeats what the caller sent.
func TestA11_ReasonsShowNoToken(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	const marker = "hunter2-marker"
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{"signature": signECDSA(t, other, i.header(), i.claims()), "not a token": marker, "two words": marker + " " + marker}
	for _, name := range []string{"alg", "kid", "typ", "crit"} {
		tokens["header "+name] = i.signES256(t, edited(i.header(), map[string]any{name: marker}), i.claims())
	}
	for _, name := range []string{"iss", "aud", "exp", "nbf", "iat"} {
		tokens["claim "+name] = i.signES256(t, i.header(), edited(i.claims(), map[string]any{name: marker}))
	}
	tokens["claim sub"] = i.signES256(t, i.header(), edited(i.claims(), map[string]any{"sub": marker + "\n"}))
	for name, token := range tokens {
		_, err := authenticate(t, v, token)
		if !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range append(strings.Split(token, "."), marker) {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s: the reason shows what was sent: %v", name, err)
			}
		}
	}
}

// The longer algorithms are good too, where they are configured, and each only with a key of its own curve.
func TestAuthenticate_LongerAlgorithms(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	cfg := i.config()
	cfg.Issuers[0].Algorithms = []string{"ES384", "ES512", "PS256", "RS512"}
	long := map[string]*ecdsa.PrivateKey{}
	curves := map[string]elliptic.Curve{"ES384": elliptic.P384(), "ES512": elliptic.P521()}
	keys := []map[string]any{edited(rsaJWK("PS256", &i.rsa.PublicKey), map[string]any{"alg": "PS256"}), edited(rsaJWK("RS512", &i.rsa.PublicKey), map[string]any{"alg": "RS512"})}
	for alg, curve := range curves {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		long[alg] = key
		keys = append(keys, edited(ecJWK(alg, &key.PublicKey), map[string]any{"crv": curve.Params().Name, "alg": nil}))
	}
	i.has(append(keys, ecJWK("ES256", &i.ec.PublicKey))...)
	v := i.verifier(t, cfg)
	sign := func(alg, kid string, hash crypto.Hash, key crypto.Signer) string {
		t.Helper()
		signed := b64([]byte(text(t, edited(i.header(), map[string]any{"alg": alg, "kid": kid})))) + "." + b64([]byte(text(t, i.claims())))
		h := hash.New()
		h.Write([]byte(signed))
		var opts crypto.SignerOpts = hash
		if alg[0] == 'P' {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
		signature, err := key.Sign(rand.Reader, h.Sum(nil), opts)
		if err != nil {
			t.Fatal(err)
		}
		if public, ok := key.Public().(*ecdsa.PublicKey); ok {
			var pair struct{ R, S *big.Int }
			if _, err := asn1.Unmarshal(signature, &pair); err != nil {
				t.Fatal(err)
			}
			size := (public.Params().BitSize + 7) / 8
			signature = append(pair.R.FillBytes(make([]byte, size)), pair.S.FillBytes(make([]byte, size))...)
		}
		return signed + "." + b64(signature)
	}
	for name, token := range map[string]string{
		"ES384": sign("ES384", "ES384", crypto.SHA384, long["ES384"]), "ES512": sign("ES512", "ES512", crypto.SHA512, long["ES512"]),
		"PS256": sign("PS256", "PS256", crypto.SHA256, i.rsa), "RS512": sign("RS512", "RS512", crypto.SHA512, i.rsa),
	} {
		if _, err := authenticate(t, v, token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantRefused(t, v, map[string]string{
		"ES256, not configured":   i.signES256(t, edited(i.header(), map[string]any{"kid": "ES256"}), i.claims()),
		"RS256, not configured":   signRSA(t, i.rsa, edited(i.header(), map[string]any{"alg": "RS256", "kid": "RS512"}), i.claims()),
		"PS256's key for RS512":   sign("RS512", "PS256", crypto.SHA512, i.rsa),
		"ES384's key for ES512":   sign("ES512", "ES384", crypto.SHA512, long["ES512"]),
		"RS512 with a PSS's hash": sign("RS512", "RS512", crypto.SHA256, i.rsa),
	})
}

// An expiry is a whole number of seconds that is to come, and nothing else.
func TestA8_AnyExpiry(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	now := i.clock.now().Unix()
	rapid.Check(t, func(r *rapid.T) {
		exp := rapid.OneOf(rapid.Int64(), rapid.Int64Range(now-3, now+3), rapid.Int64Range(253_402_300_797, 253_402_300_802)).Draw(r, "exp")
		_, err := authenticate(t, v, i.signES256(t, i.header(), edited(i.claims(), map[string]any{"exp": exp})))
		if want := exp > now && exp <= 253_402_300_799; (err == nil) != want || err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			r.Fatalf("exp %d: %v, want it good: %v", exp, err, want)
		}
	})
}

func TestContext_CarriesThePrincipal(t *testing.T) {
	t.Parallel()
	if p, ok := auth.FromContext(t.Context()); ok || p != (auth.Principal{}) {
		t.Errorf("nobody is %+v", p)
	}
	want := auth.Principal{Issuer: "i", Subject: "s", Owner: "o", Role: auth.Partner}
	got, ok := auth.FromContext(auth.WithPrincipal(t.Context(), want))
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("%v, %s", ok, diff)
	}
}

// A4 with addresses that answer: nothing of the header is asked, though the key there would fit.
func TestA4_AddressesThatAnswer(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	evil := newIssuer(t)
	evil.has(ecJWK("ec", &own.PublicKey), ecJWK("evil", &own.PublicKey))
	seen := make(chan string, 100)
	catch := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.URL.Path }))
	t.Cleanup(catch.Close)
	all := map[string]any{
		"jku": evil.url + "/keys", "x5u": catch.URL + "/x5u", "jwk": ecJWK("ec", &own.PublicKey), "iss": evil.url, "url": catch.URL + "/url", "jwks_uri": evil.url + "/keys",
	}
	tokens := map[string]string{}
	for _, kid := range []string{"ec", "evil", evil.url + "/keys", catch.URL} {
		for name, value := range all {
			tokens[name+" "+kid] = signECDSA(t, own, edited(i.header(), map[string]any{name: value, "kid": kid}), i.claims())
		}
		members := maps.Clone(all)
		members["kid"] = kid
		tokens["all "+kid] = signECDSA(t, own, edited(i.header(), members), edited(i.claims(), map[string]any{"jku": all["jku"], "jwks_uri": all["jku"], "_claim_names": map[string]any{"role": "src"}, "_claim_sources": map[string]any{"src": map[string]any{"endpoint": catch.URL + "/claims"}}}))
	}
	wantRefused(t, v, tokens)
	// Claims that are elsewhere (OpenID Connect Core 1.0, 5.6.2) are not fetched even of a good token, and give no role.
	if p, err := authenticate(t, v, i.signES256(t, i.header(), edited(i.claims(), map[string]any{
		"role": nil, "_claim_names": map[string]any{"role": "src"}, "_claim_sources": map[string]any{"src": map[string]any{"endpoint": catch.URL + "/claims"}},
	}))); err != nil || p.Role != "" {
		t.Errorf("claims elsewhere: got %+v, %v", p, err)
	}
	if got := evil.fetches.Load(); got != 0 || len(seen) != 0 {
		t.Errorf("%d fetches of the attacker's keys, %d other calls", got, len(seen))
	}
}
