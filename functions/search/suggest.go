package search

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/httpapi"
)

// begun is what somebody has typed so far.
type begun struct {
	Prefix string `query:"prefix" required:"true" minLength:"1" maxLength:"100" doc:"what was typed so far" example:"conte"`
}

// Resolve implements huma.Resolver: it checks what the schema cannot say.
func (b *begun) Resolve(huma.Context) []error {
	if b.Prefix != "" && strings.TrimSpace(b.Prefix) == "" {
		return []error{&httpapi.Fault{Location: "query.prefix", Message: "must not be blank"}}
	}
	return nil
}

// suggest completes names: those that begin so, then those with a word that does, then those that would if it were
// spelt right.
func (s search) suggest(ctx context.Context, in *begun) (*struct{ Body []suggestion }, error) {
	found, err := s.store.suggest(ctx, strings.TrimLeft(in.Prefix, " "))
	if err != nil {
		return nil, err
	}
	return &struct{ Body []suggestion }{found}, nil
}
