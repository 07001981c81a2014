package httpapi

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Item is one element of a batch. It is read by itself, so that one that breaks a rule fails alone.
type Item[T any] struct{ text jsontext.Value }

// UnmarshalJSON implements json.Unmarshaler.
func (i *Item[T]) UnmarshalJSON(text []byte) error {
	i.text = append(i.text[:0], text...)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (i Item[T]) MarshalJSON() ([]byte, error) { return i.text, nil }

// Schema implements huma.SchemaProvider: anything is let through to Read, a T is what is meant.
func (Item[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[T](), true, ""),
		{Description: "anything else is refused in its own result"},
	}}
}

// Read checks an item as huma checks a body, and returns it or a problem whose locations begin with body.
func (i Item[T]) Read(operations huma.API) (*T, *Problem) {
	var parsed any
	if err := unmarshal(i.text, &parsed); err != nil {
		return nil, Invalid.Problem("not a JSON value")
	}
	registry := operations.OpenAPI().Components.Schemas
	at := huma.NewPathBuffer([]byte("body"), len("body"))
	var found huma.ValidateResult
	schema := registry.Schema(reflect.TypeFor[T](), true, "")
	huma.Validate(registry, schema, at, huma.ModeWriteToServer, parsed, &found)
	for _, fault := range nulls(registry, schema, "body", parsed) {
		found.Errors = append(found.Errors, fault)
	}
	item := new(T)
	if len(found.Errors) == 0 {
		if err := json.Unmarshal(i.text, item, json.RejectUnknownMembers(true)); err != nil {
			found.Errors = append(found.Errors, &Fault{Location: "body", Message: "holds a value that is not of the kind that belongs there"})
		} else if resolver, ok := any(item).(huma.ResolverWithPath); ok {
			found.Errors = resolver.Resolve(nil, at)
		}
	}
	if len(found.Errors) > 0 {
		faults := faultsOf(found.Errors)
		return nil, Invalid.Problem(summary(faults), faults...)
	}
	return item, nil
}
