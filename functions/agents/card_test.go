package agents

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// oddCard is a card as nobody would print it: blanks and line breaks of its own, names in no order, escapes that need not
// be, text that is not in NFC, numbers with more digits than they need, and members that the standard does not know.
const oddCard = "{ \"version\" :\t\"1.0.0\",\n \"skills\": [ {\"tags\":[\"a\\/b\"],\"id\":\"s\" , \"description\":\"caf\\u0065\\u0301 e\u0301\",\"name\":\"S\"} ],\n" +
	"  \"name\":\"Odd\", \"description\": \"\\ud83d\\ude00 <b>&amp;</b>\", \"url\": \"https://a.example\", \"protocolVersion\":\"0.3.0\",\n" +
	"  \"capabilities\":{\"streaming\":true,\"extensions\":[{\"uri\":\"https://x.example/e\",\"params\":{\"n\":1.0,\"m\":1E2,\"z\":-0.0,\"nothing\":null}}]},\n" +
	"  \"defaultOutputModes\":[\"text/plain\"],\"defaultInputModes\":[\"text/plain\"],\n" +
	"  \"supportedInterfaces\":[{\"protocolVersion\":\"1.0\",\"url\":\"https://a.example/a2a\",\"protocolBinding\":\"JSONRPC\"}],\n" +
	"  \"securitySchemes\":{\"o\":{\"oauth2SecurityScheme\":{\"flows\":{\"clientCredentials\":{\"tokenUrl\":\"https://a.example/t\",\"scopes\":{\"r\":\"read\"}}}}},\"k\":{\"apiKeySecurityScheme\":{\"location\":\"header\",\"name\":\"X-Key\"}}},\n" +
	"  \"securityRequirements\":[{\"schemes\":{\"o\":[\"r\"],\"k\":{\"list\":[]}}}],\n" +
	"  \"signatures\":[{\"protected\":\"eyJhbGciOiJFUzI1NiJ9\",\"signature\":\"c2ln\",\"header\":{\"kid\":\"1\"}}] }"

func TestCard_ByteExact(t *testing.T) {
	t.Parallel()
	s := start(t)
	created := s.Do(t, "POST", "/api/v1/agents", s.ada, with("card", oddCard), apitest.Header{Name: "Idempotency-Key", Value: "k"}).Want(t, http.StatusCreated)
	path := created.Header.Get("Location")
	read := s.Do(t, "GET", path+"/card", "", "").Want(t, http.StatusOK)
	if diff := cmp.Diff(oddCard, read.Body); diff != "" {
		t.Errorf("a card came back otherwise: %s", diff)
	}
	tag := read.Header.Get("ETag")
	if got := read.Header.Get("Content-Type"); got != "application/json" || !strings.HasPrefix(tag, `"1.`) {
		t.Errorf("Content-Type %q, ETag %q", got, tag)
	}
	if got := s.Do(t, "GET", path+"/card", "", "", apitest.Header{Name: "If-None-Match", Value: tag}); got.Status != http.StatusNotModified || got.Body != "" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if got := s.Do(t, "HEAD", path+"/card", "", ""); got.Status != http.StatusOK || got.Header.Get("ETag") != tag || got.Body != "" {
		t.Errorf("HEAD: %d %v", got.Status, got.Header)
	}

	other := strings.Replace(oddCard, `"Odd"`, `"Odder"`, 1)
	s.Do(t, "PATCH", path, s.ada, `{"card": `+other+` }`).Want(t, http.StatusOK)
	changed := s.Do(t, "GET", path+"/card", "", "").Want(t, http.StatusOK)
	if changed.Body != other || changed.Header.Get("ETag") == tag {
		t.Errorf("changed: ETag %s, %s", changed.Header.Get("ETag"), changed.Body)
	}
	s.Do(t, "PUT", path, s.ada, `{"name":"Other"}`).Want(t, http.StatusOK) // what is not sent stays
	if kept := s.Do(t, "GET", path+"/card", "", "").Body; kept != other {
		t.Errorf("a PUT of a name made the card %s", kept)
	}
	s.Do(t, "PUT", path, s.ada, `{"card":null}`).Want(t, http.StatusOK)
	if made := apitest.Decode[a2a.AgentCard](t, s.Do(t, "GET", path+"/card", "", "").Want(t, http.StatusOK)); made.Name != "Other" {
		t.Errorf("after the card was removed: %+v", made)
	}
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "GET", path+"/card", "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	s.Do(t, "GET", "/api/v1/agents/none/card", "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")

	batch := apitest.Decode[batchResults](t, s.Do(t, "POST", "/api/v1/agents/batch", s.ada, `{"agents":[ `+with("card", oddCard)+` , `+with("card", `{"name":""}`)+`]}`).Want(t, http.StatusOK))
	if batch.Results[0].Status != http.StatusCreated || batch.Results[1].Status != http.StatusUnprocessableEntity {
		t.Fatalf("batch: %+v", batch)
	}
	if got := s.Do(t, "GET", "/api/v1/agents/"+batch.Results[0].ID.String()+"/card", "", "").Body; got != oddCard {
		t.Errorf("of a batch: %s", got)
	}
}

// What Plant makes has all that a card needs, whatever the agent has: a partner could send it as it is.
func TestCard_Made(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill := s.skill(t, "Listening")
	for name, draft := range map[string]string{"with skills": with("skill_ids", fmt.Sprintf(`[%q]`, skill)), "without": writer} {
		path := s.path(t, draft)
		answer := s.Do(t, "GET", path+"/card", "", "").Want(t, http.StatusOK)
		made := apitest.Decode[a2a.AgentCard](t, answer)
		want := a2a.AgentCard{
			Name: "Campaign Writer", Description: "Content writing", Version: "1", DocumentationURL: apitest.PublicURL + path,
			SupportedInterfaces: []*a2a.AgentInterface{{URL: apitest.PublicURL + path, ProtocolBinding: "urn:plant:hire:1", ProtocolVersion: "1.0"}},
			DefaultInputModes:   []string{"text/plain"}, DefaultOutputModes: []string{"text/plain"},
			Provider: &a2a.AgentProvider{Org: "ada", URL: apitest.PublicURL + "/api/v1/agents?owner=ada"},
			Skills:   []a2a.AgentSkill{{ID: "specialization", Name: "Content writing", Description: "Content writing", Tags: []string{"marketing"}}},
		}
		if name == "with skills" {
			want.Skills = []a2a.AgentSkill{{ID: skill.String(), Name: "Listening", Description: "Listening", Tags: []string{"technical"}}}
		}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(answer.Header.Get("ETag"), s.Do(t, "GET", path+"/card", "", "").Header.Get("ETag")); diff != "" {
			t.Error(diff)
		}
		if name == "without" { // an interface has to be https, which this one is
			s.Do(t, "PATCH", path, s.ada, `{"card":`+answer.Body+`}`).Want(t, http.StatusOK)
			continue
		}
		s.Do(t, "PUT", "/api/v1/skills/"+skill.String(), s.grace, `{"name":"Hearing"}`).Want(t, http.StatusOK)
		if renamed := s.Do(t, "GET", path+"/card", "", ""); renamed.Header.Get("ETag") == answer.Header.Get("ETag") || !strings.Contains(renamed.Body, "Hearing") {
			t.Errorf("a skill's new name changed no tag: %s", renamed.Body)
		}
	}
}

// I4, I6 and A16: what breaks the standard is named by its place; what the standard does not know is let through.
func TestCard_Refused(t *testing.T) {
	t.Parallel()
	var whole map[string]any
	if err := json.Unmarshal([]byte(oddCard), &whole); err != nil {
		t.Fatal(err)
	}
	changed := func(change func(card map[string]any)) string {
		var card map[string]any
		if err := json.Unmarshal([]byte(oddCard), &card); err != nil {
			t.Fatal(err)
		}
		change(card)
		text, err := json.Marshal(card)
		if err != nil {
			t.Fatal(err)
		}
		return with("card", string(text))
	}
	set := func(name string, value any) string {
		return changed(func(card map[string]any) { card[name] = value })
	}
	at := func(place, key string, value any) string {
		return changed(func(card map[string]any) {
			inner := card[place].([]any)[0].(map[string]any)
			inner[key] = value
		})
	}
	tests := []refused{
		{"text", with("card", `"x"`), "INVALID", "body.card"},
		{"a list", with("card", `[]`), "INVALID", "body.card"},
		{"too large", set("description", strings.Repeat("a", maxCardBytes)), "INVALID", "body.card"},
		{"a control character", set("description", "a\x00"), "INVALID", "body.card.description"},
		{"an interface that is not https", at("supportedInterfaces", "url", "http://a.example"), "INVALID", "body.card.supportedInterfaces[0].url"},
		{"an interface that is a script", at("supportedInterfaces", "url", "javascript:alert(1)"), "INVALID", "body.card.supportedInterfaces[0].url"},
		{"an interface without a host", at("supportedInterfaces", "url", "https://"), "INVALID", "body.card.supportedInterfaces[0].url"},
		{"an icon that is a script", set("iconUrl", "javascript:alert(1)"), "INVALID", "body.card.iconUrl"},
		{"a skill without tags", at("skills", "tags", []string{}), "INVALID", "body.card.skills[0].tags"},
		{"a signature that is not base64url", at("signatures", "signature", "a=b"), "INVALID", "body.card.signatures[0].signature"},
		{"two schemes in one", changed(func(card map[string]any) {
			card["securitySchemes"] = map[string]any{"a": map[string]any{"mtlsSecurityScheme": map[string]any{}, "httpAuthSecurityScheme": map[string]any{"scheme": "Bearer"}}}
		}), "INVALID", "body.card.securitySchemes.a"},
		{"a scheme of no kind", set("securitySchemes", map[string]any{"a": map[string]any{"type": "http"}}), "INVALID", "body.card.securitySchemes.a.type"},
		{"a flow without its scopes", set("securitySchemes", map[string]any{"a": map[string]any{"oauth2SecurityScheme": map[string]any{"flows": map[string]any{"deviceCode": map[string]any{
			"deviceAuthorizationUrl": "https://a.example/d", "tokenUrl": "https://a.example/t",
		}}}}}), "INVALID", "body.card.securitySchemes.a.oauth2SecurityScheme.flows.deviceCode"},
		{"two flows", set("securitySchemes", map[string]any{"a": map[string]any{"oauth2SecurityScheme": map[string]any{"flows": map[string]any{"implicit": map[string]any{}, "password": map[string]any{}}}}}), "INVALID", "body.card.securitySchemes.a.oauth2SecurityScheme.flows"},
		{"a null", set("provider", nil), "INVALID", "body.card.provider"},
		{"another case", changed(func(card map[string]any) { card["Name"] = card["name"]; delete(card, "name") }), "INVALID", "body.card"},
	}
	for name := range whole {
		switch name {
		case "url", "protocolVersion", "securitySchemes", "securityRequirements", "signatures":
		default:
			tests = append(tests, refused{"without " + name, changed(func(card map[string]any) { delete(card, name) }), "INVALID", "body.card"})
		}
		if name != "url" && name != "protocolVersion" {
			tests = append(tests, refused{"a number as " + name, set(name, 1), "INVALID", "body.card." + name})
		}
	}
	s := start(t)
	wantRefused(t, s, tests)
	s.Do(t, "POST", "/api/v1/agents", s.ada, set("x-vendor", map[string]any{"deep": []any{nil, 1}})).Want(t, http.StatusCreated)
	if strings.Contains(s.Log.String(), "SQLSTATE") {
		t.Errorf("the database had to refuse something: %s", s.Log)
	}
}

// The chain knows a card by its digest: its text can be checked by it, and a card that was changed behind the triggers is found.
func TestCard_InTheChain(t *testing.T) {
	t.Parallel()
	s := start(t)
	agent := apitest.Decode[catalog.Agent](t, s.Do(t, "POST", "/api/v1/agents", s.ada, with("card", oddCard)).Want(t, http.StatusCreated))
	path := "/api/v1/agents/" + agent.ID.String()
	s.Do(t, "PUT", path, s.ada, `{"card":null}`).Want(t, http.StatusOK)
	s.Do(t, "PUT", path, s.ada, `{"card":`+oddCard+`}`).Want(t, http.StatusOK)
	digest := sha256.Sum256([]byte(oddCard))
	is := hex.EncodeToString(digest[:])
	history := s.Do(t, "GET", path+"/history", s.ada, "").Want(t, http.StatusOK).Body
	for _, want := range []string{`"card_sha256":[null,"` + is + `"]`, `"card_sha256":["` + is + `",null]`} {
		if !strings.Contains(strings.ReplaceAll(history, `\"`, `"`), want) {
			t.Errorf("%s is not in %s", want, history)
		}
	}
	if strings.Contains(history, "JSONRPC") {
		t.Errorf("the card's text is in the chain: %s", history)
	}
	run := func() auditReport {
		return apitest.Decode[auditReport](t, s.Do(t, "POST", "/api/v1/audit/run", s.grace, `{}`).Want(t, http.StatusOK))
	}
	if report := run(); !report.Compliant {
		t.Errorf("not compliant: %+v", report)
	}
	s.DB.Exec(t, `alter table plant.agents disable trigger user`)
	s.DB.Exec(t, `update plant.agents set card = replace(card, 'Odd', 'Bad')`)
	s.DB.Exec(t, `alter table plant.agents enable trigger user`)
	problem := apitest.Decode[tampering](t, s.Do(t, "GET", "/api/v1/audit/tampering/"+agent.ID.String(), s.grace, "").Want(t, http.StatusOK))
	if !problem.Tampered || !strings.Contains(*problem.Reason, "card_sha256") {
		t.Errorf("a card that was tampered with: %+v", problem)
	}
}
