package httpapi

import (
	"strconv"
	"strings"

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

// Line checks text of one line, a name say: no line breaks, no tabs, not blank. Nil is text that was not sent.
func (c *Checks) Line(member string, text *string) {
	if text == nil {
		return
	}
	*text = norm.NFC.String(*text)
	switch {
	case strings.ContainsAny(*text, "\n\t"):
		c.Add(member, "must be one line without tabs")
	case *text != "" && strings.TrimSpace(*text) == "":
		c.Add(member, "must not be blank")
	}
}

// Lines checks each of several texts of one line.
func (c *Checks) Lines(member string, texts []string) {
	for i := range texts {
		c.Line(member+"["+strconv.Itoa(i)+"]", &texts[i])
	}
}

// Prose checks text of any number of lines, a description say.
func (c *Checks) Prose(text *string) {
	if text != nil {
		*text = norm.NFC.String(*text)
	}
}

// Errors returns what was found, for huma.
func (c *Checks) Errors() []error { return c.faults }
