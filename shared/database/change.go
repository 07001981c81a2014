package database

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Outcome is what became of one row that a statement was to change.
type Outcome[T any] struct {
	Row     T
	Done    bool // the row was changed
	Allowed bool // the caller may change it
}

// Change runs a statement that answers the row that it was to change, changed or not, with done and allowed, two booleans,
// as its last columns. The others are read into a T by their names. No row is ErrNotFound.
func Change[T any](ctx context.Context, q Querier, sql string, args ...any) (Outcome[T], error) {
	var outcome Outcome[T]
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return outcome, translate(err)
	}
	outcome.Row, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (T, error) {
		return pgx.RowToStructByName[T](judged{row, []any{&outcome.Done, &outcome.Allowed}})
	})
	return outcome, translate(err)
}

// judged is a row whose last columns go elsewhere.
type judged struct {
	pgx.CollectableRow
	last []any
}

// FieldDescriptions implements pgx.CollectableRow.
func (j judged) FieldDescriptions() []pgconn.FieldDescription {
	all := j.CollectableRow.FieldDescriptions()
	return all[:len(all)-len(j.last)]
}

// Scan implements pgx.CollectableRow.
func (j judged) Scan(into ...any) error {
	return j.CollectableRow.Scan(slices.Concat(into, j.last)...)
}
