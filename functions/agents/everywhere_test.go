package agents

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// schema is what these tests read of a schema in the published document.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any    // one type, or several
	Properties map[string]schema
	Items      *schema
	AnyOf      []schema
}

func (s schema) is(kind string) bool {
	several, _ := s.Type.([]any)
	return s.Type == kind || slices.Contains(several, any(kind))
}

// operation is one operation of the published document.
type operation struct {
	Method, Path string
	Parameters   []struct{ In, Name string }
	RequestBody  *struct {
		Content map[string]struct{ Schema schema }
	}
}

// published reads the function's document: its operations, and the schemas that they refer to.
func published(t *testing.T) (operations []operation, schemas map[string]schema) {
	t.Helper()
	text, err := Function.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths      map[string]map[string]operation
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for method, op := range document.Paths[path] {
			op.Method, op.Path = strings.ToUpper(method), path
			operations = append(operations, op)
		}
	}
	return operations, document.Components.Schemas
}

// at is the operation's address for an id.
func (o operation) at(id string) string {
	return strings.NewReplacer("{id}", id, "{agent_id}", id).Replace(o.Path)
}

func (o operation) takesBody() bool { return o.RequestBody != nil }

// withText returns a body for each string that a schema has room for, by where that is: a body that holds nothing else
// but the text, which is JSON.
func withText(s schema, schemas map[string]schema, at, text string) map[string]string {
	if s.Ref != "" {
		return withText(schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]], schemas, at, text)
	}
	bodies := map[string]string{}
	if s.is("string") {
		bodies[at] = text
	}
	for name, property := range s.Properties {
		for where, body := range withText(property, schemas, at+"."+name, text) {
			bodies[where] = `{"` + name + `":` + body + `}`
		}
	}
	if s.Items != nil {
		for where, body := range withText(*s.Items, schemas, at+"[0]", text) {
			bodies[where] = `[` + body + `]`
		}
	}
	for _, one := range s.AnyOf {
		maps.Copy(bodies, withText(one, schemas, at, text))
	}
	return bodies
}

// I4: in no text of any body, address or cursor does a NUL get as far as the database.
func TestI4_NULNowhere(t *testing.T) {
	t.Parallel()
	s := start(t)
	operations, schemas := published(t)
	id := s.publish(t, writer).ID.String()
	fields := 0
	for _, op := range operations {
		for _, parameter := range op.Parameters {
			switch parameter.In {
			case "path":
				for _, text := range []string{"%00", id + "%00", "%00" + id, id + "%2500"} {
					s.Do(t, op.Method, op.at(text), s.grace, s.filled(t, matrix[op.Method+" "+op.Path].body)).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
				}
			case "query":
				for _, text := range []string{"%00", "a%00b", id + "%00"} {
					s.Do(t, op.Method, op.at(id)+"?"+parameter.Name+"="+text, s.grace, s.filled(t, matrix[op.Method+" "+op.Path].body)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
				}
			}
		}
		if !op.takesBody() {
			continue
		}
		for where, body := range withText(op.RequestBody.Content["application/json"].Schema, schemas, "body", `"a\u0000b"`) {
			fields++
			answer := s.Do(t, op.Method, op.at(id), s.grace, body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
			located := func(f *httpapi.Fault) bool { return f.Location == where }
			if !slices.ContainsFunc(apitest.Decode[httpapi.Problem](t, answer).Errors, located) {
				t.Errorf("%s %s: %s is not named: %s", op.Method, op.Path, where, answer.Body)
			}
		}
	}
	if fields < 80 {
		t.Errorf("only %d fields were found in the document", fields)
	}
	for _, sqlstate := range []string{"22021", "22P05"} {
		if strings.Contains(s.Log.String(), "SQLSTATE "+sqlstate) { // ids and times hold such digits too
			t.Errorf("a NUL reached the database: SQLSTATE %s is in the log", sqlstate)
		}
	}
}

// I1, I3, I5, I6 and I7: what no body may be is refused by every operation that takes one, and changes nothing.
func TestI5_I7_EveryBody(t *testing.T) {
	t.Parallel()
	s := start(t)
	agent := s.publish(t, writer)
	malformed := []string{
		`{"a":1,"a":1}`, `{"a":{"b":1,"b":2}}`, `{"a":1,"\u0061":1}`, `{} {}`, `{}x`, `{}]`, "\ufeff{}", " ", "{", `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":NaN}`,
		`{"a":Infinity}`, `{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":"\ud800"}`, "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\x01\"}",
		strings.Repeat("[", 101) + strings.Repeat("]", 101), strings.Repeat(`{"a":`, 10_001),
	}
	broken := []string{
		"null", "[]", "5", `"x"`, "true", `{"nonsense":1}`, `{"Name":"x"}`, `{"STATUS":"working"}`, `{"owneR":"bob"}`, `{"":1}`, `{"a":1e400}`,
		strings.Repeat("[", 100) + strings.Repeat("]", 100),
	}
	operations, _ := published(t)
	for _, op := range operations {
		if !op.takesBody() {
			continue
		}
		for _, body := range malformed {
			if answer := s.Do(t, op.Method, op.at(agent.ID.String()), s.grace, body); answer.Status != http.StatusBadRequest {
				t.Errorf("%s %s of %.40q: got %d %s", op.Method, op.Path, body, answer.Status, answer.Body)
			}
		}
		for _, body := range broken {
			if answer := s.Do(t, op.Method, op.at(agent.ID.String()), s.grace, body); answer.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s %s of %.40q: got %d %s", op.Method, op.Path, body, answer.Status, answer.Body)
			}
		}
		s.Do(t, op.Method, op.at(agent.ID.String()), s.grace, "{}", apitest.Header{Name: "Content-Type", Value: "text/plain"}).
			WantProblem(t, http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
		if op.Path != "/api/v1/audit/run" { // which needs no body
			s.Do(t, op.Method, op.at(agent.ID.String()), s.grace, "", apitest.Header{Name: "Content-Type", Value: "application/json"}).
				WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
		}
	}
	if after := s.all(t, "/api/v1/agents"); len(after) != 1 || after[0].Version != agent.Version {
		t.Errorf("refused bodies left %+v", after)
	}
}

// I13: whatever stands in any parameter of any operation, it is a text that fits or one that does not.
func TestI13_EveryParameter(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.publish(t, writer).ID.String()
	tables := func() int {
		return dbtest.Scalar[int](t, s.DB, `select count(*) from pg_class where relnamespace = 'plant'::regnamespace`)
	}
	before := tables()
	operations, _ := published(t)
	governor := s.Token(t, auth.Governor, "grace")
	for _, op := range operations {
		for _, parameter := range op.Parameters {
			if parameter.In != "query" || op.Method != "GET" {
				continue
			}
			literal := s.Do(t, "GET", op.at(id)+"?"+parameter.Name+"=nothing+of+this+name", governor, "").Status
			for _, text := range hostile {
				if text == "1e1" && strings.HasPrefix(parameter.Name, "max_") {
					continue // a number
				}
				answer := s.Do(t, "GET", op.at(id)+"?"+parameter.Name+"="+url.QueryEscape(text), governor, "")
				if answer.Status != literal {
					t.Errorf("%s?%s=%s: got %d, and %d for a plain text: %s", op.Path, parameter.Name, text, answer.Status, literal, answer.Body)
				}
			}
		}
	}
	if after := tables(); after != before || s.count(t) != 1 {
		t.Errorf("there were %d tables and 1 agent, and are %d and %d", before, after, s.count(t))
	}
}

// HEAD answers what GET does, but for the body.
func TestHead(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.publish(t, writer).ID.String()
	operations, _ := published(t)
	for _, op := range operations {
		if op.Method != "GET" {
			continue
		}
		get, head := s.Do(t, "GET", op.at(id), "", ""), s.Do(t, "HEAD", op.at(id), "", "")
		for _, name := range []string{"ETag", "Link", "Content-Type", "Cache-Control"} {
			if get.Header.Get(name) != head.Header.Get(name) {
				t.Errorf("%s: %s is %q, and of HEAD %q", op.Path, name, get.Header.Get(name), head.Header.Get(name))
			}
		}
		if head.Status != get.Status || head.Body != "" {
			t.Errorf("HEAD %s: got %d, not %d: %s", op.Path, head.Status, get.Status, head.Body)
		}
	}
}
