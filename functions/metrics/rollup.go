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
	Dropped int `json:"dropped" doc:"days that were dropped with their events, all older than 91 days; one that is in use waits for the next run"`
	Settled int `json:"settled" doc:"agents whose lapsed trials were written down, so that they are quicker to read"`
}

func (r rollups) keep(ctx context.Context, _ *struct{}) (*kept, error) {
	var done keptRows
	var err error
	if done.Made, err = r.store.makeDays(ctx); err != nil {
		return nil, err
	}
	if done.Dropped, err = r.store.dropDays(ctx); err != nil {
		return nil, err
	}
	if done.Settled, err = r.store.settleTrials(ctx); err != nil {
		return nil, err
	}
	return &kept{Body: done}, nil
}
