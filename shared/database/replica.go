package database

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// replicaRest is how long a replica that cannot be reached is left alone.
const replicaRest = 5 * time.Second

// replica is a pool of connections to a server that follows the primary, a moment behind.
type replica struct {
	pool  *DB
	until atomic.Int64 // in nanoseconds of the Unix epoch: when it is tried again
}

type lagKey struct{}

// MayLag returns a context whose reads may come from a replica, where there is one: for those who cannot have written what
// they read. Transactions, and whatever else runs with another context, are the primary's.
func MayLag(ctx context.Context) context.Context { return context.WithValue(ctx, lagKey{}, true) }

func mayLag(ctx context.Context) bool {
	lag, _ := ctx.Value(lagKey{}).(bool)
	return lag
}

// HasReplica reports whether reads may come from one.
func (cfg Config) HasReplica() bool { return cfg.ReadURL != "" || cfg.ReadInstance != "" }

// ofReplica is the configuration of the replica's own pool.
func (cfg Config) ofReplica() Config {
	cfg.URL, cfg.Instance, cfg.ReadURL, cfg.ReadInstance = cfg.ReadURL, cfg.ReadInstance, "", ""
	return cfg
}

// query runs a statement on the replica, and reports whether that is the answer: where it cannot be reached, the primary is
// asked, and it alone for a while.
func (r *replica) query(ctx context.Context, sql string, args []any) (rows pgx.Rows, answered bool, err error) {
	if r == nil || !mayLag(ctx) || time.Now().UnixNano() < r.until.Load() {
		return nil, false, nil
	}
	rows, err = r.pool.Query(ctx, sql, args...)
	translated := translate(err)
	if ctx.Err() != nil || !errors.Is(translated, ErrUnavailable) && !errors.Is(translated, ErrBusy) {
		return rows, true, err
	}
	r.until.Store(time.Now().Add(replicaRest).UnixNano())
	return nil, false, nil
}
