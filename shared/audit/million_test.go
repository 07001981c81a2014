package audit_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waooaw/plant/shared/audit"
)

// endless is the export of a log that is made while it is read, as it is too large to be kept: each entity has ten amendments.
type endless struct {
	size, next int64
	last       []audit.Hash // of each entity
	line       []byte
	unread     []byte // of the line
}

const versionsOfEach = 10

func newEndless(size int64) *endless {
	return &endless{size: size, last: make([]audit.Hash, (size+versionsOfEach-1)/versionsOfEach)}
}

// amendment returns the next one. All entities have their first version before any has its second.
func (e *endless) amendment() (audit.Amendment, error) {
	of := e.next % int64(len(e.last))
	a := audit.Amendment{
		Seq: e.next + 1, EntityType: "agent", EntityID: entity(int(of)), Version: e.next/int64(len(e.last)) + 1, Action: "update",
		Actor:  audit.Actor{Issuer: "https://issuer.example", Role: "partner", Subject: sha256.Sum256([]byte("ada"))},
		At:     "2026-11-23T19:00:00.123456+00:00",
		Change: jsontext.Value(fmt.Sprintf(`{"description":["What it did before","What it does now, number %d"],"hourly_rate":["10.00","12.50"],"tags":[["a","b"],["b","c"]]}`, e.next)),

		PreviousHash: e.last[of],
	}
	if a.Version == 1 {
		a.Action = "create"
	}
	var err error
	a.Hash, err = a.Computed()
	e.last[of] = a.Hash
	e.next++
	return a, err
}

// Read implements io.Reader.
func (e *endless) Read(p []byte) (int, error) {
	if len(e.unread) == 0 {
		if e.next == e.size {
			return 0, io.EOF
		}
		a, err := e.amendment()
		if err != nil {
			return 0, err
		}
		if e.line, err = a.AppendLine(e.line[:0]); err != nil {
			return 0, err
		}
		e.line = append(e.line, '\n')
		e.unread = e.line
	}
	n := copy(p, e.unread)
	e.unread = e.unread[n:]
	return n, nil
}

// D12: a million amendments are verified in 30 seconds of one processor, and the memory that it takes does not grow with them.
func TestD12_AMillion(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	const (
		size     = million
		bound    = 30 * time.Second
		mostHeap = 32 << 20 // some 7 of it for writing them
	)
	// Who signs knows all of them.
	signing := newEndless(size)
	var tree audit.Frontier
	for range int64(size) {
		a, err := signing.amendment()
		if err != nil {
			t.Fatal(err)
		}
		tree.Add(a.Leaf())
	}
	signing = nil
	checkpoint, err := keysOf(t, currentKey).Sign(audit.Checkpoint{Origin: origin, Size: size, Root: tree.Root()})
	if err != nil {
		t.Fatal(err)
	}
	heap, stop := watchHeap()
	begin, used := time.Now(), processorTime(t)
	report, err := audit.Verify(newEndless(size), checkpoint, verifiers(t, currentKey), audit.Frontier{})
	took, used := time.Since(begin), processorTime(t)-used
	stop()
	if err != nil || report.Signed != size || report.Entities != size/versionsOfEach {
		t.Fatalf("got %+v, %v", report, err)
	}
	t.Logf("%d amendments: %v, %v of processor time, %d MiB at most", size, took, used, heap.Load()>>20)
	if used > bound || heap.Load() > mostHeap {
		t.Errorf("it took %v of processor time and %d MiB, want %v and %d MiB", used, heap.Load()>>20, bound, mostHeap>>20)
	}
}

// processorTime is what the process has used so far: whatever else the machine does is not the verifier's.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// watchHeap samples how much memory is in use, without what is garbage already.
func watchHeap() (most *atomic.Uint64, stop func()) {
	most = new(atomic.Uint64)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(200 * time.Millisecond)
		defer ticks.Stop()
		for {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapAlloc))
			select {
			case <-done:
				return
			case <-ticks.C:
			}
		}
	}()
	return most, func() { close(done); <-ended }
}
