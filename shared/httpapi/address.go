package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// checkAddress makes sure that the mux, the access rules and the handlers all see the same path and query, and that
// both are clean text. It strips one trailing slash, so that both forms of a path answer, and brings the query into NFC,
// since that is how text is stored.
func checkAddress(r *http.Request) *Problem {
	path := r.URL.Path
	if escaped := strings.ToLower(r.URL.EscapedPath()); !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl) ||
		strings.Contains(path, "//") || strings.Contains(path, `\`) || strings.Contains(escaped, "%2f") || hasDotSegment(path) {
		return NotFound.Problem("there is nothing at this address")
	}
	if len(path) > 1 {
		r.URL.Path = strings.TrimSuffix(path, "/")
		r.URL.RawPath = strings.TrimSuffix(r.URL.RawPath, "/")
	}
	if r.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return MalformedRequest.Problem("the query is not well-formed")
	}
	var faults []*Fault
	normal := true
	for name, values := range query {
		for i, value := range values {
			if !utf8.ValidString(name) || !utf8.ValidString(value) {
				return MalformedRequest.Problem("the query is not UTF-8")
			}
			if strings.ContainsFunc(value, unicode.IsControl) {
				faults = append(faults, &Fault{Location: "query." + name, Message: "holds a control character"})
			}
			if !norm.NFC.IsNormalString(value) {
				normal = false
				values[i] = norm.NFC.String(value)
			}
		}
		if len(values) > 1 {
			faults = append(faults, &Fault{Location: "query." + name, Message: "given more than once"})
		}
	}
	if len(faults) > 0 {
		return Invalid.Problem(summary(faults), faults...)
	}
	if !normal {
		r.URL.RawQuery = query.Encode()
	}
	return nil
}

func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
