package metrics

import "context"

// rollups keeps what figures are made of. They are exact by themselves: only the days of raw events, and trials that ended by
// themselves, want looking after.
type rollups struct{ store rollupStore }

type kept struct {
	Body keptRows
}

// keptRows are what a run has done.
type keptRows struct {
	Made    int `json:"made" doc:"days that events can be stored of now, before the first of them has to wait for it"`
	Dropped int `json:"dropped" doc:"days that were dropped with their events, all older than 91 days"`
	Settled int `json:"settled" db:"-" doc:"agents whose lapsed trials were written down, so that they are quicker to read"`
}

func (r rollups) keep(ctx context.Context, _ *struct{}) (*kept, error) {
	done, err := r.store.keepDays(ctx)
	if err == nil {
		done.Settled, err = r.store.settleTrials(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &kept{Body: done}, nil
}
