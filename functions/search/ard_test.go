package search

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// standard is the directory of the standard's schemas, as it publishes them.
const standard = "testdata/ard"

// schemas are those that answers have to match, by their names in the standard.
func schemas(t testing.TB) map[string]*jsonschema.Schema {
	t.Helper()
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(standard, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	add := func(url string, text []byte) {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = compiler.AddResource(url, document)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	catalog := read("ai-catalog.schema.json")
	var api map[string]any
	if err := yaml.Unmarshal(read("ard.openapi.yaml"), &api); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(api)
	if err != nil {
		t.Fatal(err)
	}
	// The one file refers to the other by its name; that one has an id of its own, which would win.
	add("https://ard.test/ai-catalog.schema.json", bytes.Replace(catalog, []byte(`"$id"`), []byte(`"$comment"`), 1))
	add("https://ard.test/ard.openapi.yaml", text)
	compiled := map[string]*jsonschema.Schema{}
	for name, at := range map[string]string{
		"Manifest": "ai-catalog.schema.json", "SearchResponse": "ard.openapi.yaml#/components/schemas/SearchResponse", "Error": "ard.openapi.yaml#/components/schemas/Error",
		"ExploreResponse": "ard.openapi.yaml#/components/schemas/ExploreResponse", "ListResponse": "ard.openapi.yaml#/components/schemas/ListResponse",
	} {
		if compiled[name], err = compiler.Compile("https://ard.test/" + at); err != nil {
			t.Fatal(err)
		}
	}
	return compiled
}

// registry is the search function with the schemas of the standard.
type registry struct {
	service
	schemas map[string]*jsonschema.Schema
}

func startRegistry(t *testing.T) registry {
	t.Helper()
	return registry{start(t), schemas(t)}
}

// valid fails the test unless the answer is a 200 that matches a schema.
func (r registry) valid(t testing.TB, schema string, answer apitest.Answer) apitest.Answer {
	t.Helper()
	r.matches(t, schema, answer.Want(t, http.StatusOK))
	return answer
}

func (r registry) matches(t testing.TB, schema string, answer apitest.Answer) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(answer.Body))
	if err == nil {
		err = r.schemas[schema].Validate(value)
	}
	if err != nil {
		t.Fatalf("not a %s: %v: %s", schema, err, answer.Body)
	}
	if got := answer.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
}

// refuses fails the test unless the answer is the standard's 400.
func (r registry) refuses(t testing.TB, what string, answer apitest.Answer) {
	t.Helper()
	r.matches(t, "Error", answer)
	if got := apitest.Decode[ardError](t, answer); answer.Status != http.StatusBadRequest || got.ErrorCode != "INVALID_ARGUMENT" || got.Message == "" {
		t.Errorf("%s: got %d %s", what, answer.Status, answer.Body)
	}
}

func (r registry) search(t testing.TB, body string) ardFound {
	t.Helper()
	return apitest.Decode[ardFound](t, r.valid(t, "SearchResponse", r.Do(t, "POST", "/api/v1/ard/search", "", body)))
}

func (r registry) explore(t testing.TB, body string) map[string]ardFacet {
	t.Helper()
	return apitest.Decode[ardFacets](t, r.valid(t, "ExploreResponse", r.Do(t, "POST", "/api/v1/ard/explore", "", body))).Facets
}

type ardListed struct {
	Items     []CatalogEntry
	Total     *int64
	PageToken string
}

func (r registry) list(t testing.TB, parameters ...string) ardListed {
	t.Helper()
	return apitest.Decode[ardListed](t, r.valid(t, "ListResponse", r.Do(t, "GET", listAddress(parameters...), "", "")))
}

func listAddress(parameters ...string) string {
	values := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	return "/api/v1/ard/agents?" + values.Encode()
}

func (r registry) entryNames(t testing.TB, parameters ...string) []string {
	t.Helper()
	found := []string{}
	for _, entry := range r.list(t, parameters...).Items {
		found = append(found, entry.DisplayName)
	}
	return found
}

func TestARD_Entry(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	first, second := r.addSkill(t, "Listening"), r.addSkill(t, "Asking")
	id := r.add(t, agent{name: "Campaign Writer", specialization: "Content writing", description: "Writes.", tags: []string{"seo"}, skills: []uuid.UUID{first, second}, industry: "marketing", rate: 85})
	bare := r.add(t, agent{name: "Bare", specialization: "Nothing"})
	found := r.search(t, `{"query":{"text":"campaign writer"},"federation":"referrals"}`)
	want := CatalogEntry{
		Identifier: "urn:air:plant.example:agents:" + id.String(), DisplayName: "Campaign Writer", Type: "application/a2a-agent-card+json",
		URL: apitest.PublicURL + "/api/v1/agents/" + id.String() + "/card", Description: "Writes.", Tags: []string{"seo"}, Capabilities: []string{"Asking", "Listening"},
		RepresentativeQueries: []string{"find an agent for Content writing", "Content writing in marketing", "who can help with Asking", "who can help with Listening"},
		Version:               "1",
	}
	if len(found.Results) != 1 || found.Referrals == nil {
		t.Fatalf("found %+v", found)
	}
	got := found.Results[0]
	if got.Score < 50 || got.Score > 100 || got.Source != apitest.PublicURL+"/api/v1/ard/" || time.Since(got.UpdatedAt) > time.Hour {
		t.Errorf("found %+v", got)
	}
	if got.Industry != "marketing" || got.Owner != "ada" || got.HourlyRate.String() != "85.00" {
		t.Errorf("metadata %+v", got.EntryMetadata)
	}
	got.UpdatedAt, got.EntryMetadata = time.Time{}, EntryMetadata{}
	if diff := cmp.Diff(want, got.CatalogEntry); diff != "" {
		t.Error(diff)
	}
	inList := r.list(t, "filter", "identifier = 'urn:air:plant.example:agents:"+bare.String()+"'")
	if len(inList.Items) != 1 || inList.Items[0].Description != "Nothing" || len(inList.Items[0].RepresentativeQueries) != 2 || *inList.Total != 1 {
		t.Errorf("listed %+v", inList)
	}
	catalog := r.valid(t, "Manifest", r.Do(t, "GET", "/.well-known/ai-catalog.json", "", ""))
	if !strings.Contains(catalog.Body, `"url":"`+apitest.PublicURL+`/api/v1/ard/"`) || !strings.HasPrefix(catalog.Header.Get("Cache-Control"), "public") {
		t.Errorf("%v %s", catalog.Header, catalog.Body)
	}
}

func TestARD_SearchFiltersAndPages(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	skill := r.addSkill(t, "Listening")
	for i := range 30 {
		a := agent{name: fmt.Sprintf("Zebra %d", i), tags: []string{"even"}, industry: "sales"}
		if i%2 == 1 {
			a.tags, a.industry, a.skills = []string{"odd", "both"}, "marketing", []uuid.UUID{skill}
		}
		r.add(t, a)
	}
	for filter, want := range map[string]int{
		`{}`: 30, `{"tags":"odd"}`: 15, `{"tags":["odd","even"]}`: 30, `{"tags":["odd"],"metadata.industry":["sales"]}`: 0, `{"capabilities":["Listening","Other"]}`: 15,
		`{"type":["application/a2a-agent-card+json"]}`: 30, `{"type":"application/mcp-server-card+json"}`: 0, `{"publisher":"plant.example"}`: 30, `{"publisher":["acme.com"]}`: 0,
		`{"displayName":"zebra 7"}`: 1, `{"version":"1","metadata.status":["available"]}`: 30, `{"tags":[]}`: 0, `{"identifier":"urn:air:other:agents:x"}`: 0,
	} {
		seen := map[string]bool{}
		body := `{"query":{"text":"zebra","filter":` + filter + `},"pageSize":7`
		token := ""
		for pages := 0; ; pages++ {
			found := r.search(t, body+token+`}`)
			for _, result := range found.Results {
				if seen[result.Identifier] {
					t.Errorf("%s: %s came twice", filter, result.DisplayName)
				}
				seen[result.Identifier] = true
			}
			if found.PageToken == "" || pages > 10 {
				break
			}
			token = `,"pageToken":"` + found.PageToken + `"`
		}
		if len(seen) != want {
			t.Errorf("%s: found %d, want %d", filter, len(seen), want)
		}
		// The same agents are counted.
		total := int64(0)
		facets := r.explore(t, `{"query":{"text":"zebra","filter":`+filter+`},"resultType":{"facets":[{"field":"type"}]}}`)
		for _, bucket := range facets["type"].Buckets {
			total += bucket.Count
		}
		if total != int64(want) {
			t.Errorf("%s: counted %d, want %d", filter, total, want)
		}
	}
	page := r.search(t, `{"query":{"text":"zebra"},"pageSize":2}`)
	for name, body := range map[string]string{
		"another query's token":  `{"query":{"text":"zebras"},"pageToken":"` + page.PageToken + `"}`,
		"another filter's token": `{"query":{"text":"zebra","filter":{"tags":"odd"}},"pageToken":"` + page.PageToken + `"}`,
		"an altered token":       `{"query":{"text":"zebra"},"pageToken":"` + page.PageToken[:len(page.PageToken)-2] + `"}`,
		"an unknown field":       `{"query":{"text":"zebra","filter":{"trustManifest.attestations.type":["SOC2"]}}}`,
		"a filter of a number":   `{"query":{"text":"zebra","filter":{"tags":[1]}}}`,
		"a filter of null":       `{"query":{"text":"zebra","filter":{"tags":null}}}`,
		"a filter of an object":  `{"query":{"text":"zebra","filter":{"tags":{"a":"b"}}}}`,
		"no filter but null":     `{"query":{"text":"zebra","filter":null}}`,
		"no times":               `{"query":{"text":"zebra","filter":{"createdAfter":[]}}}`,
		"no body but null":       `null`,
		"an unknown member":      `{"query":{"text":"zebra"},"limit":1}`,
		"no text":                `{"query":{}}`,
		"a blank text":           `{"query":{"text":" "}}`,
		"a page of none":         `{"query":{"text":"zebra"},"pageSize":-1}`,
		"a page that is too big": `{"query":{"text":"zebra"},"pageSize":101}`,
		"another federation":     `{"query":{"text":"zebra"},"federation":"all"}`,
		"NUL":                    `{"query":{"text":"a\u0000"}}`,
		"a text that is too big": `{"query":{"text":"` + strings.Repeat("a", 513) + `"}}`,
		"no JSON":                `{`,
	} {
		r.refuses(t, name, r.Do(t, "POST", "/api/v1/ard/search", "", body))
	}
	r.DB.Exec(t, `update plant.agents set deleted_at = now() where name = (select name from plant.agents order by id desc limit 1)`)
	if rest := r.search(t, `{"query":{"text":"zebra"},"pageSize":100,"pageToken":"`+page.PageToken+`"}`); len(rest.Results) < 27 {
		t.Errorf("after a deletion, %d are left", len(rest.Results))
	}
}

func TestARD_Errors(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	want := func(answer apitest.Answer, status int, code string) {
		t.Helper()
		r.matches(t, "Error", answer)
		if got := apitest.Decode[ardError](t, answer); answer.Status != status || got.ErrorCode != code {
			t.Errorf("got %d %s, want %d %s", answer.Status, answer.Body, status, code)
		}
	}
	refused := r.Do(t, "GET", "/api/v1/ard/agents", "forged", "")
	want(refused, http.StatusUnauthorized, "UNAUTHENTICATED")
	if refused.Header.Get("WWW-Authenticate") == "" || refused.Header.Get("Content-Length") != strconv.Itoa(len(refused.Body)) {
		t.Errorf("headers %v", refused.Header)
	}
	want(r.Do(t, "GET", "/api/v1/ard/nothing", "", ""), http.StatusNotFound, "NOT_FOUND")
	want(r.Do(t, "GET", "/api/v1/ard/search", "", ""), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	want(r.Do(t, "POST", "/api/v1/ard/search", "", `{}`, apitest.Header{Name: "Content-Type", Value: "text/plain"}), http.StatusBadRequest, "INVALID_ARGUMENT")
	want(r.Do(t, "GET", "/api/v1/ard/agents?access_token=x", "", ""), http.StatusBadRequest, "INVALID_ARGUMENT")
	if head := r.Do(t, "HEAD", "/api/v1/ard/agents?filter=x", "", ""); head.Status != http.StatusBadRequest || head.Body != "" {
		t.Errorf("HEAD: %d %s", head.Status, head.Body)
	}
	if lines := strings.Count(strings.TrimSpace(r.Log.String()), "\n") + 1; lines != 6 || !strings.Contains(r.Log.String(), `"status":401`) {
		t.Errorf("%d lines: %s", lines, r.Log)
	}
}

func TestARD_Facets(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	skill := r.addSkill(t, "Listening")
	for i := range 12 {
		r.add(t, agent{name: "Zebra", tags: []string{"t" + strconv.Itoa(min(i, 4)), "all"}, skills: []uuid.UUID{skill}[:i%2], industry: []string{"sales", "marketing"}[i%2]})
	}
	r.add(t, agent{name: "Okapi", tags: []string{"other"}})
	got := r.explore(t, `{"query":{"text":"zebra"},"resultType":{"facets":[{"field":"tags","limit":2},{"field":"capabilities"},{"field":"metadata.industry","minCount":7}, {"field":"publisher"}]}}`)
	want := map[string]ardFacet{
		"tags":              {Buckets: []ardBucket{{"all", 12}, {"t4", 8}}, OtherCount: 4},
		"capabilities":      {Buckets: []ardBucket{{"Listening", 6}}},
		"metadata.industry": {Buckets: []ardBucket{}},
		"publisher":         {Buckets: []ardBucket{{"plant.example", 12}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	whole := r.explore(t, `{"resultType":{"facets":[{"field":"type"},{"field":"tags","limit":100}]}}`)
	if whole["type"].Buckets[0].Count != 13 || len(whole["tags"].Buckets) != 7 {
		t.Errorf("of all: %+v", whole)
	}
	for _, body := range []string{`{}`, `{"resultType":{"facets":[]}}`, `{"resultType":{"facets":[{"field":"nothing"}]}}`, `{"resultType":{"facets":[{"field":"createdAfter"}]}}`, `{"resultType":{"facets":[{"field":"tags","limit":0.5}]}}`, `{"resultType":{"counts":[]}}`} {
		r.refuses(t, body, r.Do(t, "POST", "/api/v1/ard/explore", "", body))
	}
}

func TestARD_List(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	for i, name := range []string{"Beta, or two", "alpha", "Gamma's"} {
		id := r.add(t, agent{name: name, tags: []string{"t" + strconv.Itoa(i)}})
		r.DB.Exec(t, `update plant.agents set created_at = $2, updated_at = $2 where id = $1`, id, time.Date(2026, time.Month(i+1), 15, 0, 0, 0, 0, time.UTC))
	}
	for filter, want := range map[string][]string{
		"": {"alpha", "Beta, or two", "Gamma's"},
		"type = 'application/a2a-agent-card+json' AND createdAfter > '2026-01-20'": {"alpha"}, // its update made Gamma no older
		"displayName = 'ALPHA'":                       {"alpha"},
		"displayName = 'Beta, or two'":                {"Beta, or two"},
		"displayName = 'Gamma''s'":                    {"Gamma's"},
		`displayName="gamma's"`:                       {"Gamma's"},
		"tags = 't0, t1'":                             {"alpha", "Beta, or two"},
		"tags = 't0,t1' and tags='t1'":                {"alpha"},
		"publisherId = 'acme.com,plant.example'":      {"alpha", "Beta, or two", "Gamma's"},
		"type='application/mcp-server-card+json'":     {},
		"createdAfter >= '2026-02-15T00:00:00Z'":      {"alpha", "Gamma's"},
		"createdAfter > '2026-02-15T01:00:00+01:00'":  {"Gamma's"},
		"createdAfter = '2026-02-14'":                 {"alpha", "Gamma's"},
		"metadata.status='available' AND version='9'": {},
	} {
		if strings.Contains(filter, "2026-01-20") {
			want = []string{"alpha", "Gamma's"}
		}
		if diff := cmp.Diff(want, r.entryNames(t, "filter", filter, "orderBy", "displayName")); diff != "" {
			t.Errorf("%s: %s", filter, diff)
		}
	}
	for order, want := range map[string]string{"": "Gamma's", "createdAt": "Beta, or two", "created_at ASC": "Beta, or two", "updatedAt desc": "Gamma's", "name": "alpha", "displayName DESC": "Gamma's"} {
		seen, token := []string{}, ""
		for {
			page := r.list(t, "orderBy", order, "pageSize", "1", "pageToken", token)
			for _, entry := range page.Items {
				seen = append(seen, entry.DisplayName)
			}
			if (page.Total != nil) != (token == "") {
				t.Errorf("total %v after %q", page.Total, token)
			}
			if token = page.PageToken; token == "" {
				break
			}
		}
		if len(seen) != 3 || seen[0] != want {
			t.Errorf("by %q: %v, want %s first", order, seen, want)
		}
	}
	token := r.list(t, "pageSize", "1").PageToken
	for _, parameters := range [][]string{
		{"orderBy", "price"},
		{"orderBy", "displayName DOWN"},
		{"orderBy", "displayName, createdAt"},
		{"orderBy", "createdAt", "pageToken", token},
		{"filter", "tags='t0'", "pageToken", token},
		{"pageToken", token + "A"},
		{"pageSize", "0"},
		{"pageSize", "101"},
		{"skip", "1"},
	} {
		r.refuses(t, strings.Join(parameters, " "), r.Do(t, "GET", listAddress(parameters...), "", ""))
	}
}

// A18: nothing of an agent that is deleted is in an answer: not in a page, a count, a facet or a token.
func TestA18_ARDHidesTheDeleted(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	const marker = "xylophonist"
	skill := r.addSkill(t, "Skill of a "+marker)
	gone := r.add(t, agent{name: "Zebra " + marker, specialization: marker, description: marker, tags: []string{marker}, skills: []uuid.UUID{skill}, owner: marker})
	r.add(t, agent{name: "Zebra", tags: []string{"seen"}})
	r.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, gone)
	fields := []string{}
	for field, definition := range ardFields {
		if definition.facet != "" {
			fields = append(fields, fmt.Sprintf(`{"field":%q,"limit":100}`, field))
		}
	}
	slices.Sort(fields)
	asked := []apitest.Answer{}
	for _, text := range []string{`"text":"zebra"`, `"text":"` + marker + `"`, ""} {
		if text != "" {
			asked = append(asked, r.valid(t, "SearchResponse", r.Do(t, "POST", "/api/v1/ard/search", "", `{"query":{`+text+`}}`)))
		}
		for chunk := range slices.Chunk(fields, 10) {
			asked = append(asked, r.valid(t, "ExploreResponse", r.Do(t, "POST", "/api/v1/ard/explore", "", `{"query":{`+text+`},"resultType":{"facets":[`+strings.Join(chunk, ",")+`]}}`)))
		}
	}
	all := r.Do(t, "GET", "/api/v1/ard/agents", "", "")
	if got := apitest.Decode[ardListed](t, r.valid(t, "ListResponse", all)); *got.Total != 1 {
		t.Errorf("%d in all", *got.Total)
	}
	for _, answer := range append(asked, all, r.Do(t, "GET", listAddress("filter", "identifier='urn:air:plant.example:agents:"+gone.String()+"'"), "", "")) {
		if strings.Contains(answer.Body, marker) || strings.Contains(answer.Body, gone.String()) {
			t.Errorf("a deleted agent is in %s", answer.Body)
		}
	}
}
