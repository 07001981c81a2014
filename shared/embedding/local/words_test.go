package local

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/database/dbtest"
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

// Stems are those that PostgreSQL searches by.
func TestStems_AsPostgreSQL(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	for word := range strings.FieldsSeq(`
		the of themselves can don t s doing should i
		agent agents agency agencies agreed agreement analyse analysed analyses analysing analysis analyst analytical arguing
		bias business businesses busy careful cared caress cries cry dies dying early engineer engineered engineering
		exceed exceeding exceptional fluently gas generate generator generic generously goods herring hoping hopping howe idly
		inning innings international internationalisation internationalization knack kiwis lay lying marketer marketing
		maximum meant meeting news nicely nursing oed only organisation organizational outing physician physics plotted
		policies proceed publish publishing pull queries rational relational relativity replacement runner running
		scheduling sensational singly skis sky software specialisations specialist studies succeed succeeding teacher
		teaching ties tied training ugly utility vacation valued vietnamization vileness wholly writing yes young youth
		b2b 3d 800 é naïve café résumés über кошки कानूनी 法律 ab x y dy`) {
		// The parser makes words of texts, the dictionary stems of words: null is a word that it does not know as English.
		want := dbtest.Scalar[string](t, db, `select coalesce(array_to_string(ts_lexize('english_stem', $1), ' '), $1)`, word)
		if got := strings.Join(slices.Collect(stems(word)), " "); got != want {
			t.Errorf("%s is %q, not %q", word, got, want)
		}
	}
}
