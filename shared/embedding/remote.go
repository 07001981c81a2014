package embedding

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/shared/breaker"
)

const (
	// maxFailures is after how many failures in a row a provider is given up, and
	maxFailures = 3
	// rest is for how long, before one call tries it again.
	rest = 5 * time.Second
	// tryWait is how long that call waits. It goes on without it.
	tryWait = 50 * time.Millisecond
	// slow is after how long a query without an answer counts as a failure, until there is one.
	slow = time.Second

	maxTries   = 3
	firstPause = 100 * time.Millisecond // before the second try, a half more or less
)

// provider asks what makes the vectors, once: the errors are a *failure or what its HTTP client says.
type provider interface {
	model() string
	batch() int // texts that it takes at once
	embed(ctx context.Context, kind Kind, texts []string) ([][]float32, error)
}

// remote is a provider out there: asked in batches, some at a time, and again where that may help; what it answers is
// checked; and it is left alone while it fails.
type remote struct {
	cfg      Config
	provider provider
	log      *slog.Logger
	breaker  *breaker.Breaker
}

func guard(cfg Config, p provider, log *slog.Logger) *remote {
	return &remote{cfg: cfg, provider: p, log: log, breaker: breaker.New(maxFailures, rest, time.Now)}
}

// Model implements Embedder.
func (r *remote) Model() string { return r.cfg.modelName(r.provider.model()) }

// Embed implements Embedder. It takes no longer than the context allows, tryWait where it is not known whether the
// provider works, and no time where it is known not to.
func (r *remote) Embed(ctx context.Context, kind Kind, texts []string) ([][]float32, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	sent := make([]string, len(texts))
	for i, text := range texts {
		sent[i] = r.cfg.text(kind, text)
	}
	switch r.breaker.Ask() {
	case breaker.Open:
		return nil, unavailable(&failure{reason: "it is left alone for a moment"})
	case breaker.Trial:
		vectors, err := r.try(ctx, kind, sent[:1])
		if err != nil || len(sent) == 1 {
			return vectors, err
		}
	}
	if kind == Document {
		vectors, err := r.all(ctx, kind, sent)
		return vectors, r.report(ctx, err)
	}
	late := time.AfterFunc(slow, func() { r.fail(ctx, context.DeadlineExceeded) })
	vectors, err := r.all(ctx, kind, sent)
	if counted := !late.Stop(); counted && err != nil {
		return nil, r.told(ctx, err)
	}
	return vectors, r.report(ctx, err)
}

// try asks for one text to find out whether the provider is back, for longer than the caller waits.
func (r *remote) try(ctx context.Context, kind Kind, texts []string) ([][]float32, error) {
	type answer struct {
		vectors [][]float32
		err     error
	}
	answered := make(chan answer, 1)
	go func() {
		trying := context.WithoutCancel(ctx)
		vectors, err := r.once(trying, kind, texts)
		answered <- answer{vectors, r.report(trying, err)}
	}()
	enough := time.NewTimer(tryWait)
	defer enough.Stop()
	select {
	case a := <-answered:
		return a.vectors, a.err
	case <-enough.C:
		return nil, unavailable(&failure{reason: "it is being tried whether it works again"})
	case <-ctx.Done():
		return nil, r.told(ctx, ctx.Err())
	}
}

func (r *remote) all(ctx context.Context, kind Kind, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(r.cfg.Parallel)
	for begin := 0; begin < len(texts) && asking.Err() == nil; begin += r.provider.batch() {
		end := min(begin+r.provider.batch(), len(texts))
		group.Go(func() error {
			answered, err := r.again(asking, kind, texts[begin:end])
			copy(vectors[begin:end], answered)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // of a caller who left before the last was sent
		return nil, context.Cause(ctx)
	}
	return vectors, nil
}

// again asks for a batch up to maxTries times, while there is time for another.
func (r *remote) again(ctx context.Context, kind Kind, texts []string) ([][]float32, error) {
	patience := r.cfg.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, max(time.Until(deadline), time.Nanosecond))
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval = firstPause
	return backoff.Retry(ctx, func() ([][]float32, error) {
		vectors, err := r.once(ctx, kind, texts)
		if err == nil {
			return vectors, nil
		}
		f := ofError(err)
		if !f.retry {
			return nil, backoff.Permanent(f)
		}
		return nil, f
	}, backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(patience), backoff.WithBackOff(pauses))
}

func (r *remote) once(ctx context.Context, kind Kind, texts []string) ([][]float32, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	vectors, err := r.provider.embed(ctx, kind, texts)
	if err != nil {
		return nil, err
	}
	return vectors, check(vectors, len(texts))
}

// report tells the breaker how a call went, and returns what its caller is told.
func (r *remote) report(ctx context.Context, err error) error {
	switch {
	case err == nil:
		if r.breaker.Succeed() {
			r.log.InfoContext(ctx, "texts are embedded again")
		}
		return nil
	case ctx.Err() != nil:
		if !gone(ctx) {
			r.fail(ctx, context.DeadlineExceeded)
		}
	case !ofError(err).refused:
		r.fail(ctx, err)
	}
	return r.told(ctx, err)
}

func (r *remote) fail(ctx context.Context, err error) {
	if _, opened := r.breaker.Fail(); opened {
		r.log.WarnContext(ctx, "texts are not embedded: the provider fails", "reason", ofError(err).reason)
	}
}

// told is the error that a caller gets.
func (*remote) told(ctx context.Context, err error) error {
	switch {
	case gone(ctx):
		return context.Cause(ctx)
	case ctx.Err() != nil:
		return unavailable(context.DeadlineExceeded)
	default:
		return unavailable(err)
	}
}
