package database

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/waooaw/plant/shared/auth"
)

const (
	maxTries = 3
	// Before the second and third try: a random part of once and twice this, so that the same two do not meet again.
	pauseBetweenTries = 40 * time.Millisecond
)

const callerIs = `
	select set_config('plant.issuer', $1, true), set_config('plant.subject', $2, true),
	       set_config('plant.owner', $3, true), set_config('plant.role', $4, true)`

// InTx runs fn in one transaction as the principal of ctx, or as nobody, whom no write policy lets through. It commits
// when fn returns nil and rolls back otherwise. The identity is local to the transaction: nothing of it stays on the
// connection.
//
// A transaction that lost against another, in a deadlock say, is run again, three times at most: fn has to write only into
// what it returns or sets anew. A commit that was not answered is ErrInDoubt, and is never tried again.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	for try := 1; ; try++ {
		err := db.once(ctx, fn)
		if try == maxTries || !hasLost(err) || !pause(ctx, time.Duration(try)*pauseBetweenTries) {
			return translate(err)
		}
	}
}

func (db *DB) once(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	caller, _ := auth.FromContext(ctx)
	committing := false
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, callerIs, caller.Issuer, caller.Subject, caller.Owner, string(caller.Role)); err != nil {
			return err
		}
		if err := fn(ctx, Tx{tx: tx}); err != nil {
			return err
		}
		committing = ctx.Err() == nil
		return ctx.Err()
	})
	switch {
	case committing && err != nil && !isRefusal(err):
		return &Error{kind: ErrInDoubt, cause: err}
	case isState(err, "25006"):
		// The server does not take writes, and what this connection began with stays with it: another may be better.
		_ = conn.Conn().Close(ctx)
	}
	return err
}

// hasLost reports whether the server undid a transaction only because of others: serialization_failure, deadlock_detected.
func hasLost(err error) bool { return isState(err, "40001") || isState(err, "40P01") }

// isRefusal reports whether the server said that a commit has not happened. FATAL is the end of the session, and says
// nothing of the commit; nor does pgconn.SafeToRetry, which is true where the connection ended while the answer was read.
func isRefusal(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.SeverityUnlocalized == "ERROR" || errors.Is(err, pgx.ErrTxCommitRollback)
}

func isState(err error, sqlstate string) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == sqlstate
}

// pause waits for a random part of the longest time, and reports whether there is time left for more.
func pause(ctx context.Context, longest time.Duration) bool {
	timer := time.NewTimer(rand.N(longest)) //nolint:gosec // chance, no secret
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// acquire takes a connection of the pool, waiting for one no longer than is configured: the time that is left is for work.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if db.acquireTimeout <= 0 {
		return db.logIn(ctx)
	}
	waiting, cancel := context.WithTimeout(ctx, db.acquireTimeout)
	defer cancel()
	conn, err := db.logIn(waiting)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return nil, &Error{kind: ErrBusy, cause: fmt.Errorf("wait for a connection: %w", err)}
	}
	return conn, err
}

// pooledRows give their connection back when they are closed, or read to their end.
type pooledRows struct {
	pgx.Rows
	conn *pgxpool.Conn
}

// Next implements pgx.Rows.
func (r *pooledRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close implements pgx.Rows.
func (r *pooledRows) Close() {
	r.Rows.Close()
	r.conn.Release()
}
