package agents

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// rowsOf tells how the rows of one resource are changed, one at a time, and answered as a T.
type rowsOf[T httpapi.Tagged] struct {
	table   string
	is      string // the condition that picks the one row; "" is that its id is @id
	columns string // reads a T of from
	from    string // begins with the name that the columns know the row by, alone or joined with others
	explain func(constraint string) error
}

// What a row has to be, and who may change it, for the statements that change.
const (
	isLive           = `deleted_at is null`
	isRestorable     = `deleted_at > now() - interval '30 days'`
	isGovernor       = `@role::text = 'governor'`
	isOwner          = `@role::text = 'governor' or (owner_issuer = @issuer::text and owner = @caller::text)`
	isOwnerOrService = `@role::text = 'service' or ` + isOwner
)

// changing completes an UPDATE of one row, so that one statement changes it or tells why not: no row where there is none,
// done = false where it is another's, or breaks the condition, or has a version that the caller did not name.
func (r rowsOf[T]) changing(state, allowed, condition, changes string) string {
	is := cmp.Or(r.is, `id = @id`)
	name, _, _ := strings.Cut(r.from, " ")
	return `
	with changed as (
		update ` + r.table + ` set ` + changes + `, version = version + 1, updated_at = now()
		where ` + is + ` and ` + state + ` and (` + allowed + `) and ` + condition + `
			and (@versions::bigint[] is null or version = any (@versions))
		returning *),
	` + name + ` as (
		select *, true as done, true as allowed from changed
		union all
		select *, false, coalesce(` + allowed + `, false) from ` + r.table + `
		where ` + is + ` and ` + state + ` and not exists (select from changed))
	select ` + r.columns + `, ` + name + `.done, ` + name + `.allowed from ` + r.from
}

// creating completes an INSERT, which returns the row, so that it answers a T.
func (r rowsOf[T]) creating(insert string) string {
	return `with ` + r.from + ` as (` + insert + ` returning *) select ` + r.columns + ` from ` + r.from
}

// create runs a statement made by creating. The row gets an id, and is the caller's where it has an owner.
func (r rowsOf[T]) create(ctx context.Context, tx database.Tx, sql string, args pgx.NamedArgs) (T, error) {
	var none T
	id, err := uuid.NewV7()
	if err != nil {
		return none, err
	}
	caller, _ := auth.FromContext(ctx)
	args["id"], args["issuer"], args["caller"] = id, caller.Issuer, caller.Owner
	row, err := database.One[T](ctx, tx, sql, args)
	return row, r.explained(err)
}

// change runs a statement made by changing as the caller. Unless may be nil, or tells which condition a row breaks.
func (r rowsOf[T]) change(ctx context.Context, tx database.Tx, sql string, id uuid.UUID, versions []int64, args pgx.NamedArgs, unless func(T) error) (T, error) {
	var none T
	caller, _ := auth.FromContext(ctx)
	args["id"], args["versions"] = id, versions
	args["issuer"], args["caller"], args["role"] = caller.Issuer, caller.Owner, string(caller.Role)
	found, err := database.Change[T](ctx, tx, sql, args)
	if err != nil {
		return none, r.explained(err)
	}
	version, _ := found.Row.Tag()
	switch {
	case found.Done:
		return found.Row, nil
	case !found.Allowed:
		return none, database.ErrForbidden
	case versions != nil && !slices.Contains(versions, version):
		return none, database.ErrStale
	}
	if unless != nil {
		if err := unless(found.Row); err != nil {
			return none, err
		}
	}
	// It fitted when the statement began, and somebody was faster: with another version, or by deleting it.
	if versions != nil {
		return none, database.ErrStale
	}
	return none, database.ErrNotFound
}

// because makes the unless of a change from what was found before it; nil is nothing.
func because[T any](refusal error) func(T) error { return func(T) error { return refusal } }

// restore runs a statement that brings a deleted row back, with all that it refers to.
func (r rowsOf[T]) restore(ctx context.Context, tx database.Tx, sql string, id uuid.UUID, args pgx.NamedArgs) (T, error) {
	row, err := r.change(ctx, tx, sql, id, nil, args, nil)
	if errors.Is(err, database.ErrReference) {
		err = httpapi.Conflict.Problem("something that it refers to was deleted meanwhile, and has to be restored first")
	}
	return row, err
}

// explained says in the resource's words which of its rules the database found broken.
func (r rowsOf[T]) explained(err error) error {
	if constraint := database.Broken(err); constraint != "" && r.explain != nil {
		if problem := r.explain(constraint); problem != nil {
			return problem
		}
	}
	return err
}
