package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/logging"
)

func TestScanJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		ok         bool
		faults     []*Fault
	}{
		{"object", `{"a":[1,{"b":"x"}]} ` + "\n", true, nil},
		{"newline and tab", `{"a":"x\n\ty"}`, true, nil},
		{"empty", ``, false, nil},
		{"blanks", "  ", false, nil},
		{"cut", `{"a":`, false, nil},
		{"duplicate name", `{"a":1,"a":2}`, false, nil},
		{"duplicate name within", `{"x":{"a":1,"a":2}}`, false, nil},
		{"two documents", `{} {}`, false, nil},
		{"trailing comma", `{"a":1,}`, false, nil},
		{"bad UTF-8", "{\"a\":\"\xff\"}", false, nil},
		{"overlong", "{\"a\":\"\xc0\xaf\"}", false, nil},
		{"lone surrogate", `{"a":"\ud800"}`, false, nil},
		{"byte order mark", "\ufeff{}", false, nil},
		{"NUL in a value", `{"a":[{"b":"x\u0000"}]}`, true, []*Fault{{Location: "body.a[0].b", Message: `holds a control character other than \n and \t`}}},
		{"number beyond float64", `{"a":1e400}`, true, []*Fault{{Location: "body.a", Message: "number out of range"}}},
		{"NaN", `{"a":NaN}`, false, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			faults, err := scanJSON([]byte(test.body))
			if (err == nil) != test.ok {
				t.Errorf("err = %v", err)
			}
			if diff := cmp.Diff(test.faults, faults); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzScanJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"x",null,true]}`, `{"a":1,"a":2}`, "[[[[", `"\ud800"`, "{\"\xff\":1}", `1e400`, `{"a":"\u0000"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := scanJSON(body); err != nil {
			return
		}
		var v any
		if err := unmarshal(body, &v); err != nil && len(body) > 0 {
			// Only numbers beyond float64 pass the scan, as faults, and not the decoder.
			if faults, _ := scanJSON(body); len(faults) == 0 {
				t.Errorf("scanned but not decoded: %q: %v", body, err)
			}
		}
	})
}

// A cursor opens in its own scope only, and not when any bit of it was changed.
func TestCursors_RefuseWhatTheyDidNotSeal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Cursors{key: []byte("k")}
		scope := rapid.String().Draw(t, "scope")
		position := rapid.SliceOf(rapid.StringMatching(`[ -~]*`)).Draw(t, "position")
		sealed, err := c.Seal(scope, position)
		if err != nil {
			t.Fatal(err)
		}
		opened, ok := c.Open(scope, sealed)
		if !ok || len(opened) != len(position) || len(position) > 0 && !cmp.Equal(position, opened) {
			t.Fatalf("%q opens as %q, %v", position, opened, ok)
		}
		if _, ok := c.Open(scope+"x", sealed); ok {
			t.Fatal("opens in another scope")
		}
		if _, ok := (Cursors{key: []byte("other")}).Open(scope, sealed); ok {
			t.Fatal("opens under another key")
		}
		bit := rapid.IntRange(0, len(sealed)*8-1).Draw(t, "bit")
		altered := []byte(sealed)
		altered[bit/8] ^= 1 << (bit % 8)
		if _, ok := c.Open(scope, string(altered)); ok {
			t.Fatalf("opens with bit %d changed", bit)
		}
	})
}

func FuzzCursor(f *testing.F) {
	c := Cursors{key: []byte("k")}
	sealed, err := c.Seal("/a?", []string{"x", "y"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		if _, ok := c.Open("/a?", cursor); ok && cursor != sealed {
			t.Errorf("%q opens", cursor)
		}
	})
}

func TestPrecondition_Versions(t *testing.T) {
	t.Parallel()
	tests := map[string][]int64{
		"":                        nil,
		"*":                       nil,
		" * ":                     nil,
		`"3.abc"`:                 {3},
		`"3"`:                     {3},
		`"3.abc", "4.def"`:        {3, 4},
		`W/"3.abc"`:               {},
		`W/"3.a","4.b"`:           {4},
		`3`:                       {},
		`"x"`:                     {},
		`"`:                       {},
		`""`:                      {},
		`"9223372036854775808.a"`: {},
	}
	for header, want := range tests {
		if diff := cmp.Diff(want, (Precondition{IfMatch: header}).Versions()); diff != "" {
			t.Errorf("%s: %s", header, diff)
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"": false, "*": true, `"1.a"`: true, `W/"1.a"`: true, `"2.a", "1.a"`: true, `"2.a"`: false, `1.a`: false, `"1.b"`: false,
	}
	for header, want := range tests {
		if got := matches(header, `"1.a"`); got != want {
			t.Errorf("%s: got %v", header, got)
		}
	}
}

func TestProblemFor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err    error
		status int
		code   string
	}{
		{database.ErrNotFound, 404, "NOT_FOUND"},
		{database.ErrForbidden, 403, "FORBIDDEN"},
		{database.ErrStale, 412, "STALE"},
		{database.ErrConflict, 409, "CONFLICT"},
		{database.ErrReference, 422, "INVALID"},
		{database.ErrInvalid, 422, "INVALID"},
		{database.ErrBusy, 503, "UNAVAILABLE"},
		{database.ErrTimeout, 503, "UNAVAILABLE"},
		{database.ErrUnavailable, 503, "UNAVAILABLE"},
		{context.DeadlineExceeded, 503, "UNAVAILABLE"},
		{context.Canceled, 503, "UNAVAILABLE"},
		{errors.New("anything"), 500, "INTERNAL"},
		{InvalidCursor.Problem("x"), 422, "INVALID_CURSOR"},
	}
	for _, test := range tests {
		got := problemFor(test.err)
		if got.Status != test.status || got.Code != test.code {
			t.Errorf("%v: got %d %s, want %d %s", test.err, got.Status, got.Code, test.status, test.code)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{"abc-123_X.y:z": true, "": false, "a b": false, "a\x00b": false, "<script>": false, string(make([]byte, 129)): false}
	for sent, kept := range tests {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header["X-Request-Id"] = []string{sent}
		if got := requestID(r); (got == sent) != kept || got == "" {
			t.Errorf("%q: got %q", sent, got)
		}
	}
}

func TestLazily_TriesAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	starts := 0
	handler := lazily(func(context.Context) (*Service, error) {
		starts++
		if starts == 1 {
			return nil, errors.New("not yet")
		}
		f := Function{Name: "probe", Title: "Probe", Register: func(*API, *database.DB) error { return nil }}
		settings := Settings{Database: database.Config{URL: "postgres://nobody@127.0.0.1:1/none", MaxConns: 1}}
		settings.HTTP = Config{CursorKey: "k", RequestTimeout: time.Second, MaxInFlight: 10}
		return f.Open(context.Background(), settings, logging.New(io.Discard, logging.Config{}))
	})
	want := []int{http.StatusServiceUnavailable, http.StatusOK, http.StatusOK}
	for i, status := range want {
		w := httptest.NewRecorder()
		handler(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/probe/health", nil))
		if w.Code != status {
			t.Errorf("request %d got %d, want %d", i, w.Code, status)
		}
		if id := w.Header().Get("X-Request-Id"); id == "" || status != http.StatusOK && !strings.Contains(w.Body.String(), id) {
			t.Errorf("request %d has the id %q: %s", i, id, w.Body)
		}
	}
	if starts != 2 {
		t.Errorf("started %d times, want 2", starts)
	}
}

// F21: a start that hangs is one for all who come meanwhile, and they share its end.
func TestF21_LazilySharesAStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts atomic.Int32
		release := make(chan struct{})
		handler := lazily(func(context.Context) (*Service, error) {
			starts.Add(1)
			<-release
			return nil, errors.New("the secrets do not answer")
		})
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				w := httptest.NewRecorder()
				handler(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
				if w.Code != http.StatusServiceUnavailable {
					t.Errorf("got %d", w.Code)
				}
			})
		}
		synctest.Wait() // until all of them do
		close(release)
		callers.Wait()
		if got := starts.Load(); got != 1 {
			t.Errorf("20 callers began %d starts", got)
		}
	})
}
