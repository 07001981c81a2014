// Package routes says which function answers which path. routes.json is the one table: the local gateway reads it, and
// so does the load balancer's URL map.
package routes

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
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

// Route sends every path that one of its patterns matches to a function. In a pattern * is one segment, and ** whatever
// follows its slash, stands only at the end and takes nothing too: /x/** matches /x/ and /x/y, but not /x. Otherwise one
// trailing slash does not matter, as in the functions.
type Route struct {
	Function string   `json:"function"`
	Patterns []string `json:"patterns"`
}

// Load returns the table of this build.
func Load() (Table, error) { return Parse(table) }

// Parse reads a table strictly. It refuses patterns that the load balancer would, and those that an earlier one hides.
func Parse(text []byte) (Table, error) {
	var t Table
	if err := json.Unmarshal(text, &t, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	if t == nil {
		return nil, errors.New("read routes: there is no list")
	}
	var earlier []string
	for i, route := range t {
		switch {
		case !functionName.MatchString(route.Function):
			return nil, fmt.Errorf("read routes: route %d: %q is no function", i, route.Function)
		case route.Function == Default:
			return nil, fmt.Errorf("read routes: route %d: %s has no patterns, since it answers what no other does", i, Default)
		case len(route.Patterns) == 0:
			return nil, fmt.Errorf("read routes: route %d: %s has no patterns", i, route.Function)
		}
		for _, pattern := range route.Patterns {
			if err := check(pattern, earlier); err != nil {
				return nil, fmt.Errorf("read routes: pattern %q: %w", pattern, err)
			}
			earlier = append(earlier, pattern)
		}
	}
	return t, nil
}

var (
	functionName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	plainSegment = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`) // what RFC 3986 never escapes
)

func check(pattern string, earlier []string) error {
	if !strings.HasPrefix(pattern, "/") {
		return errors.New("does not begin with a slash")
	}
	segments := strings.Split(pattern[1:], "/")
	wildcards := 0
	for i, segment := range segments {
		switch {
		case segment == "":
			return errors.New("has an empty segment, or a slash at its end")
		case segment == "." || segment == "..":
			return errors.New("has a dot segment, which no path has")
		case segment == "**" && i < len(segments)-1:
			return errors.New("has ** before its end")
		case segment == "*" || segment == "**":
			wildcards++
		case strings.Contains(segment, "*"):
			return errors.New("has a wildcard that is only part of a segment")
		case !plainSegment.MatchString(segment):
			return fmt.Errorf("has a segment %q that a path would escape", segment)
		}
	}
	if wildcards > maxWildcards {
		return fmt.Errorf("has more than %d wildcards", maxWildcards)
	}
	for _, other := range earlier {
		if hides(other, pattern) {
			return fmt.Errorf("is never reached: %s comes before it", other)
		}
	}
	return nil
}

// Function returns the function that answers a path, in which nothing is escaped.
func (t Table) Function(path string) string {
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
	for pattern != "" {
		if !strings.HasPrefix(path, "/") {
			return false
		}
		var want, got string
		want, pattern = next(pattern)
		if want == "**" {
			return true
		}
		got, path = next(path)
		if want != got && (want != "*" || got == "") {
			return false
		}
	}
	return path == "" || path == "/"
}

// hides reports whether the earlier pattern takes every path of the later one. If so it matches the later one, read as a
// path; the reverse holds too, but for a * that stands where the later one has **.
func hides(earlier, later string) bool {
	return matches(earlier, later) && (strings.HasSuffix(earlier, "/**") || !strings.HasSuffix(later, "/**"))
}

// next splits "/first/rest" into "first" and "/rest".
func next(path string) (segment, rest string) {
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[1 : 1+i], path[1+i:]
	}
	return path[1:], ""
}
