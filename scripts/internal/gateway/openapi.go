package gateway

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waooaw/plant/shared/httpapi"
)

// document is an OpenAPI document, as far as merging has to look into it.
type document struct {
	OpenAPI    string                               `json:"openapi"`
	Info       map[string]string                    `json:"info"`
	Paths      map[string]map[string]jsontext.Value `json:"paths"`
	Components map[string]map[string]jsontext.Value `json:"components"`
	Problems   []httpapi.ProblemType                `json:"x-problem-types,omitempty"`
	Rest       jsontext.Value                       `json:",unknown"`
}

// merge makes one document of the functions'. Two that describe the same operation, or the same component differently,
// are an error. The result is the same whatever the order.
func merge(documents map[string][]byte) (document, error) {
	all := document{
		OpenAPI:    "3.1.0",
		Info:       map[string]string{"title": "Plant", "version": "1.0.0", "description": "The marketplace of AI agents: find, compare, try and hire them."},
		Paths:      map[string]map[string]jsontext.Value{},
		Components: map[string]map[string]jsontext.Value{},
	}
	problems := map[string]httpapi.ProblemType{}
	for _, function := range slices.Sorted(maps.Keys(documents)) {
		var one document
		if err := json.Unmarshal(documents[function], &one); err != nil {
			return all, fmt.Errorf("read the OpenAPI document of %s: %w", function, err)
		}
		if err := join("path", all.Paths, one.Paths, nil); err != nil {
			return all, fmt.Errorf("merge the OpenAPI document of %s: %w", function, err)
		}
		same := func(a, b jsontext.Value) bool { return string(a) == string(b) }
		if err := join("component", all.Components, one.Components, same); err != nil {
			return all, fmt.Errorf("merge the OpenAPI document of %s: %w", function, err)
		}
		for _, p := range one.Problems {
			problems[p.Code] = p
		}
	}
	for _, code := range slices.Sorted(maps.Keys(problems)) {
		all.Problems = append(all.Problems, problems[code])
	}
	return all, nil
}

// join adds what is new. What is there already has to be the same, where anything can be.
func join(what string, into, from map[string]map[string]jsontext.Value, same func(a, b jsontext.Value) bool) error {
	for outer, members := range from {
		if into[outer] == nil {
			into[outer] = map[string]jsontext.Value{}
		}
		for inner, value := range members {
			if err := value.Canonicalize(); err != nil {
				return err
			}
			if other, there := into[outer][inner]; there && (same == nil || !same(other, value)) {
				return fmt.Errorf("%s %s %s is described twice", what, outer, inner)
			}
			into[outer][inner] = value
		}
	}
	return nil
}
