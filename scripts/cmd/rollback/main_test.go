package main

import (
	"testing"
)

// What makes no sense is refused before anything is done.
func TestRun_Nonsense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"demo", "prod"}, {"no-such-environment"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
