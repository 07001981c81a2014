package local

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStems(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "",
		"The Lawyer's contracts, re-read": "lawyer contract re read",
		"C++ and C# snake_case 3.5 ２":     "c c snake_cas 3 5 ２",
		"Cafe\u0301 CAFÉ":                 "café café",
		"कानूनी सलाह 法律顾问": "कानूनी सलाह 法律顾问",
		"😀 … !":               "",
		"can will just don't": "",
	} {
		if diff := cmp.Diff(want, strings.Join(slices.Collect(stems(text)), " ")); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	for _, long := range []string{strings.Repeat("z", 10_000), strings.Repeat("律", 10_000)} {
		got := slices.Collect(stems(long))
		if len(got) != 1 || len(got[0]) > maxTermBytes || !strings.HasPrefix(long, got[0]) {
			t.Errorf("a word of %d bytes is %q", len(long), got)
		}
	}
}
