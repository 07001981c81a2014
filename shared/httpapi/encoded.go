package httpapi

import (
	"io"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/database"
)

// Encoded is a T that is JSON already. It is sent as it is, once.
type Encoded[T any] struct {
	json    []byte
	release func() // lets go of json when it was sent; may be nil
}

// Schema implements huma.SchemaProvider.
func (Encoded[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

func (e Encoded[T]) writeTo(w io.Writer) error {
	_, err := w.Write(e.json)
	if e.release != nil {
		e.release()
	}
	return err
}

// AnswerObject is Answer for a resource that was read as JSON.
func AnswerObject[T any](condition Conditional, object database.Object[T]) (*Versioned[Encoded[T]], error) {
	return answered(condition, etag(object.Version, object.Derived), Encoded[T]{json: object.JSON}), nil
}
