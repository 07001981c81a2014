package auth_test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
)

// with returns a token of the issuer's whose header or claims have one member more, or another, as raw JSON.
func (i *issuer) with(t testing.TB, part map[string]any, name, value string) string {
	t.Helper()
	raw := strings.TrimSuffix(text(t, edited(part, map[string]any{name: nil})), "}") + `,"` + name + `":` + value + "}"
	if part["alg"] != nil {
		return i.signES256(t, raw, i.claims())
	}
	return i.signES256(t, i.header(), raw)
}

func TestA3_OneSpelling(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	good := i.signES256(t, i.header(), i.claims())
	tokens := map[string]string{}
	for _, blank := range []string{"\n", "\r", "\r\n", "\v", "\u00a0", "\x00"} {
		tokens[fmt.Sprintf("%q behind", blank)] = good + blank
		tokens[fmt.Sprintf("%q before", blank)] = blank + good
		tokens[fmt.Sprintf("%q inside", blank)] = good[:len(good)-3] + blank + good[len(good)-3:]
		tokens[fmt.Sprintf("%q at a dot", blank)] = strings.Replace(good, ".", blank+".", 1)
	}
	wantRefused(t, v, tokens)
	if _, err := authenticate(t, v, good); err != nil {
		t.Error(err)
	}
}

func TestA5_LengthOfKeyID(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	longest := strings.Repeat("k", 256)
	i.has(ecJWK(longest, &i.ec.PublicKey), ecJWK(longest+"k", &i.ec.PublicKey), ecJWK("", &i.ec.PublicKey))
	v := i.verifier(t, i.config())
	if _, err := authenticate(t, v, i.with(t, i.header(), "kid", `"`+longest+`"`)); err != nil {
		t.Error(err)
	}
	wantRefused(t, v, map[string]string{"longer": i.with(t, i.header(), "kid", `"`+longest+`k"`), "empty": i.with(t, i.header(), "kid", `""`), "null": i.with(t, i.header(), "kid", "null")})
}

func TestA7_ValuesOfAnotherKind(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	tokens := map[string]string{
		"b64 true": i.with(t, i.header(), "b64", "true"), "cty null": i.with(t, i.header(), "cty", "null"), "crit null": i.with(t, i.header(), "crit", "null"), "zip null": i.with(t, i.header(), "zip", "null"),
		"header null": i.signES256(t, "null", i.claims()), "claims null": i.signES256(t, i.header(), "null"), "claims array": i.signES256(t, i.header(), "[]"),
		"bad UTF-8": i.with(t, i.claims(), "x", "\"\xff\""), "trailing bytes": i.signES256(t, i.header(), text(t, i.claims())+" x"),
	}
	for claim, values := range map[string][]string{
		"aud": {"null", "[null]", `["plant",null]`, `[["plant"]]`, `""`}, "iss": {`""`, "{}"}, "exp": {"1.8e9", "-0", "253402300800", "0" + text(t, i.claims()["exp"])},
		"nbf": {"null", "-1e300", "9223372036854775807", "[]"}, "iat": {"null", "-1e300", "9223372036854775807", "[]"},
		// What looks the same must not be another owner.
		"sub": {
			"null", `" "`, `" ada"`, `"ada "`, `"ada\u00a0"`, `"ada\u200b"`, `"ada\u202e"`, `"ada\u2028"`, `"ada\ufdd0"`, `"ada\ufeff"`, `"ada\u007f"`, `"ada\u0085"`, `"ada\u0000"`, `"ada\ud800"`,
		},
	} {
		for _, value := range values {
			tokens[claim+" "+value] = i.with(t, i.claims(), claim, value)
		}
	}
	wantRefused(t, v, tokens)
	for _, subject := range []string{"auth0|5f7c8ec7c33c6c004bbafe82", "Acme & Söhne", strings.Repeat("ä", 255)} {
		if p, err := authenticate(t, v, i.with(t, i.claims(), "sub", `"`+subject+`"`)); err != nil || p.Subject != subject || p.Owner != subject {
			t.Errorf("subject %s: got %+v, %v", subject, p, err)
		}
	}
	for _, value := range []string{"null", `["partner",1]`, `["partner",null]`, `[["partner"]]`, `["partner","partner"]`, `["service"]`} {
		if p, err := authenticate(t, v, i.with(t, i.claims(), "role", value)); err != nil || p.Role != "" {
			t.Errorf("role %s: got %+v, %v", value, p, err)
		}
	}
	// A user's email is none of our business, whatever its form.
	if _, err := authenticate(t, v, i.signES256(t, i.header(), edited(i.claims(), map[string]any{"email": []string{}, "email_verified": "true"}))); err != nil {
		t.Error(err)
	}
}

// However issuer or audience differ from what is trusted, the token is refused.
func TestA7_NothingButTheSame(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	rapid.Check(t, func(r *rapid.T) {
		claim := rapid.SampledFrom([]string{"iss", "aud"}).Draw(r, "claim")
		good := []rune(i.claims()[claim].(string))
		at, size := rapid.IntRange(0, len(good)-1).Draw(r, "at"), rapid.IntRange(0, 1).Draw(r, "replaced")
		other := string(good[:at]) + rapid.StringN(0, 2, -1).Draw(r, "by") + string(good[at+size:])
		if other == string(good) {
			r.Skip("the same")
		}
		if p, err := authenticate(t, v, i.signES256(t, i.header(), edited(i.claims(), map[string]any{claim: other}))); err == nil {
			r.Fatalf("%s %q is %+v", claim, other, p)
		}
	})
}

func TestA8_Leeway(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	now := i.clock.now().Unix()
	for name, members := range map[string]map[string]any{"iat a minute on": {"iat": now + 60}, "nbf a minute on": {"nbf": now + 60}, "no iat": {"iat": nil}, "last second": {"exp": now + 1}} {
		if _, err := authenticate(t, v, i.signES256(t, i.header(), edited(i.claims(), members))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestA10_ServicesExclude(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	both := i.config()
	both.Issuers[0].Algorithms = []string{"ES256"} // of users; services keep theirs
	both.Services, both.ServiceAudience = auth.Services{{Issuer: i.url, Email: "sweep@p.example"}}, "https://plant.example"
	only := both
	only.Issuers = nil
	id := edited(i.header(), map[string]any{"typ": "JWT", "alg": "RS256", "kid": "rsa"})
	service := edited(i.claims(), map[string]any{"role": nil, "aud": both.ServiceAudience, "email": "sweep@p.example", "email_verified": true})
	for name, cfg := range map[string]auth.Config{"both": both, "services only": only} {
		v := i.verifier(t, cfg)
		if p, err := authenticate(t, v, signRSA(t, i.rsa, id, service)); err != nil || p.Role != auth.Service {
			t.Errorf("%s: got %+v, %v", name, p, err)
		}
		wantRefused(t, v, map[string]string{
			"another algorithm": i.signES256(t, edited(i.header(), map[string]any{"typ": "JWT"}), service),
			"with a role":       signRSA(t, i.rsa, id, edited(service, map[string]any{"role": "governor"})),
			"with a null role":  signRSA(t, i.rsa, id, strings.TrimSuffix(text(t, service), "}")+`,"role":null}`),
			"without an email":  signRSA(t, i.rsa, id, edited(service, map[string]any{"email": nil})),
			"users', RS256":     signRSA(t, i.rsa, edited(id, map[string]any{"typ": "at+jwt"}), i.claims()),
		})
		if _, err := authenticate(t, v, i.signES256(t, i.header(), i.claims())); (err == nil) != (name == "both") {
			t.Errorf("%s: a user: %v", name, err)
		}
	}
	other := newIssuer(t) // the same account elsewhere is another
	other.clock = i.clock
	both.Issuers = append(both.Issuers, other.config().Issuers...)
	wantRefused(t, i.verifier(t, both), map[string]string{"another issuer's": signRSA(t, other.rsa, id, edited(service, map[string]any{"iss": other.url}))})
}

// A key without an algorithm is for the first configured that it fits, and one with the wrong algorithm for none.
func TestKeys_OneAlgorithmAKey(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.has(ecJWK("same", &i.ec.PublicKey), rsaJWK("same", &i.rsa.PublicKey), edited(rsaJWK("plain", &i.rsa.PublicKey), map[string]any{"alg": nil, "use": nil}),
		edited(ecJWK("wrong", &i.ec.PublicKey), map[string]any{"alg": "RS256"}), map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(public)})
	header := func(alg, kid string) map[string]any {
		return edited(i.header(), map[string]any{"alg": alg, "kid": kid})
	}
	signed := b64([]byte(text(t, header("EdDSA", "ed")))) + "." + b64([]byte(text(t, i.claims())))
	tokens := map[string]string{
		"ES256 same": i.signES256(t, header("ES256", "same"), i.claims()), "RS256 same": signRSA(t, i.rsa, header("RS256", "same"), i.claims()),
		"RS256 plain": signRSA(t, i.rsa, header("RS256", "plain"), i.claims()), "ES256 wrong": i.signES256(t, header("ES256", "wrong"), i.claims()),
		"EdDSA ed": signed + "." + b64(ed25519.Sign(private, []byte(signed))),
	}
	for algorithms, good := range map[string]string{"ES256 RS256": "ES256 same,RS256 same,RS256 plain", "PS256 RS256": "RS256 same", "EdDSA": "EdDSA ed"} {
		cfg := i.config()
		cfg.Issuers[0].Algorithms = strings.Fields(algorithms)
		v := i.verifier(t, cfg)
		for name, token := range tokens {
			if _, err := authenticate(t, v, token); (err == nil) != strings.Contains(good, name) {
				t.Errorf("%s configured, token %s: %v", algorithms, name, err)
			}
		}
	}
}

// The same as over the wire: what the server makes of the header's blanks and of the address.
func TestA11_Raw(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, i.config())
	token := i.signES256(t, i.header(), i.claims())
	const get = "GET / HTTP/1.1\r\n"
	for raw, want := range map[string]error{
		get + "Authorization:   Bearer TOKEN  \r\n":                                                          nil, // RFC 9110, 5.5: not of the value
		get + "authorization: bearer TOKEN\r\n":                                                              nil,
		get + "Authorization: Bearer\r\n TOKEN TOKEN\r\n":                                                    auth.ErrUnauthenticated,
		get + "Authorization: Bearer TOKEN\r\nauthorization: Basic x\r\n":                                    auth.ErrUnauthenticated,
		get + "Authorization:\r\nAuthorization: Bearer TOKEN\r\n":                                            auth.ErrUnauthenticated,
		"GET /?access%5Ftoken=TOKEN HTTP/1.1\r\n":                                                            auth.ErrTokenInQuery,
		"GET /?access_token=%zz HTTP/1.1\r\n":                                                                auth.ErrTokenInQuery,
		"GET /?a=1;access_token=TOKEN HTTP/1.1\r\n":                                                          auth.ErrTokenInQuery,
		"GET /?access_token=x HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\n":                                   auth.ErrTokenInQuery,
		"GET /?query=access_token&my_access_token=1&token=TOKEN HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\n": nil,
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(raw, "TOKEN", token) + "Host: plant.example\r\n\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		_, known, err := v.Authenticate(r.WithContext(t.Context()))
		if !errors.Is(err, want) || known != (want == nil) {
			t.Errorf("%q: %v, %v, want %v", raw, known, err, want)
		}
		if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("%q: the error repeats the token", raw)
		}
	}
}

func TestConfig_Strict(t *testing.T) {
	t.Parallel()
	for variable, texts := range map[string][]string{
		"AUTH_ISSUERS":  {"null", `[{"issuer":"https://a.example"}] x`, `[{"issuer":"https://a.example","audience":"plant"}]`, `[{"issuer":"https://a.example","audiences":"plant"}]`},
		"AUTH_SERVICES": {"null", "{}", `["a@example"]`, `[{"email":"a","email":"b"}]`, `[{"issuer":"https://a.example","account":"a"}]`},
	} {
		for _, text := range texts {
			if _, err := config.LoadFrom[auth.Config](t.Context(), envconfig.MapLookuper(map[string]string{variable: text})); err == nil {
				t.Errorf("%s=%s was accepted", variable, text)
			}
		}
	}
	issuer := func(i auth.Issuer) auth.Config {
		if i.Issuer == "" {
			i.Issuer = "https://a.example"
		}
		return auth.Config{Issuers: auth.Issuers{i}}
	}
	for want, cfg := range map[string]auth.Config{
		"no email":          {Services: auth.Services{{Issuer: "https://a.example"}}, ServiceAudience: "x"}, // or a token without one would be a service's
		"service e":         {Services: auth.Services{{Email: "e"}}, ServiceAudience: "x"},
		"audience is empty": issuer(auth.Issuer{Audiences: []string{"plant", ""}}),
		"the role claim":    issuer(auth.Issuer{OwnerClaim: "role"}),
		`"es256"`:           issuer(auth.Issuer{Algorithms: []string{"ES256", "es256"}}),
		"with a host":       issuer(auth.Issuer{Issuer: "https://:443"}),
		"must be https":     issuer(auth.Issuer{Issuer: "http://127.0.0.1.nip.io"}),
	} {
		if _, err := auth.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "configure auth: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("New() failed with %v, want an error about %q", err, want)
		}
	}
}
