package main

import (
	"io"
	"testing"
)

// What makes no sense is refused before anything is done.
func TestRun_Nonsense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"one", "two"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
