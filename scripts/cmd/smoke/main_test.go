package main

import (
	"io"
	"testing"
)

// What makes no sense is refused before anything is done.
func TestRun_Nonsense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"http://a", "http://b"}, {"--nonsense"}, {"http://127.0.0.1:1", "--write"}, {"--wait", "1ms", "http://127.0.0.1:1"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
