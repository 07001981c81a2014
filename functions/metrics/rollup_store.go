package metrics

import (
	"context"

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

// maxSettled bounds the agents of one run.
const maxSettled = 1000

const settleLapsed = `select plant.settle_lapsed($1)`

func (s rollupStore) settleTrials(ctx context.Context) (agents int, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		agents, err = database.Scalar[int](ctx, tx, settleLapsed, maxSettled)
		return err
	})
	return agents, err
}
