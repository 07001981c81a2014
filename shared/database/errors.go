package database

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What can go wrong, as callers need to tell it apart. Test with errors.Is.
var (
	ErrNotFound    = errors.New("not found")
	ErrForbidden   = errors.New("not permitted")
	ErrStale       = errors.New("changed meanwhile")
	ErrConflict    = errors.New("already taken")
	ErrReference   = errors.New("refers to what does not exist")
	ErrInvalid     = errors.New("value refused by the database")
	ErrBusy        = errors.New("could not get a lock or a connection in time")
	ErrTimeout     = errors.New("took too long")
	ErrUnavailable = errors.New("database unavailable")
	ErrInDoubt     = errors.New("no answer to a commit: the transaction may have been committed, or not")
)

// Error is a failure that the server reported, with the constraint that was broken where one was.
type Error struct {
	Constraint string // its name, such as agents_external_id_key; empty where none was broken
	kind       error
	cause      error
}

// Error implements error. The text is for logs: it may name tables and constraints.
func (e *Error) Error() string { return e.kind.Error() + ": " + e.cause.Error() }

// Unwrap returns the sentinel and the driver's error.
func (e *Error) Unwrap() []error { return []error{e.kind, e.cause} }

// Broken returns the name of the constraint that err tells was broken, or "".
func Broken(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Constraint
	}
	return ""
}

// translate is the one place where the driver's errors become ours. Errors that are ours already pass unchanged.
func translate(err error) error {
	var ours *Error
	var server *pgconn.PgError
	var network net.Error
	switch {
	case err == nil, errors.As(err, &ours), errors.Is(err, ErrNotFound), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case errors.As(err, &server) && !isConnectError(err): // to refuse our login is no answer to a statement
		kind := kindOf(server.Code)
		if kind == nil {
			return err
		}
		return &Error{kind: kind, Constraint: server.ConstraintName, cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{kind: ErrTimeout, cause: err}
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), isConnectError(err):
		return &Error{kind: ErrUnavailable, cause: err}
	default:
		return err
	}
}

// isTransient reports whether an error is of the connection or the moment, not of what was asked.
func isTransient(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrTimeout) || errors.Is(err, ErrBusy) || errors.Is(err, context.Canceled)
}

func isConnectError(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || pgconn.SafeToRetry(err)
}

// kindOf maps an SQLSTATE to a sentinel, or to nil where it tells of a defect of ours.
// Source: https://www.postgresql.org/docs/current/errcodes-appendix.html.
func kindOf(sqlstate string) error {
	switch sqlstate {
	case "23505", "23P01": // unique_violation, exclusion_violation
		return ErrConflict
	case "23503": // foreign_key_violation
		return ErrReference
	case "23502", "23514": // not_null_violation, check_violation
		return ErrInvalid
	case "42501": // insufficient_privilege: a policy said no
		return ErrForbidden
	case "40001", "40P01", "55P03": // serialization_failure, deadlock_detected, lock_not_available
		return ErrBusy
	case "57014": // query_canceled: statement_timeout
		return ErrTimeout
	case "25006": // read_only_sql_transaction: a standby answered
		return ErrUnavailable
	}
	switch sqlstate[:2] {
	case "22": // data exception
		return ErrInvalid
	case "08", "53", "57", "58": // connection, resources, operator intervention, system
		return ErrUnavailable
	}
	return nil
}
