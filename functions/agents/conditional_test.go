package agents

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// A condition that is sent is one: over several lines it is one list, and an empty list holds no version at all.
func TestConditional_LinesAreOneList(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.path(t, writer)
	put := func(conditions string) int {
		t.Helper()
		status, _, body := raw(t, s.URL, fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%sContent-Length: 2\r\nConnection: close\r\n\r\n{}",
			path, s.ada, conditions))
		if status != http.StatusOK && !strings.Contains(body, `"code":"STALE"`) {
			t.Errorf("%q: got %d %s", conditions, status, body)
		}
		return status
	}
	version := 1
	for _, test := range []struct {
		conditions string
		want       int
	}{
		{"If-Match:\r\n", 412},
		{"If-Match: ,\r\n", 412},
		{"If-Match: \"99.a\"\r\nIf-Match: \"98.a\"\r\n", 412},
		{"If-Match: W/\"%d.a\"\r\n", 412},
		{"If-Match: \"99.a\"\r\nIf-Match: \"%d.a\"\r\n", 200},
		{"If-Match: \"%d.a\"\r\nIf-Match: \"99.a\"\r\n", 200},
		{"if-match: \"x\" , \"%d.a\"\r\n", 200},
		{"", 200},
		{"If-Match: *\r\n", 200},
	} {
		conditions := strings.ReplaceAll(test.conditions, "%d", fmt.Sprint(version))
		if got := put(conditions); got != test.want {
			t.Errorf("%q: got %d, want %d", conditions, got, test.want)
		}
		version = int(apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, "", "")).Version)
	}
}

// What a partner reads after writing is what was written, to the tag, on every way of writing.
func TestConditional_TagOfAWriteIsThatOfARead(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.path(t, writer)
	for _, write := range []struct{ method, suffix, body string }{
		{"PUT", "", `{"name":"x"}`}, {"PATCH", "", `{"tags":["a"]}`}, {"PUT", "/status", `{"status":"working"}`}, {"DELETE", "", ""}, {"POST", "/restore", ""}, {"POST", "/transfer", `{"owner":"bob"}`},
	} {
		written := s.Do(t, write.method, path+write.suffix, s.ada, write.body)
		if write.method == "DELETE" {
			written.Want(t, http.StatusNoContent)
			continue
		}
		written.Want(t, http.StatusOK)
		read := s.Do(t, "GET", path, s.ada, "").Want(t, http.StatusOK)
		if written.Body != read.Body || written.Header.Get("ETag") == "" || written.Header.Get("ETag") != read.Header.Get("ETag") {
			t.Errorf("%s%s wrote %s %s, and read is %s %s", write.method, write.suffix, written.Header.Get("ETag"), written.Body, read.Header.Get("ETag"), read.Body)
		}
	}
}
