package database

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Object is a row that was written as JSON: what encoding its T would give, byte by byte, without a T in between. That is
// where most of the time of a list goes, otherwise.
type Object[T any] struct {
	ID      uuid.UUID // of its column id; zero where it has none
	Version int64     // of its column version; zero where it has none
	JSON    []byte
	Derived []byte // the part of JSON that changes without a new version, if there is one
}

// writer of one column as a member.
type writer struct {
	before    []byte // what stands before its value: punctuation, names
	after     []byte // what closes the objects that end with it
	column    int
	write     appender
	omitEmpty bool // leaves out a null; never the first member
	derives   int  // where in before, or after it, Derived begins; −1 where it does not
	ends      bool // of Derived
}

// encoder writes the rows of one result.
type encoder struct {
	columns     []pgconn.FieldDescription
	writers     []writer
	id, version int // columns, or −1
}

// encoders keeps those that were made: the last for each type, and each number of columns.
var encoders sync.Map

type encoderKey struct {
	of      reflect.Type
	derived string
	columns int
}

// encoderOf returns the encoder of a result with these columns.
func encoderOf[T any](columns []pgconn.FieldDescription, derived string) (*encoder, error) {
	key := encoderKey{reflect.TypeFor[T](), derived, len(columns)}
	if kept, ok := encoders.Load(key); ok {
		if e, ok := kept.(*encoder); ok && slices.EqualFunc(e.columns, columns, sameColumn) {
			return e, nil
		}
	}
	e, err := newEncoder[T](columns, derived)
	if err != nil {
		return nil, err
	}
	encoders.Store(key, e)
	return e, nil
}

func sameColumn(a, b pgconn.FieldDescription) bool {
	return a.Name == b.Name && a.DataTypeOID == b.DataTypeOID && a.Format == b.Format
}

// newEncoder matches the JSON members of T with columns as RowToStructByName does: by the field's name, whatever the case and
// the underscores. Derived names a member, or is "".
func newEncoder[T any](columns []pgconn.FieldDescription, derived string) (*encoder, error) {
	e := &encoder{columns: slices.Clone(columns), id: -1, version: -1}
	places := make(map[string]int, len(columns))
	for i, column := range columns {
		places[plainName(column.Name)] = i
		switch column.Name {
		case "id":
			e.id = i
		case "version":
			e.version = i
		}
	}
	err := e.add(reflect.TypeFor[T](), columns, places, derived)
	if err == nil {
		e.writers[0].before[0] = '{' // where the others have a comma
		e.last().after = append(e.last().after, '}')
	}
	return e, err
}

func plainName(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

func (e *encoder) last() *writer { return &e.writers[len(e.writers)-1] }

func (e *encoder) add(t reflect.Type, columns []pgconn.FieldDescription, places map[string]int, derived string) error {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-":
			continue
		case field.Anonymous && name == "":
			if err := e.add(field.Type, columns, places, derived); err != nil {
				return err
			}
			continue
		case !field.IsExported():
			continue
		}
		first := len(e.writers)
		if isObject(field.Type) {
			if err := e.add(field.Type, columns, places, ""); err != nil {
				return err
			}
			e.writers[first].before = append([]byte(`,"`+name+`":{`), e.writers[first].before[1:]...)
			e.last().after = append(e.last().after, '}')
			if name == derived {
				e.writers[first].derives = len(`,"` + name + `":`)
			}
		} else {
			place, ok := places[plainName(field.Name)]
			if !ok {
				return fmt.Errorf("no column for %s", field.Name)
			}
			write, err := appenderOf(columns[place])
			if err != nil {
				return err
			}
			e.writers = append(e.writers, writer{before: []byte(`,"` + name + `":`), column: place, write: write, omitEmpty: options == "omitempty", derives: -1})
			if name == derived {
				e.last().derives = len(e.last().before)
			}
		}
		if name == derived {
			e.last().ends = true
		}
	}
	return nil
}

// isObject reports whether a type is written as an object of its fields.
func isObject(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !t.Implements(reflect.TypeFor[json.Marshaler]()) && !t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// appendRow appends the current row to dst, and returns where its derived part begins and ends.
func (e *encoder) appendRow(dst []byte, values [][]byte) (row []byte, begin, end int, err error) {
	for i := range e.writers {
		w := &e.writers[i]
		value := values[w.column]
		if value == nil && w.omitEmpty {
			dst = append(dst, w.after...)
			continue
		}
		dst = append(dst, w.before...)
		if w.derives >= 0 {
			begin = len(dst) - len(w.before) + w.derives
		}
		if value == nil {
			dst = append(dst, "null"...)
		} else if dst, err = w.write(dst, value); err != nil {
			return nil, 0, 0, err
		}
		dst = append(dst, w.after...)
		if w.ends {
			end = len(dst)
		}
	}
	return dst, begin, end, nil
}

// key returns the row's id and version.
func (e *encoder) key(values [][]byte) (id uuid.UUID, version int64, err error) {
	if e.id >= 0 {
		if id, err = uuid.FromBytes(values[e.id]); err != nil {
			return id, 0, fmt.Errorf("read an id: %w", err)
		}
	}
	if e.version >= 0 {
		version, err = integer(values[e.version])
	}
	return id, version, err
}

// objects reads every row of a result.
func objects[T any](rows pgx.Rows, derived string) ([]Object[T], error) {
	defer rows.Close()
	var e *encoder
	var found []Object[T]
	for rows.Next() {
		var err error
		if e == nil { // a result without rows may tell no columns
			if e, err = encoderOf[T](rows.FieldDescriptions(), derived); err != nil {
				return nil, err
			}
		}
		values := rows.RawValues()
		text, begin, end, err := e.appendRow(make([]byte, 0, usualBytes), values)
		if err != nil {
			return nil, err
		}
		one := Object[T]{JSON: text, Derived: text[begin:end:end]}
		if one.ID, one.Version, err = e.key(values); err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, rows.Err()
}
