package auth_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/waooaw/plant/shared/auth"
)

// FuzzSigned signs whatever header and claims it is given, so that what lies behind the signature is fuzzed too: nobody
// may come out but whom the claims name.
func FuzzSigned(f *testing.F) {
	i := newIssuer(f)
	cfg := i.config()
	// A fixed name, so that what was found once is found again.
	cfg.Issuers[0].JWKSURL, cfg.Issuers[0].Issuer = i.url+"/keys", "https://issuer.example"
	v := i.verifier(f, cfg)
	i.url = "https://issuer.example"
	header, claims := text(f, i.header()), text(f, i.claims())
	for _, seed := range []string{
		header, "", "null", strings.Replace(header, "ES256", "none", 1), strings.Replace(header, "at+jwt", "JWT", 1), strings.Replace(header, "{", `{"crit":["b64"],"b64":false,`, 1),
	} {
		f.Add(seed, claims)
	}
	for _, seed := range []string{
		"", "null", "{}", strings.Replace(claims, `"plant"`, `["plant"]`, 1), strings.Replace(claims, "{", `{"sub":"eve",`, 1), strings.Replace(claims, `"ada"`, `"ada\u0000"`, 1),
		strings.Replace(claims, `"partner"`, `["governor"]`, 1),
	} {
		f.Add(header, seed)
	}
	f.Fuzz(func(t *testing.T, header, claims string) {
		p, err := authenticate(t, v, i.signES256(t, header, claims))
		if err != nil {
			if p != (auth.Principal{}) || !errors.Is(err, auth.ErrUnauthenticated) || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
				t.Fatalf("%+v, %v", p, err) // the reason has to fit into an error_description (RFC 6750, 3)
			}
			return
		}
		var said map[string]any
		if err := json.Unmarshal([]byte(claims), &said); err != nil {
			t.Fatalf("accepted what is no JSON: %v", err)
		}
		exp, _ := said["exp"].(float64)
		if p.Issuer != i.url || said["iss"] != i.url || p.Subject != said["sub"] || p.Owner != p.Subject || p.Subject == "" || strings.ContainsFunc(p.Subject, unicode.IsControl) ||
			exp <= float64(i.clock.now().Unix()) || p.Role == auth.Service {
			t.Fatalf("%+v came out of %s", p, claims)
		}
	})
}
