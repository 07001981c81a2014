// Package routes says which function answers which path. routes.json is the one table: the local gateway reads it, and
// so does the load balancer's URL map.
package routes

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
)

// Default is the function that answers whatever no pattern matches.
const Default = "agents"

// maxWildcards a pattern may have, as the load balancer allows.
const maxWildcards = 5

//go:embed routes.json
var table []byte

// Table is an ordered list of routes: the first that matches wins, and what none matches goes to Default.
type Table []Route

// Route sends every path that one of its patterns matches to a function. In a pattern * is one segment and ** the rest,
// which has at least one segment and stands only at the end.
type Route struct {
	Function string   `json:"function"`
	Patterns []string `json:"patterns"`
}

// Load returns the table of this build.
func Load() (Table, error) { return Parse(table) }

// Parse reads a table and checks every pattern.
func Parse(text []byte) (Table, error) {
	var t Table
	if err := json.Unmarshal(text, &t, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	for i, route := range t {
		if route.Function == "" || len(route.Patterns) == 0 {
			return nil, fmt.Errorf("read routes: route %d lacks a function or patterns", i)
		}
		for _, pattern := range route.Patterns {
			if err := check(pattern); err != nil {
				return nil, fmt.Errorf("read routes: pattern %q: %w", pattern, err)
			}
		}
	}
	return t, nil
}

func check(pattern string) error {
	if !strings.HasPrefix(pattern, "/") || len(pattern) > 1 && strings.HasSuffix(pattern, "/") {
		return errors.New("must begin with a slash and not end with one")
	}
	segments := strings.Split(pattern[1:], "/")
	wildcards := 0
	for i, segment := range segments {
		switch {
		case segment == "":
			return errors.New("has an empty segment")
		case segment == "**" && i < len(segments)-1:
			return errors.New("has ** before its end")
		case segment == "*" || segment == "**":
			wildcards++
		case strings.ContainsAny(segment, "*?#{}"):
			return errors.New("has a wildcard that is only part of a segment")
		}
	}
	if wildcards > maxWildcards {
		return fmt.Errorf("has more than %d wildcards", maxWildcards)
	}
	return nil
}

// Function returns the function that answers a path. One trailing slash does not matter.
func (t Table) Function(path string) string {
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	for _, route := range t {
		for _, pattern := range route.Patterns {
			if matches(pattern, path) {
				return route.Function
			}
		}
	}
	return Default
}

// matches compares segment by segment.
func matches(pattern, path string) bool {
	for {
		var want, got string
		want, pattern = next(pattern)
		got, path = next(path)
		switch {
		case want == "**":
			return got != ""
		case want == "*":
			if got == "" {
				return false
			}
		case want != got:
			return false
		}
		if pattern == "" || path == "" {
			return pattern == path
		}
	}
}

// next splits "/first/rest" into "first" and "/rest".
func next(path string) (segment, rest string) {
	path = strings.TrimPrefix(path, "/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}
