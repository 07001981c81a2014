package release

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Deploy packages the checkout and brings it to the environment. The schema comes first, since it only ever expands; the
// first time there is nothing yet to expand. What fails after something was applied goes back to the release of before.
func Deploy(ctx context.Context, cfg Config) error {
	r := &release{Config: cfg}
	if cfg.Canary < 0 || cfg.Canary > 99 {
		return errors.New("--canary is the percent of the traffic that goes first: 1 to 99")
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	r.say("packages")
	if err := r.script(ctx, "package"); err != nil {
		return err
	}
	if !r.outputs.Migrated {
		return r.first(ctx)
	}
	if err := r.migrate(ctx); err != nil {
		return err
	}
	before, _, err := r.serving(ctx)
	if err != nil {
		return err
	}
	r.say("infrastructure and functions")
	if err := r.plan(ctx, fmt.Sprintf("canary=%t", r.Canary > 0)); err != nil {
		return err // nothing was changed
	}
	if r.Canary > 0 {
		// After an ordinary deployment the traffic goes to whatever is the latest, and would go to the new revisions at once.
		if err := r.routeTo(ctx, before); err != nil {
			return fmt.Errorf("nothing was applied, since the traffic cannot be kept where it is: %w", err)
		}
	}
	if err := r.bring(ctx, before); err != nil {
		return r.goBack(ctx, before, err)
	}
	return r.record(ctx)
}

// first makes all of it: the database before its schema, and the functions' logins after it.
func (r *release) first(ctx context.Context) error {
	r.say("infrastructure, for the first time: some 25 minutes")
	if err := r.apply(ctx, "database_migrated=false"); err != nil {
		return err
	}
	if err := r.ensureAuditKey(ctx); err != nil {
		return err
	}
	if err := r.migrate(ctx); err != nil {
		return err
	}
	r.say("the functions' logins")
	if err := r.apply(ctx); err != nil {
		return err
	}
	r.say("smoke test: the certificate takes up to an hour once %s leads to the output address", r.outputs.URL)
	if err := r.smoke(ctx); err != nil {
		return r.unanswered(err)
	}
	return r.record(ctx)
}

// unanswered says what to do where the first release does not answer yet.
func (r *release) unanswered(err error) error {
	return fmt.Errorf("everything is made, but does not answer yet: %w\nset the DNS record, wait for the certificate, and run scripts/deploy %s again", err, r.Environment)
}

// ensureAuditKey makes the key that signs checkpoints, where there is none.
func (r *release) ensureAuditKey(ctx context.Context) error {
	const secret = "plant-audit-key" //nolint:gosec // its name
	versions, err := r.output(ctx, r.Checkout, "gcloud", "secrets", "versions", "list", secret, "--project="+r.outputs.Project, "--limit=1", "--format=value(name)")
	if err != nil || versions != "" {
		return err
	}
	r.say("the key of audit checkpoints")
	return r.script(ctx, "rotate-secret", "audit-key", "--project", r.outputs.Project, "--region", r.outputs.Region)
}

// bring applies, moves the traffic, and asks what users ask.
func (r *release) bring(ctx context.Context, before revisions) error {
	if err := r.applyPlan(ctx); err != nil {
		return err
	}
	// Without a canary too: what a run before this one has pinned, and not let go, would stay.
	move := r.routeToLatest
	if r.Canary > 0 {
		move = func(ctx context.Context) error { return r.shift(ctx, before) }
	}
	if err := move(ctx); err != nil {
		return err
	}
	r.say("smoke test")
	return r.smoke(ctx)
}

// shift gives the new revisions more and more of the traffic, and asks what users ask at each step.
func (r *release) shift(ctx context.Context, before revisions) error {
	_, latest, err := r.serving(ctx)
	if err != nil {
		return err
	}
	for percent := r.Canary; percent < 100; percent = min(100, percent*stepFactor) {
		r.say("%d %% of the traffic, for %v", percent, r.Soak)
		for _, name := range r.outputs.Functions {
			if latest[name] == before[name] || before[name] == "" {
				continue
			}
			if err := r.route(ctx, name, fmt.Sprintf("--to-revisions=%s=%d,%s=%d", latest[name], percent, before[name], 100-percent)); err != nil {
				return err
			}
		}
		if err := r.smoke(ctx); err != nil {
			return err
		}
		if err := pause(ctx, r.Soak); err != nil {
			return err
		}
		if err := r.smoke(ctx); err != nil {
			return err
		}
	}
	r.say("all of the traffic")
	return r.routeToLatest(ctx)
}

// stepFactor is how much more traffic each step has: 10 %, 30 %, 90 %, all.
const stepFactor = 3

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
