package search

import (
	"context"
	"errors"
	"time"

	"github.com/waooaw/plant/shared/embedding"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/indexing"
)

// index makes the vectors of texts that were written.
type index struct{ indexer *indexing.Indexer }

const (
	// indexTime is how long a run may take: within the deadline of the scheduler, which calls every minute.
	indexTime = 55 * time.Second
	// answerTime is what is left of it for the answer.
	answerTime = 5 * time.Second
)

func (x index) run(ctx context.Context, _ *struct{}) (*struct{ Body indexing.Report }, error) {
	ctx, cancel := context.WithTimeout(ctx, indexTime-answerTime)
	defer cancel()
	report, err := x.indexer.Run(ctx)
	if errors.Is(err, embedding.ErrUnavailable) {
		return nil, httpapi.Unavailable.Problem("what makes vectors does not answer; those that were made until then are kept")
	}
	if err != nil {
		return nil, err
	}
	return &struct{ Body indexing.Report }{report}, nil
}
