package database

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Timer adds up how long the statements of one request took. It is safe for concurrent use.
type Timer struct{ nanoseconds atomic.Int64 }

// Elapsed returns the sum so far.
func (t *Timer) Elapsed() time.Duration { return time.Duration(t.nanoseconds.Load()) }

type (
	timerKey struct{}
	startKey struct{}
)

// WithTimer returns a context whose statements are timed, and the timer that tells.
func WithTimer(ctx context.Context) (context.Context, *Timer) {
	timer := &Timer{}
	return context.WithValue(ctx, timerKey{}, timer), timer
}

// timing implements the driver's tracers.
type timing struct{}

func (timing) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return begin(ctx)
}

func (timing) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) { end(ctx) }

func (timing) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return begin(ctx)
}

func (timing) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (timing) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) { end(ctx) }

func begin(ctx context.Context) context.Context {
	if _, ok := ctx.Value(timerKey{}).(*Timer); !ok {
		return ctx
	}
	return context.WithValue(ctx, startKey{}, time.Now())
}

// timed adds what has passed since a moment to the timer of ctx: for statements that others run.
func timed(ctx context.Context, since time.Time) {
	if timer, ok := ctx.Value(timerKey{}).(*Timer); ok {
		timer.nanoseconds.Add(int64(time.Since(since)))
	}
}

func end(ctx context.Context) {
	timer, timed := ctx.Value(timerKey{}).(*Timer)
	start, started := ctx.Value(startKey{}).(time.Time)
	if timed && started {
		timer.nanoseconds.Add(int64(time.Since(start)))
	}
}
