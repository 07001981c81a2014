package httpapi

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
)

// Field is a member of a partial body that may be absent, null or a value. Absent keeps what is stored; null removes it,
// as in JSON Merge Patch (RFC 7396), which leaves the default.
type Field[T any] struct {
	Sent  bool
	Value *T // nil for null
}

// UnmarshalJSON implements json.Unmarshaler; it is called for members that are present.
func (f *Field[T]) UnmarshalJSON(text []byte) error {
	f.Sent = true
	return json.Unmarshal(text, &f.Value, json.RejectUnknownMembers(true))
}

// MarshalJSON implements json.Marshaler.
func (f Field[T]) MarshalJSON() ([]byte, error) { return json.Marshal(f.Value) }

// IsZero reports whether the member was absent, for `omitzero`.
func (f Field[T]) IsZero() bool { return !f.Sent }

// Schema implements huma.SchemaProvider: T's own schema, or null.
func (Field[T]) Schema(r huma.Registry) *huma.Schema {
	schema := *huma.SchemaFromType(r, reflect.TypeFor[T]())
	schema.Nullable = true
	return &schema
}

// Or returns what to store: nil where the member is absent, whenNull where it is null.
func (f Field[T]) Or(whenNull T) *T {
	if f.Sent && f.Value == nil {
		return &whenNull
	}
	return f.Value
}
