package agents

import (
	"context"

	"github.com/waooaw/plant/shared/httpapi"
)

// history answers what became of an agent.
type history struct {
	store   amendmentStore
	cursors httpapi.Cursors
}

func (h history) list(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Page
},
) (*httpapi.List[historyEntry], error) {
	part, err := h.cursors.Part(in.Page)
	if err != nil {
		return nil, err
	}
	rows, total, err := h.store.history(ctx, in.ID, part)
	if err != nil {
		return nil, err
	}
	return httpapi.NextPage(h.cursors, in.Page, rows, total)
}
