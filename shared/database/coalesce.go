package database

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"go.opentelemetry.io/otel/trace"
)

const (
	batchers = 2   // statements of one Coalescer at a time; more gather less each
	maxBatch = 100 // ids of one statement
)

// Coalescer reads single rows by id, of which concurrent reads become one statement: under load most of a read is system
// calls and wake-ups, which many then share. There is no timer and no cache. Whatever waits is read as soon as a batcher
// is free, so a lone read waits for nobody, and every read sees what was committed before it began.
//
// It is for public rows only: a batch has no caller whom row-level security could know.
type Coalescer[T any] struct {
	db      *DB
	sql     string
	derived string
	lagging *Coalescer[T] // of those who may read from a replica; nil where there is none, and in itself
	base    context.Context

	mu      sync.Mutex
	waiting []*waiter[T]
	running int // batchers
}

// waiter is one read. Its answer is written before answered is closed.
type waiter[T any] struct {
	id       uuid.UUID
	answered chan struct{}
	row      Object[T]
	err      error
	span     trace.Span // of the reader's request; nil where nothing is traced

	batch *batch // the one that it is read in, once it is; guarded by the Coalescer's mutex
	gone  bool   // its reader has given up; likewise
}

// batch ends its statement when all who wait for it have given up.
type batch struct {
	readers atomic.Int64
	cancel  context.CancelFunc
}

func (b *batch) leave() {
	if b.readers.Add(-1) == 0 {
		b.cancel()
	}
}

// NewCoalescer returns a coalescer over a statement that answers the rows whose ids are in $1, a uuid[], among them a
// column id. Derived names the member of T that changes without a new version, or is "".
func NewCoalescer[T any](db *DB, sql, derived string) *Coalescer[T] {
	c := &Coalescer[T]{db: db, sql: sql, derived: derived, base: context.Background()}
	if db != nil && db.replica != nil {
		c.lagging = &Coalescer[T]{db: db, sql: sql, derived: derived, base: MayLag(context.Background())}
	}
	return c
}

// One returns the row of an id, or ErrNotFound. The deadline and the cancellation of ctx are this reader's alone: the
// others of the batch go on, and the statement ends early only when nobody waits for it any more.
func (c *Coalescer[T]) One(ctx context.Context, id uuid.UUID) (Object[T], error) {
	if c.lagging != nil && mayLag(ctx) {
		return c.lagging.One(ctx, id)
	}
	defer timed(ctx, time.Now())
	w := &waiter[T]{id: id, answered: make(chan struct{})}
	if c.db.traced {
		w.span = trace.SpanFromContext(ctx)
	}
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	if c.running < batchers {
		c.running++
		go c.read()
	}
	c.mu.Unlock()
	select {
	case <-w.answered:
		return w.row, w.err
	case <-ctx.Done():
		c.mu.Lock()
		w.gone = true
		if w.batch != nil {
			w.batch.leave()
		}
		c.mu.Unlock()
		return Object[T]{}, translate(ctx.Err())
	}
}

// read is a batcher: it reads what waits until nothing does.
func (c *Coalescer[T]) read() {
	for {
		// Whoever is ready to ask does so first.
		runtime.Gosched()
		ctx, cancel := context.WithCancel(c.base)
		b := &batch{cancel: cancel}
		batch := c.take(b)
		if len(batch) == 0 {
			cancel()
			return
		}
		c.answer(ctx, batch)
		cancel()
	}
}

// take removes the next batch from what waits, or ends the batcher.
func (c *Coalescer[T]) take(b *batch) []*waiter[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := make([]*waiter[T], 0, min(len(c.waiting), maxBatch))
	looked := 0
	for _, w := range c.waiting {
		if len(taken) == maxBatch {
			break
		}
		looked++
		if !w.gone {
			w.batch = b
			taken = append(taken, w)
		}
	}
	c.waiting = append([]*waiter[T](nil), c.waiting[looked:]...)
	b.readers.Store(int64(len(taken)))
	if len(taken) == 0 {
		c.running--
	}
	return taken
}

// answer reads a batch. What goes wrong with the rows of several is tried again one by one, so that an id whose row cannot
// be read fails alone; what goes wrong with the connection is everybody's.
func (c *Coalescer[T]) answer(ctx context.Context, batch []*waiter[T]) {
	for _, w := range batch { // a statement is in one trace: that of the first reader who has one
		if w.span != nil && w.span.IsRecording() {
			ctx = trace.ContextWithSpan(ctx, w.span)
			break
		}
	}
	rows, err := c.rows(ctx, batch)
	if err != nil && len(batch) > 1 && ctx.Err() == nil && !isTransient(err) {
		for _, w := range batch {
			c.answer(ctx, []*waiter[T]{w})
		}
		return
	}
	for _, w := range batch {
		row, found := rows[w.id]
		switch {
		case err != nil:
			w.err = err
		case !found:
			w.err = ErrNotFound
		default:
			w.row = row
		}
		close(w.answered)
	}
}

func (c *Coalescer[T]) rows(ctx context.Context, batch []*waiter[T]) (found map[uuid.UUID]Object[T], err error) {
	defer func() {
		if reason := recover(); reason != nil { // here it would end the process, not a request
			err = fmt.Errorf("read a batch: panic: %v", reason)
		}
	}()
	ids := make(pgtype.FlatArray[pgtype.UUID], len(batch))
	for i, w := range batch {
		ids[i] = pgtype.UUID{Bytes: w.id, Valid: true}
	}
	answer, err := c.db.Query(ctx, c.sql, ids)
	if err != nil {
		return nil, translate(err)
	}
	rows, err := objects[T](answer, c.derived)
	found = make(map[uuid.UUID]Object[T], len(batch))
	for _, row := range rows {
		found[row.ID] = row
	}
	return found, translate(err)
}
