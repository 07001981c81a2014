package metrics

import (
	"context"
	"time"

	"github.com/waooaw/plant/shared/database"
)

// rollupStore is the SQL of what figures are made of.
type rollupStore struct{ db *database.DB }

const makeEventDays = `select plant.make_event_days()`

func (s rollupStore) makeDays(ctx context.Context) (made int, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		made, err = database.Scalar[int](ctx, tx, makeEventDays)
		return err
	})
	return made, err
}

const dropEventDay = `select plant.drop_event_day()`

// dropDays drops each old day in a transaction of its own, until there is none or one is in use.
func (s rollupStore) dropDays(ctx context.Context) (days int, err error) {
	for {
		var dropped bool
		err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) (err error) {
			dropped, err = database.Scalar[bool](ctx, tx, dropEventDay)
			return err
		})
		if err != nil || !dropped {
			return days, err
		}
		days++
	}
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
