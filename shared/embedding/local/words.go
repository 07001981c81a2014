package local

import (
	"iter"
	"strings"
	"unicode"

	"github.com/kljensen/snowball/english"
	"golang.org/x/text/unicode/norm"
)

// maxTermBytes of a word are looked at: what is longer is no word.
const maxTermBytes = 64

// stems yields the words of a text as PostgreSQL's dictionary english has them: lower case, stemmed, without stop words.
// Words of other languages are left as they are.
func stems(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for word := range strings.FieldsFuncSeq(strings.ToLower(norm.NFC.String(text)), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) && r != '_'
		}) {
			if stopWords[word] {
				continue
			}
			if len(word) > maxTermBytes {
				word = strings.ToValidUTF8(word[:maxTermBytes], "")
			}
			if !yield(english.Stem(word, true)) {
				return
			}
		}
	}
}

// stopWords are those of PostgreSQL's dictionary english.
var stopWords = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(`
		i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its
		itself they them their theirs themselves what which who whom this that these those am is are was were be been being
		have has had having do does did doing a an the and but if or because as until while of at by for with about against
		between into through during before after above below to from up down in out on off over under again further then once
		here there when where why how all any both each few more most other some such no nor not only own same so than too
		very s t can will just don should now`) {
		words[word] = true
	}
	return words
}()
