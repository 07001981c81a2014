// Package database is the one door to PostgreSQL.
//
// Reads of public rows go straight to the pool; everything else goes through InTx, which tells row-level security who
// is asking. Whatever the driver reports is translated once, here, into the sentinels of errors.go.
package database

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
)

const (
	connectTimeout    = 10 * time.Second
	maxConnIdleTime   = 5 * time.Minute
	maxConnLifetime   = 30 * time.Minute
	maxLifetimeJitter = 5 * time.Minute
	// A connection that was idle is asked whether it still is one: while an instance sleeps, nobody is told of its end. The
	// asking takes half of AcquireTimeout at most, so that there is time for another connection.
	maxPingTimeout = 2 * time.Second
	// An idle transaction holds locks; ours are never idle for longer than a round trip, but that of shared/indexing.
	idleInTransactionTimeout = 10 * time.Second
)

// DB is a pool of connections. It is safe for concurrent use.
type DB struct {
	pool           *pgxpool.Pool
	acquireTimeout time.Duration
	instance       *instance // nil where a URL says where the database is
	replica        *replica  // nil where there is none
	traced         bool
}

// Option changes how a pool is opened.
type Option func(*options)

type options struct{ traces trace.TracerProvider }

// WithTraces traces statements, in the traces of those who run them; nil is without.
func WithTraces(provider trace.TracerProvider) Option {
	return func(o *options) { o.traces = provider }
}

// Open returns a pool. It connects when first used, so it fails only on a malformed configuration.
func Open(ctx context.Context, cfg Config, opts ...Option) (*DB, error) {
	var chosen options
	for _, opt := range opts {
		opt(&chosen)
	}
	pc, instance, err := poolConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pc.MaxConns = cfg.MaxConns
	pc.MaxConnIdleTime = maxConnIdleTime
	pc.MaxConnLifetime = maxConnLifetime
	pc.MaxConnLifetimeJitter = maxLifetimeJitter
	pc.PingTimeout = maxPingTimeout
	if cfg.AcquireTimeout > 0 {
		pc.PingTimeout = min(maxPingTimeout, cfg.AcquireTimeout/2)
	}
	pc.ConnConfig.ConnectTimeout = connectTimeout
	pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	pc.ConnConfig.Tracer = timing{}
	if chosen.traces != nil {
		pc.ConnConfig.Tracer = multitracer.New(timing{}, otelpgx.NewTracer(
			otelpgx.WithTracerProvider(chosen.traces), otelpgx.WithMeterProvider(noop.NewMeterProvider()), otelpgx.WithDisableConnectionDetailsInAttributes()))
	}
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	params := pc.ConnConfig.RuntimeParams
	params["application_name"] = "plant"
	params["jit"] = "off" // compiling takes longer than any statement of ours
	// A search for what is near looks this far around, and goes on until it has as many as it wants, whatever a filter hides.
	params["hnsw.ef_search"], params["hnsw.iterative_scan"] = "60", "relaxed_order"
	params["statement_timeout"] = milliseconds(cfg.StatementTimeout)
	params["lock_timeout"] = milliseconds(cfg.LockTimeout)
	params["idle_in_transaction_session_timeout"] = milliseconds(idleInTransactionTimeout)
	pc.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		if instance != nil {
			instance.worked(conn.Config().Password)
		}
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{pool: pool, acquireTimeout: cfg.AcquireTimeout, instance: instance, traced: chosen.traces != nil}
	if cfg.HasReplica() {
		follower, err := Open(ctx, cfg.ofReplica(), opts...)
		if err != nil {
			db.Close()
			return nil, fmt.Errorf("replica: %w", err)
		}
		db.replica = &replica{pool: follower}
	}
	return db, nil
}

// poolConfig says where the database is, and who logs in. The instance is nil where that is a URL.
func poolConfig(cfg Config) (*pgxpool.Config, *instance, error) {
	switch {
	case (cfg.URL == "") == (cfg.Instance == ""):
		return nil, nil, errors.New("set PLANT_APP_DATABASE_URL, or CLOUDSQL_INSTANCE with CLOUDSQL_USER")
	case cfg.Instance != "":
		return instanceConfig(cfg)
	}
	pc, err := pgxpool.ParseConfig(cfg.URL.Reveal())
	if err != nil {
		// The driver's message may quote the URL, and with it the password.
		return nil, nil, errors.New("PLANT_APP_DATABASE_URL is not a valid postgres:// URL")
	}
	return pc, nil, nil
}

// Close ends every connection, waiting for those in use.
func (db *DB) Close() {
	db.pool.Close()
	db.instance.close()
	if db.replica != nil {
		db.replica.pool.Close()
	}
}

// Ready reports whether the database answers and the login is one that row-level security applies to.
func (db *DB) Ready(ctx context.Context) error {
	const loginIsSafe = `
		select not (rolsuper or rolbypassrls) and not exists (
			select from pg_class c where c.relnamespace = to_regnamespace('plant') and c.relkind in ('r', 'p') and pg_has_role(c.relowner, 'member'))
		from pg_roles where rolname = current_user`
	safe, err := Scalar[bool](ctx, db, loginIsSafe)
	if err != nil {
		return err
	}
	if !safe {
		return fmt.Errorf("%w: the login is a superuser, an owner, or bypasses row-level security", ErrUnavailable)
	}
	return nil
}

// Querier is what statements run on: a *DB, or a Tx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Query implements Querier outside any transaction: for public rows only. See MayLag for who reads from a replica.
func (db *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if rows, answered, err := db.replica.query(ctx, sql, args); answered {
		return rows, err
	}
	conn, err := db.acquire(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		conn.Release()
		return nil, err
	}
	return &pooledRows{Rows: rows, conn: conn}, nil
}

// Tx is a transaction that runs as the caller.
type Tx struct{ tx pgx.Tx }

// Query implements Querier.
func (tx Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return tx.tx.Query(ctx, sql, args...)
}

// SendBatch runs the statements of a batch in one round trip. Errors come from the results, untranslated: read them
// with the functions of this package.
func (tx Tx) SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults {
	return tx.tx.SendBatch(ctx, batch)
}

// InSavepoint runs fn in a savepoint: what it did is undone, and only that, when it returns an error.
func (tx Tx) InSavepoint(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	return translate(pgx.BeginFunc(ctx, tx.tx, func(inner pgx.Tx) error { return fn(ctx, Tx{tx: inner}) }))
}

// One runs a statement that answers exactly one row and reads it into a T by column names.
// No row is ErrNotFound.
func One[T any](ctx context.Context, q Querier, sql string, args ...any) (T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		var zero T
		return zero, translate(err)
	}
	return OneRow[T](rows)
}

// OneRow is One for rows that are there already, those of a batch, say.
func OneRow[T any](rows pgx.Rows) (T, error) {
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
	return row, translate(err)
}

// All runs a statement and reads every row into a T by column names. No row is an empty slice, never nil.
func All[T any](ctx context.Context, q Querier, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, translate(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	if err != nil {
		return nil, translate(err)
	}
	if all == nil {
		all = []T{}
	}
	return all, nil
}

// Scalar runs a statement that answers one value.
func Scalar[T any](ctx context.Context, q Querier, sql string, args ...any) (T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		var zero T
		return zero, translate(err)
	}
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	return value, translate(err)
}

// Exec runs a statement and returns the number of rows that it changed.
func Exec(ctx context.Context, q Querier, sql string, args ...any) (int64, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return 0, translate(err)
	}
	rows.Close()
	return rows.CommandTag().RowsAffected(), translate(rows.Err())
}
