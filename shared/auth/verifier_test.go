package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/auth"
)

func TestAuthenticate_GoodTokens(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	rsaHeader := edited(i.header(), map[string]any{"alg": "RS256", "kid": "rsa"})
	want := auth.Principal{Issuer: i.url, Subject: "ada", Owner: "ada", Role: auth.Partner}
	tests := map[string]string{
		"ES256":                   i.signES256(t, i.header(), i.claims()),
		"RS256":                   signRSA(t, i.rsa, rsaHeader, i.claims()),
		"long type":               i.signES256(t, edited(i.header(), map[string]any{"typ": "application/at+jwt"}), i.claims()),
		"several audiences":       i.signES256(t, i.header(), edited(i.claims(), map[string]any{"aud": []string{"other", "plant"}})),
		"one role of several":     i.signES256(t, i.header(), edited(i.claims(), map[string]any{"role": []string{"offline_access", "partner"}})),
		"issued half a minute on": i.signES256(t, i.header(), edited(i.claims(), map[string]any{"iat": i.clock.now().Unix() + 30})),
	}
	for name, token := range tests {
		if got, err := authenticate(t, v, token); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for name, role := range map[string]any{"none": nil, "unknown": "superuser", "two": []string{"partner", "governor"}, "number": 1, "service": "service", "case": "Partner", "object": map[string]any{}} {
		got, err := authenticate(t, v, i.signES256(t, i.header(), edited(i.claims(), map[string]any{"role": role})))
		if err != nil || got.Role != "" {
			t.Errorf("role %s: got %+v, %v", name, got, err)
		}
	}
	if p, known, err := v.Authenticate(request(t)); known || err != nil || p != (auth.Principal{}) {
		t.Errorf("no token: %v, %v, %v", p, known, err)
	}
	if got := i.fetches.Load(); got != 1 {
		t.Errorf("the keys were fetched %d times", got)
	}
}

func TestClaims_AreConfiguration(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	cfg := auth.Config{Issuers: auth.Issuers{{Issuer: i.url, JWKSURL: i.url + "/keys", Audiences: []string{"a", "b"}, RoleClaim: "https://x/role", OwnerClaim: "org"}}}
	v := i.verifier(t, cfg)
	claims := edited(i.claims(), map[string]any{"aud": "b", "https://x/role": "governor", "role": "customer", "org": "acme"})
	want := auth.Principal{Issuer: i.url, Subject: "ada", Owner: "acme", Role: auth.Governor}
	if got, err := authenticate(t, v, i.signES256(t, i.header(), claims)); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	wantRefused(t, v, map[string]string{
		"no owner":    i.signES256(t, i.header(), edited(claims, map[string]any{"org": nil})),
		"owner list":  i.signES256(t, i.header(), edited(claims, map[string]any{"org": []string{"acme"}})),
		"blank owner": i.signES256(t, i.header(), edited(claims, map[string]any{"org": ""})),
	})
}

func TestA1_AlgNone(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	tokens := map[string]string{}
	for _, alg := range []string{"none", "None", "nOnE", "NONE", "", " none"} {
		header := edited(i.header(), map[string]any{"alg": alg})
		unsigned := b64([]byte(text(t, header))) + "." + b64([]byte(text(t, i.claims()))) + "."
		tokens["unsigned "+alg] = unsigned
		tokens["signed "+alg] = i.signES256(t, header, i.claims())
		tokens["two parts "+alg] = strings.TrimSuffix(unsigned, ".")
	}
	good := i.signES256(t, i.header(), i.claims())
	tokens["cut signature"] = good[:strings.LastIndex(good, ".")+1]
	tokens["no algorithm"] = i.signES256(t, edited(i.header(), map[string]any{"alg": nil}), i.claims())
	wantRefused(t, v, tokens)
}

func TestA2_PublicKeyAsSecret(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	der, err := x509.MarshalPKIXPublicKey(&i.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"PKCS #1": x509.MarshalPKCS1PublicKey(&i.rsa.PublicKey), "JWK": []byte(text(t, rsaJWK("rsa", &i.rsa.PublicKey))), "modulus": i.rsa.N.Bytes(), "empty": {},
	}
	tokens := map[string]string{}
	for name, secret := range secrets {
		for _, kid := range []string{"rsa", "ec"} {
			tokens[name+kid] = signHMAC(t, secret, edited(i.header(), map[string]any{"alg": "HS256", "kid": kid}), i.claims())
			tokens[name+kid+"as RS256"] = signHMAC(t, secret, edited(i.header(), map[string]any{"alg": "RS256", "kid": kid}), i.claims())
		}
	}
	wantRefused(t, v, tokens)
	if _, err := auth.New(auth.Config{Issuers: auth.Issuers{{Issuer: i.url, Algorithms: []string{"HS256"}}}}); err == nil {
		t.Error("a symmetric algorithm was configured")
	}
}

func TestA3_OtherKeysAndSignatures(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024) // Go makes one only because forge_test.go asks it to
	if err != nil {
		t.Fatal(err)
	}
	weakJWK := rsaJWK("weak", &weak.PublicKey)
	i.has(ecJWK("ec", &i.ec.PublicKey), rsaJWK("rsa", &i.rsa.PublicKey), weakJWK, edited(ecJWK("enc", &i.ec.PublicKey), map[string]any{"use": "enc"}),
		edited(ecJWK("384", &i.ec.PublicKey), map[string]any{"alg": "ES384"}))
	v := i.verifier(t, i.config())
	good := i.signES256(t, i.header(), i.claims())
	signed := good[:strings.LastIndex(good, ".")+1]
	header := func(alg, kid string) map[string]any {
		return edited(i.header(), map[string]any{"alg": alg, "kid": kid})
	}
	wantRefused(t, v, map[string]string{
		"another key":               signECDSA(t, other, i.header(), i.claims()),
		"EC key named RSA":          i.signES256(t, header("RS256", "ec"), i.claims()),
		"RSA key named EC":          signRSA(t, i.rsa, header("ES256", "rsa"), i.claims()),
		"EC signature, RSA's kid":   i.signES256(t, header("ES256", "rsa"), i.claims()),
		"zero r and s":              signed + b64(make([]byte, 64)),
		"empty signature":           signed + b64(nil),
		"short signature":           signed + b64(make([]byte, 63)),
		"long signature":            good + "AA",
		"padded":                    good + "==",
		"standard base64":           signed + strings.Repeat("+", 86),
		"spare bits":                good[:len(good)-1] + string(good[len(good)-1]+1),
		"weak RSA key":              signRSA(t, weak, header("RS256", "weak"), i.claims()),
		"key for encryption":        i.signES256(t, header("ES256", "enc"), i.claims()),
		"key for another algorithm": i.signES256(t, header("ES256", "384"), i.claims()),
		"algorithm not allowed":     i.signES256(t, header("ES384", "384"), i.claims()),
		"changed claims":            b64([]byte(text(t, i.header()))) + "." + b64([]byte(text(t, edited(i.claims(), map[string]any{"role": "governor"})))) + good[strings.LastIndex(good, "."):],
	})
}

func TestA4_KeysOfTheHeaderAreNotUsed(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	var calls int
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
	t.Cleanup(evil.Close)
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{}
	for name, value := range map[string]any{"jwk": ecJWK("ec", &own.PublicKey), "jku": evil.URL, "x5u": evil.URL, "x5t": "abc"} {
		tokens[name] = signECDSA(t, own, edited(i.header(), map[string]any{name: value}), i.claims())
		// The same with the right signature is good: the header is not looked at.
		if _, err := authenticate(t, v, i.signES256(t, edited(i.header(), map[string]any{name: value}), i.claims())); err != nil {
			t.Errorf("%s, signed well: %v", name, err)
		}
	}
	tokens["x5c"] = signECDSA(t, own, edited(i.header(), map[string]any{"x5c": []string{"MIIB"}}), i.claims())
	wantRefused(t, v, tokens)
	if calls != 0 {
		t.Errorf("%d calls to an address of the token's", calls)
	}
}

func TestA5_KeyID(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	tokens := map[string]string{"duplicate": i.signES256(t, `{"alg":"ES256","kid":"ec","kid":"ec","typ":"at+jwt"}`, i.claims())}
	for name, kid := range map[string]any{
		"path": "../../dev/null", "SQL": "' or 1=1 --", "NUL": "ec\x00", "long": strings.Repeat("k", 1<<20), "array": []string{"ec"}, "number": 1, "missing": nil, "empty": "", "object": map[string]any{}, "unknown": "zz", "space": "e c",
	} {
		tokens[name] = i.signES256(t, edited(i.header(), map[string]any{"kid": kid}), i.claims())
	}
	wantRefused(t, v, tokens)
	if got := i.fetches.Load(); got != 1 {
		t.Errorf("the keys were fetched %d times", got)
	}
}

func TestA6_WhatIsNotSupported(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	good := i.signES256(t, i.header(), i.claims())
	tokens := map[string]string{
		"JWE":              strings.Repeat(b64([]byte(`{"alg":"dir","enc":"A128GCM"}`))+".", 4) + "AA",
		"PBES2":            b64([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":1000000000,"p2s":"AA"}`)) + ".AA.AA.AA.AA",
		"nested":           i.signES256(t, edited(i.header(), map[string]any{"cty": "JWT"}), i.claims()),
		"token in a token": i.signES256(t, i.header(), `"`+good+`"`),
		"JSON form":        `{"payload":"` + strings.Split(good, ".")[1] + `"}`,
		"too long":         i.signES256(t, i.header(), edited(i.claims(), map[string]any{"x": strings.Repeat("x", 9000)})),
	}
	for name, value := range map[string]any{"crit": []string{"exp"}, "b64": false, "zip": "DEF", "enc": "A128GCM", "cty": ""} {
		tokens[name] = i.signES256(t, edited(i.header(), map[string]any{name: value}), i.claims())
	}
	for _, parts := range []string{"", ".", "..", "...", "a", "a.b.c", "a.b.c.d", "....."} {
		tokens["parts "+parts] = "x" + parts
	}
	wantRefused(t, v, tokens)
}

func TestA7_IssuerAndAudience(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	tokens := map[string]string{
		"duplicate issuer": i.signES256(t, i.header(), strings.Replace(text(t, i.claims()), "{", `{"iss":"https://x.example",`, 1)),
		"duplicate role":   i.signES256(t, i.header(), strings.Replace(text(t, i.claims()), "{", `{"role":"governor",`, 1)),
		"wrong case":       i.signES256(t, i.header(), edited(i.claims(), map[string]any{"iss": nil, "ISS": i.url})),
	}
	for name, value := range map[string]any{
		"array": []string{i.url}, "number": 1, "missing": nil, "slash": i.url + "/", "case": strings.ToUpper(i.url), "prefix": i.url[:len(i.url)-1],
		"longer": i.url + ".evil.example", "look-alike": strings.Replace(i.url, "h", "һ", 1), "null": json.RawMessage("null"),
	} {
		tokens["issuer "+name] = i.signES256(t, i.header(), edited(i.claims(), map[string]any{"iss": value}))
	}
	for name, value := range map[string]any{
		"other": "other", "case": "Plant", "prefix": "plan", "longer": "plants", "slash": "plant/", "number": 1, "missing": nil, "empty": []string{}, "mixed": []any{"plant", 1},
		"object": map[string]any{"plant": true}, "look-alike": "рlant", "list in a string": `["plant"]`,
	} {
		tokens["audience "+name] = i.signES256(t, i.header(), edited(i.claims(), map[string]any{"aud": value}))
	}
	for name, value := range map[string]any{"missing": nil, "empty": "", "number": 1, "long": strings.Repeat("s", 256), "control": "a\nb"} {
		tokens["subject "+name] = i.signES256(t, i.header(), edited(i.claims(), map[string]any{"sub": value}))
	}
	wantRefused(t, v, tokens)
}

func TestA8_Times(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	now := i.clock.now().Unix()
	tokens := map[string]string{}
	for name, value := range map[string]any{
		"past": now - 1, "now": now, "missing": nil, "string": "4000000000", "float": float64(now) + 3600.5, "huge": json.RawMessage("1e300"), "beyond time": int64(9e18),
		"negative": -1, "null": json.RawMessage("null"), "true": true,
	} {
		tokens["exp "+name] = i.signES256(t, i.header(), edited(i.claims(), map[string]any{"exp": value}))
	}
	for _, claim := range []string{"nbf", "iat"} {
		for name, value := range map[string]any{"future": now + 61, "string": "1", "float": 1.5} {
			tokens[claim+" "+name] = i.signES256(t, i.header(), edited(i.claims(), map[string]any{claim: value}))
		}
	}
	wantRefused(t, v, tokens)
}

func TestA9_KeysOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	i, other := newIssuer(t), newIssuer(t)
	other.clock = i.clock
	other.has(ecJWK("shared", &other.ec.PublicKey))
	i.has(ecJWK("shared", &i.ec.PublicKey))
	v := i.verifier(t, auth.Config{Issuers: auth.Issuers{{Issuer: i.url}, {Issuer: other.url}}})
	header := edited(i.header(), map[string]any{"kid": "shared"})
	for _, good := range []string{i.signES256(t, header, i.claims()), other.signES256(t, header, other.claims())} {
		if _, err := authenticate(t, v, good); err != nil {
			t.Error(err)
		}
	}
	wantRefused(t, v, map[string]string{
		"other's key, our name": other.signES256(t, header, i.claims()),
		"our key, other's name": i.signES256(t, header, other.claims()),
	})
}

func TestA10_KindsOfToken(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	cfg := i.config()
	cfg.Services = auth.Services{{Issuer: i.url, Email: "sweep@p.example"}}
	cfg.ServiceAudience = "https://plant.example/internal"
	v := i.verifier(t, cfg)
	id := edited(i.header(), map[string]any{"typ": "JWT", "alg": "RS256", "kid": "rsa"})
	service := edited(i.claims(), map[string]any{"role": nil, "aud": cfg.ServiceAudience, "email": "sweep@p.example", "email_verified": true})
	want := auth.Principal{Issuer: i.url, Subject: "ada", Owner: "ada", Role: auth.Service}
	if got, err := authenticate(t, v, signRSA(t, i.rsa, id, service)); err != nil || got != want {
		t.Errorf("service: got %+v, %v", got, err)
	}
	wantRefused(t, v, map[string]string{
		"ID token":                        signRSA(t, i.rsa, id, i.claims()),
		"no type":                         i.signES256(t, edited(i.header(), map[string]any{"typ": nil}), i.claims()),
		"refresh token":                   i.signES256(t, edited(i.header(), map[string]any{"typ": "Refresh"}), i.claims()),
		"logout token":                    i.signES256(t, edited(i.header(), map[string]any{"typ": "logout+jwt"}), i.claims()),
		"service as user":                 i.signES256(t, i.header(), service),
		"service, users' audience":        signRSA(t, i.rsa, id, edited(service, map[string]any{"aud": "plant"})),
		"service, two audiences":          signRSA(t, i.rsa, id, edited(service, map[string]any{"aud": []string{cfg.ServiceAudience, "x"}})),
		"service, not listed":             signRSA(t, i.rsa, id, edited(service, map[string]any{"email": "other@p.example"})),
		"service, address not verified":   signRSA(t, i.rsa, id, edited(service, map[string]any{"email_verified": false})),
		"service, verified as a string":   signRSA(t, i.rsa, id, edited(service, map[string]any{"email_verified": "true"})),
		"user's token claims the account": i.signES256(t, i.header(), edited(service, map[string]any{"role": "service"})),
	})
}

func TestA11_OneBearerHeader(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	token := i.signES256(t, i.header(), i.claims())
	for _, good := range []string{"Bearer " + token, "bearer " + token, "BEARER " + token} {
		if _, known, err := v.Authenticate(request(t, good)); !known || err != nil {
			t.Errorf("%.10s…: %v, %v", good, known, err)
		}
	}
	for name, headers := range map[string][]string{
		"two": {"Bearer " + token, "Bearer " + token}, "two spaces": {"Bearer  " + token}, "tab": {"Bearer\t" + token}, "space behind": {"Bearer " + token + " "}, "no scheme": {token},
		"basic": {"Basic YTpi"}, "empty": {""}, "scheme alone": {"Bearer"}, "nothing behind": {"Bearer "}, "list": {"Bearer " + token + ",Bearer " + token}, "digest": {`Digest username="a"`},
	} {
		if _, known, err := v.Authenticate(request(t, headers...)); known || !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: %v, %v", name, known, err)
		}
	}
	for name, target := range map[string]string{"query": "/?access_token=" + token, "empty": "/?access_token=", "escaped": "/?a=b&access_token=x"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		if _, _, err := v.Authenticate(r); !errors.Is(err, auth.ErrTokenInQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("access_token="+token))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Cookie", "access_token="+token+"; Authorization=Bearer "+token)
	if _, known, err := v.Authenticate(r); known || err != nil {
		t.Errorf("form and cookie: %v, %v", known, err)
	}
}

func FuzzAuthenticate(f *testing.F) {
	i := newIssuer(f)
	v := i.verifier(f, i.config())
	good := i.signES256(f, i.header(), i.claims())
	for _, seed := range []string{good, good[:40], "a.b.c", "..", "eyJhbGciOiJub25lIn0..", strings.Repeat("A.", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if p, err := authenticate(t, v, token); err == nil && token != good {
			t.Errorf("%q is %+v", token, p)
		}
	})
}

func TestPrincipal_Can(t *testing.T) {
	t.Parallel()
	all := []auth.Role{auth.Customer, auth.Partner, auth.Governor, auth.Service}
	tests := map[auth.Role][]auth.Role{
		auth.Customer: {auth.Customer}, auth.Partner: {auth.Partner}, auth.Governor: {auth.Customer, auth.Partner, auth.Governor}, auth.Service: {auth.Service}, "": nil, "root": nil,
	}
	for role, want := range tests {
		var got []auth.Role
		for _, needed := range all {
			if (auth.Principal{Role: role}).Can(needed) {
				got = append(got, needed)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", role, diff)
		}
	}
	if (auth.Principal{}).Can("") || (auth.Principal{Role: auth.Partner}).Can() {
		t.Error("nothing is enough")
	}
}
