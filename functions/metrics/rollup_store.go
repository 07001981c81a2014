package metrics

import (
	"context"
	"time"

	"github.com/waooaw/plant/shared/database"
)

// rollupStore is the SQL of what figures are made of.
type rollupStore struct{ db *database.DB }

const keepEventDays = `select made, dropped from plant.keep_event_days()`

func (s rollupStore) keepDays(ctx context.Context) (days keptRows, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		days, err = database.One[keptRows](ctx, tx, keepEventDays)
		return err
	})
	return days, err
}

const (
	// settledAtOnce bounds the agents that a transaction holds, which their hires and events wait for.
	settledAtOnce = 50
	settleTime    = 5 * time.Second // of one run; the next goes on
)

const settleLapsed = `select plant.settle_lapsed($1)`

func (s rollupStore) settleTrials(ctx context.Context) (agents int, err error) {
	for begun := time.Now(); time.Since(begun) < settleTime; {
		var settled int
		err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) (err error) {
			settled, err = database.Scalar[int](ctx, tx, settleLapsed, settledAtOnce)
			return err
		})
		agents += settled
		if err != nil || settled < settledAtOnce {
			break
		}
	}
	return agents, err
}
