package search

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/embedding"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

const similarSkills = "/api/v1/skills/similarity"

// likenessOf is a body that compares with a vector.
func likenessOf(t testing.TB, vector []float32, model string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"embedding": vector, "model": model})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s service) skillsLike(t testing.TB, body string) []foundSkill {
	t.Helper()
	return apitest.Decode[[]foundSkill](t, s.Do(t, "POST", similarSkills, "", body).Want(t, http.StatusOK))
}

func foundNames(found []foundSkill) []string {
	names := make([]string, len(found))
	for i, skill := range found {
		names[i] = skill.Name
	}
	return names
}

func TestSimilarity_TextAndEmbedding(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	for _, name := range []string{"Contract law", "Attorney briefing", "Doctor visits"} {
		s.addSkill(t, name)
	}
	model := s.index(t)
	found := s.skillsLike(t, `{"text":"pact law"}`)
	if diff := cmp.Diff("Contract law", found[0].Name); diff != "" || found[0].Score != 1 {
		t.Errorf("a paraphrase finds %v, with a score of %v", foundNames(found), found[0].Score)
	}
	if len(found) != 3 || found[1].Score > found[0].Score || found[2].Score < 0 {
		t.Errorf("found %+v", found)
	}
	if got := s.skillsLike(t, `{"text":"pact law","limit":1}`); len(got) != 1 || got[0].ID != found[0].ID {
		t.Errorf("a lower limit answers %v", foundNames(got))
	}
	// The direction counts, not the length.
	for _, factor := range []float32{1, 1e-3, 1e30} {
		vector := directionOf("lawyer briefing")
		for i := range vector {
			vector[i] *= factor
		}
		if got := s.skillsLike(t, likenessOf(t, vector, model)); got[0].Name != "Attorney briefing" || got[0].Score != 1 {
			t.Errorf("times %v finds %v", factor, foundNames(got))
		}
	}
	opposite := directionOf("contract law")
	for i := range opposite {
		opposite[i] = -opposite[i]
	}
	for _, skill := range s.skillsLike(t, likenessOf(t, opposite, model)) {
		if skill.Score < 0 || skill.Name == "Contract law" && skill.Score != 0 {
			t.Errorf("%s scores %v", skill.Name, skill.Score)
		}
	}
	answer := s.Do(t, "POST", similarSkills, "", likenessOf(t, directionOf("a"), "another")).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	if faults := apitest.Decode[httpapi.Problem](t, answer).Errors; len(faults) != 1 || faults[0].Location != "body.model" || !strings.Contains(faults[0].Message, model) {
		t.Errorf("another model: %s", answer.Body)
	}
}

// F18: without the provider a text is compared by its words, and an embedding as before.
func TestF18_SimilarityWithoutProvider(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	s.addSkill(t, "Contract law")
	s.Do(t, "POST", similarSkills, "", likenessOf(t, directionOf("law"), fakeModel)).WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE")
	check := func(what string) {
		t.Helper()
		answer := s.Do(t, "POST", similarSkills, "", `{"text":"law of contracts"}`).Want(t, http.StatusOK)
		if found := apitest.Decode[[]foundSkill](t, answer); answer.Header.Get("Degraded") != "true" || len(found) != 1 {
			t.Errorf("%s: found %v, Degraded is %q", what, foundNames(found), answer.Header.Get("Degraded"))
		}
	}
	check("no model serves")

	s = startMeaningful(t)
	s.addSkill(t, "Contract law")
	model := s.index(t)
	s.away.Store(true)
	check("the provider is away")
	answer := s.Do(t, "POST", similarSkills, "", likenessOf(t, directionOf("law"), model)).Want(t, http.StatusOK)
	if found := apitest.Decode[[]foundSkill](t, answer); answer.Header.Get("Degraded") != "" || len(found) != 1 {
		t.Errorf("an embedding finds %v, Degraded is %q", foundNames(found), answer.Header.Get("Degraded"))
	}
}

// numbersAs are so many numbers in an array, the third of which is another.
func numbersAs(n int, third string) string {
	numbers := slices.Repeat([]string{"0.5"}, n)
	if n > 2 {
		numbers[2] = third
	}
	return "[" + strings.Join(numbers, ",") + "]"
}

func TestI11_I12_Vectors(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	s.addSkill(t, "Contract law")
	model := s.index(t)
	with := func(embedding string) string { return `{"embedding":` + embedding + `,"model":"` + model + `"}` }
	third := func(number string) string { return with(numbersAs(embedding.Dimensions, number)) }
	tests := []struct{ name, body, location string }{
		{"I12: none", with("[]"), "body.embedding"},
		{"I12: one less", with(numbersAs(383, "0.5")), "body.embedding"},
		{"I12: one more", with(numbersAs(385, "0.5")), "body.embedding"},
		{"I12: 16,001", with(numbersAs(16_001, "0.5")), "body.embedding"},
		{"I12: all zero", with("[" + strings.Repeat("0,", 383) + "0]"), "body.embedding"},
		{"I12: all minus zero", with("[" + strings.Repeat("-0.0,", 383) + "-0]"), "body.embedding"},
		{"I11: too small to be a direction", with("[" + strings.Repeat("1e-320,", 383) + "0]"), "body.embedding"},
		{"I11: beyond 32 bits", third("1e39"), "body.embedding[2]"},
		{"I11: far below them", third("-1e39"), "body.embedding[2]"},
		{"I11: beyond 64 bits", third("1e400"), "body.embedding[2]"},
		{"I11: NaN as text", third(`"NaN"`), "body.embedding[2]"},
		{"I11: Infinity as text", third(`"Infinity"`), "body.embedding[2]"},
		{"I10: a number as text", third(`"0.5"`), "body.embedding[2]"},
		{"null", third("null"), "body.embedding[2]"},
		{"a vector of vectors", third("[0.5]"), "body.embedding[2]"},
		{"text", with(`"0.5"`), "body.embedding"},
		{"null instead of a vector", with("null"), "body.embedding"},
	}
	for _, test := range tests {
		answer := s.Do(t, "POST", similarSkills, "", test.body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		faults := apitest.Decode[httpapi.Problem](t, answer).Errors
		if !slices.ContainsFunc(faults, func(f *httpapi.Fault) bool { return f.Location == test.location }) {
			t.Errorf("%s: got %s, want a fault at %s", test.name, answer.Body, test.location)
		}
	}
	for _, number := range []string{"NaN", "Infinity", "-Infinity", "+1", ".5", "0x1"} { // no JSON
		s.Do(t, "POST", similarSkills, "", third(number)).WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
	}
	for _, number := range []string{"-0", "-0.0", "5e-324", "1e-45", "3.4e38", "-3.4e38", "1", "1e0"} {
		for _, skill := range s.skillsLike(t, third(number)) {
			if !(skill.Score >= 0 && skill.Score <= 1) {
				t.Errorf("%s: a score of %v", number, skill.Score)
			}
		}
	}
	if strings.Contains(s.Log.String(), `"severity":"ERROR"`) || strings.Contains(s.Log.String(), "SQLSTATE") {
		t.Errorf("an error was logged: %s", s.Log)
	}
}

func TestSimilarity_Refused(t *testing.T) {
	t.Parallel()
	s := start(t)
	vector := numbersAs(embedding.Dimensions, "1")
	tests := []struct {
		name, body string
		status     int
		location   string
	}{
		{"neither", `{}`, 422, "body.text"},
		{"only a limit", `{"limit":3}`, 422, "body.text"},
		{"both", `{"text":"a","embedding":` + vector + `,"model":"m"}`, 422, "body.embedding"},
		{"no model", `{"embedding":` + vector + `}`, 422, "body.model"},
		{"a text with a model", `{"text":"a","model":"m"}`, 422, "body.model"},
		{"empty", `{"text":""}`, 422, "body.text"},
		{"blank", `{"text":" \n "}`, 422, "body.text"},
		{"too long", `{"text":"` + strings.Repeat("a", 8001) + `"}`, 422, "body.text"},
		{"I22: too long in NFC", `{"text":"` + strings.Repeat("\u0958", 4001) + `"}`, 422, "body.text"},
		{"I4: NUL", `{"text":"a\u0000b"}`, 422, "body.text"},
		{"I4: NUL in the model", `{"embedding":` + vector + `,"model":"a\u0000"}`, 422, "body.model"},
		{"null", `{"text":null}`, 422, "body.text"},
		{"a number", `{"text":1}`, 422, "body.text"},
		{"I6: unknown", `{"text":"a","query":"a"}`, 422, "body.query"},
		{"I6: wrong case", `{"Text":"a"}`, 422, "body.Text"},
		{"I10: limit 0", `{"text":"a","limit":0}`, 422, "body.limit"},
		{"I10: limit 51", `{"text":"a","limit":51}`, 422, "body.limit"},
		{"I10: limit 1.5", `{"text":"a","limit":1.5}`, 422, "body.limit"},
		{"I10: limit as text", `{"text":"a","limit":"3"}`, 422, "body.limit"},
		{"I7: an array", `[]`, 422, "body"},
		{"I2: bad UTF-8", "{\"text\":\"a\xff\"}", 400, ""},
		{"I3: lone surrogate", `{"text":"\ud800"}`, 400, ""},
		{"I5: twice", `{"text":"a","text":"b"}`, 400, ""},
		{"I7: trailing", `{"text":"a"}x`, 400, ""},
	}
	for _, test := range tests {
		answer := s.Do(t, "POST", similarSkills, "", test.body).Want(t, test.status)
		faults := apitest.Decode[httpapi.Problem](t, answer).Errors
		if test.location != "" && !slices.ContainsFunc(faults, func(f *httpapi.Fault) bool { return f.Location == test.location }) {
			t.Errorf("%s: got %s, want a fault at %s", test.name, answer.Body, test.location)
		}
	}
	s.Do(t, "POST", similarSkills, "", `{"text":"a"}`, apitest.Header{Name: "Content-Type", Value: "text/plain"}).WantProblem(t, http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
	s.Do(t, "POST", similarSkills, "", `{"text":"`+strings.Repeat("a ", 4000)+`"}`).Want(t, http.StatusOK)
}
