package httpapi

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/text/unicode/norm"
)

// Checks brings the texts of a body into the form that is stored, NFC, and collects what a schema cannot say. Make one
// in a body's Resolve method.
type Checks struct {
	at     string
	faults []error
}

// CheckBody returns checks of the body, or the part of one, that at stands for.
func CheckBody(at *huma.PathBuffer) *Checks { return &Checks{at: at.String()} }

// Add notes what is wrong with a member; "" is nothing.
func (c *Checks) Add(member, message string) {
	if message != "" {
		c.faults = append(c.faults, &Fault{Location: c.at + "." + member, Message: message})
	}
}

// Line checks text of one line, a name say: no line breaks, no tabs, not blank, at most so many characters. Nil is text
// that was not sent.
func (c *Checks) Line(member string, text *string, most int) {
	c.Prose(member, text, most)
	switch {
	case text == nil:
	case strings.ContainsAny(*text, "\n\t\u2028\u2029"):
		c.Add(member, "must be one line without tabs")
	case *text != "" && strings.TrimFunc(*text, invisible) == "":
		c.Add(member, "must not be blank")
	}
}

func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Lines checks each of several texts of one line.
func (c *Checks) Lines(member string, texts []string, most int) {
	for i := range texts {
		c.Line(member+"["+strconv.Itoa(i)+"]", &texts[i], most)
	}
}

// Prose checks text of any number of lines, a description say. The schema has bounded what was sent, but NFC makes some
// characters two or three.
func (c *Checks) Prose(member string, text *string, most int) {
	if text == nil {
		return
	}
	sent := utf8.RuneCountInString(*text)
	*text = norm.NFC.String(*text)
	if stored := utf8.RuneCountInString(*text); sent <= most && stored > most {
		c.Add(member, fmt.Sprintf("has %d characters in NFC, and may have %d", stored, most))
	}
}

// Errors returns what was found, for huma.
func (c *Checks) Errors() []error { return c.faults }
