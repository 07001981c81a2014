package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds how deeply a body may be nested.
const maxDepth = 100

// scanJSON reads a body once, token by token, before anything is made of it. The error tells why it is not one
// well-formed document: bad syntax, bad UTF-8, a lone surrogate, a duplicate name, a second document, too deep a nest.
// The faults are values that no field of ours takes: numbers beyond float64 and control characters other than \n and \t.
func scanJSON(body []byte) (faults []*Fault, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		token, err := dec.ReadToken()
		switch {
		case errors.Is(err, io.EOF) && dec.InputOffset() > 0:
			return faults, nil
		case err != nil:
			return nil, readable(err)
		case dec.StackDepth() > maxDepth:
			return nil, fmt.Errorf("nested more than %d deep", maxDepth)
		}
		switch token.Kind() {
		case '0':
			if _, err := strconv.ParseFloat(token.String(), 64); err != nil {
				faults = append(faults, &Fault{Location: location(dec), Message: "number out of range"})
			}
		case '"':
			if strings.ContainsFunc(token.String(), unwelcome) {
				faults = append(faults, &Fault{Location: location(dec), Message: `holds a control character other than \n and \t`})
			}
		}
		if dec.StackDepth() == 0 {
			if rest := bytes.TrimLeft(body[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
				return nil, errors.New("something follows the JSON document")
			}
			return faults, nil
		}
	}
}

func unwelcome(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// readable says in our words what the decoder found, without quoting the body.
func readable(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		errors.As(err, &syntax)
		return fmt.Errorf("the name at %s occurs twice", syntax.JSONPointer)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON document ends too early")
	case errors.As(err, &syntax):
		return fmt.Errorf("not well-formed JSON in UTF-8 at byte %d", syntax.ByteOffset)
	default:
		return errors.New("not well-formed JSON in UTF-8")
	}
}

// location says where the decoder is, as huma writes it: body.agents[3].name.
func location(dec *jsontext.Decoder) string {
	var b strings.Builder
	b.WriteString("body")
	depth := 0
	for name := range dec.StackPointer().Tokens() {
		depth++
		if kind, _ := dec.StackIndex(depth); kind == '[' {
			b.WriteString("[" + name + "]")
		} else {
			b.WriteString("." + name)
		}
	}
	return b.String()
}

// unmarshal decodes a body that scanJSON accepted. Names are compared exactly and unknown ones refused.
func unmarshal(body []byte, v any) error {
	err := json.Unmarshal(body, v, json.RejectUnknownMembers(true))
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return fmt.Errorf("the value at %q is not of the kind that belongs there", string(semantic.JSONPointer))
	}
	return err
}

func marshal(w io.Writer, v any) error {
	if ready, ok := v.(interface{ writeTo(io.Writer) error }); ok {
		return ready.writeTo(w)
	}
	return json.MarshalWrite(w, v)
}

// nulls finds the nulls of a value that stand where its schema has none. huma lets them pass where a member is optional.
func nulls(registry huma.Registry, schema *huma.Schema, at string, value any) []*Fault {
	for schema != nil && schema.Ref != "" {
		schema = registry.SchemaFromRef(schema.Ref)
	}
	if schema == nil || schema.Type == "" {
		return nil // anything goes
	}
	var faults []*Fault
	switch value := value.(type) {
	case nil:
		if !schema.Nullable {
			faults = append(faults, &Fault{Location: at, Message: "must not be null"})
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			faults = append(faults, nulls(registry, schema.Properties[name], at+"."+name, value[name])...)
		}
	case []any:
		for i, item := range value {
			faults = append(faults, nulls(registry, schema.Items, at+"["+strconv.Itoa(i)+"]", item)...)
		}
	}
	return faults
}
