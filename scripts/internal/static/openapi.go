package static

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waooaw/plant/shared/httpapi"
)

// document is an OpenAPI document. What else one could hold would be lost by merging: reading it is an error.
type document struct {
	OpenAPI    string                               `json:"openapi"`
	Info       map[string]jsontext.Value            `json:"info"`
	Paths      map[string]map[string]jsontext.Value `json:"paths"`
	Components map[string]map[string]jsontext.Value `json:"components"`
	Problems   []httpapi.ProblemType                `json:"x-problem-types"`
}

// merge makes one document of the functions'. Two that describe the same operation, or a component or a kind of problem
// differently, are an error. The result is the same whatever the order.
func merge(documents map[string][]byte) (document, error) {
	all := document{
		OpenAPI: "3.1.0",
		Info: map[string]jsontext.Value{
			"title":       jsontext.Value(`"Plant"`),
			"version":     jsontext.Value(`"1.0.0"`),
			"description": jsontext.Value(`"The marketplace of AI agents: find, compare, try and hire them."`),
		},
		Paths:      map[string]map[string]jsontext.Value{},
		Components: map[string]map[string]jsontext.Value{},
	}
	problems := map[string]httpapi.ProblemType{}
	for _, function := range slices.Sorted(maps.Keys(documents)) {
		if err := add(&all, problems, documents[function]); err != nil {
			return document{}, fmt.Errorf("merge the OpenAPI document of %s: %w", function, err)
		}
	}
	for _, slug := range slices.Sorted(maps.Keys(problems)) {
		all.Problems = append(all.Problems, problems[slug])
	}
	return all, nil
}

func add(all *document, problems map[string]httpapi.ProblemType, text []byte) error {
	var one document
	if err := json.Unmarshal(text, &one, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	if !strings.HasPrefix(one.OpenAPI, "3.1.") {
		return fmt.Errorf("it is OpenAPI %q, not 3.1", one.OpenAPI)
	}
	never := func(_, _ jsontext.Value) bool { return false }
	if err := join("path", all.Paths, one.Paths, never); err != nil {
		return err
	}
	if err := join("component", all.Components, one.Components, func(a, b jsontext.Value) bool { return string(a) == string(b) }); err != nil {
		return err
	}
	for _, p := range one.Problems {
		if other, there := problems[p.Slug]; there && other != p {
			return fmt.Errorf("the problem %s is described twice", p.Code)
		}
		problems[p.Slug] = p
	}
	return nil
}

// join adds what is new. What is there already has to be the same.
func join(what string, into, from map[string]map[string]jsontext.Value, same func(a, b jsontext.Value) bool) error {
	for outer, members := range from {
		if into[outer] == nil {
			into[outer] = map[string]jsontext.Value{}
		}
		for inner, value := range members {
			if err := value.Canonicalize(); err != nil {
				return err
			}
			if other, there := into[outer][inner]; there && !same(other, value) {
				return fmt.Errorf("%s %s %s is described twice", what, outer, inner)
			}
			into[outer][inner] = value
		}
	}
	return nil
}
