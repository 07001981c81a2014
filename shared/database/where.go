package database

import (
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Where collects the conditions of a statement whose filters are optional. Conditions are constant texts with named
// arguments: what a caller sends is only ever an argument.
type Where struct {
	conditions []string
	Args       pgx.NamedArgs
}

// NewWhere returns the conditions, all of which have to hold, and their arguments.
func NewWhere(conditions []string, args map[string]any) *Where {
	w := &Where{conditions: slices.Clone(conditions), Args: pgx.NamedArgs{}}
	maps.Copy(w.Args, args)
	return w
}

// And adds a condition.
func (w *Where) And(condition string) { w.conditions = append(w.conditions, condition) }

// With sets a named argument.
func (w *Where) With(name string, value any) { w.Args[name] = value }

// SQL returns the WHERE clause, or "" where nothing was asked.
func (w *Where) SQL() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " where " + strings.Join(w.conditions, " and ")
}
