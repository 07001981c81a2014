package agents

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// growing is one character that NFC makes two of.
const growing = "\u0958"

// I22: a text is as long as what is stored of it.
func TestI22_LengthOfWhatIsStored(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return `"` + strings.Repeat(growing, n) + `"` }
	s := start(t)
	wantRefused(t, s, []refused{
		{"name", with("name", long(128)), "INVALID", "body.name"},
		{"specialization", with("specialization", long(51)), "INVALID", "body.specialization"},
		{"description", with("description", long(4001)), "INVALID", "body.description"},
		{"external_id", with("external_id", long(128)), "INVALID", "body.external_id"},
		{"a tag", with("tags", `["a",`+long(26)+`]`), "INVALID", "body.tags[1]"},
	})
	agent := s.publish(t, with("name", long(127)))
	if want := strings.Repeat("\u0915\u093c", 127); agent.Name != want {
		t.Errorf("stored %q", agent.Name)
	}
	// In a batch it is the matter of that one agent.
	answer := s.Do(t, "POST", "/api/v1/agents/batch", s.ada, `{"agents":[`+writer+`,`+with("name", long(128))+`]}`).Want(t, http.StatusOK)
	results := apitest.Decode[struct {
		Results []struct {
			Status  int
			Problem *httpapi.Problem
		}
	}](t, answer).Results
	if len(results) != 2 || results[0].Status != 201 || results[1].Status != 422 || results[1].Problem.Errors[0].Location != "body.name" {
		t.Errorf("got %s", answer.Body)
	}
}

// I22: a name is one line, and something of it can be seen.
func TestI22_NamesCanBeSeen(t *testing.T) {
	t.Parallel()
	var tests []refused
	for _, field := range []string{"name", "specialization", "external_id"} {
		for _, text := range []string{" ", "\u00a0\u3000", "\u200b", "\ufeff", "\u00ad", "\u200d\u2060", "\u202e", "\u3164", "a\u2028b", "a\u2029b"} {
			tests = append(tests, refused{fmt.Sprintf("%s %q", field, text), with(field, quoted(t, text)), "INVALID", "body." + field})
		}
	}
	for _, text := range []string{" ", "\u200b", "a\u2028b"} {
		tests = append(tests, refused{fmt.Sprintf("tag %q", text), with("tags", `["a",`+quoted(t, text)+`]`), "INVALID", "body.tags[1]"})
	}
	s := start(t)
	wantRefused(t, s, tests)
	for _, text := range []string{"a\u200bb", "می\u200cخواهم", "\u202eabc", "\u2764\ufe0f", "x"} {
		if got := s.publish(t, with("name", quoted(t, text))).Name; got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	for _, text := range []string{"", "a\n\tb\n", "\u2028", " "} {
		if got := s.publish(t, with("description", quoted(t, text))).Description; got != text {
			t.Errorf("description %q became %q", text, got)
		}
	}
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	body, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// An industry is compared in one way wherever it stands: letters that only look alike are others.
func TestI22_IndustryInAnyCase(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.path(t, with("industry", `"Sales"`))
	for _, industry := range []string{"sales", "SALES", "sAlEs"} {
		s.Do(t, "PUT", path, s.ada, `{"industry":"`+industry+`"}`).Want(t, http.StatusOK)
		if found := s.all(t, "/api/v1/agents?industry="+industry); len(found) != 1 {
			t.Errorf("industry=%s finds %d", industry, len(found))
		}
	}
	for _, industry := range []string{"ſales", "saleſ", "sales ", "ｓａｌｅｓ"} {
		for _, header := range [][]apitest.Header{nil, {{Name: "If-Match", Value: s.Do(t, "GET", path, "", "").Header.Get("ETag")}}} {
			s.Do(t, "PUT", path, s.ada, `{"industry":"`+industry+`"}`, header...).WantProblem(t, http.StatusUnprocessableEntity, "INDUSTRY_LOCKED")
		}
		s.Do(t, "POST", "/api/v1/agents", s.ada, with("industry", `"`+industry+`"`)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	agent := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, "", ""))
	if agent.Industry != "sales" || agent.Version != 4 {
		t.Errorf("got %+v", agent)
	}
}
