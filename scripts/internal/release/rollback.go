package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waooaw/plant/scripts/internal/process"
)

// Releases are kept in the bucket of packages: a folder each, with everything that was packaged and the revisions that came
// of it, and two objects with the names of the one that runs and of the one before.
const (
	releasesFolder = "releases"
	currentName    = "current"
	formerName     = "former"
	revisionsFile  = "revisions.json"
)

// backGrace bounds going back: it goes on when the deployment was interrupted.
const backGrace = 20 * time.Minute

// errNone tells that there was no release before.
var errNone = errors.New("there is no former release: the first one has nothing to go back to")

// Rollback brings the release before the present one back: at once for callers, and then in the state of Terraform.
func Rollback(ctx context.Context, cfg Config) error {
	r := &release{Config: cfg}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if r.outputs.PackagesBucket == "" {
		return errNone
	}
	name, err := r.named(ctx, formerName)
	if err != nil {
		return err
	}
	current, err := r.named(ctx, currentName)
	if err != nil {
		return err
	}
	if err := r.fetch(ctx, name); err != nil {
		return err
	}
	if err := r.routeTo(ctx, r.kept()); err != nil {
		process.Say(r.Out, "%v", err) // a revision that is gone is made anew below
	}
	if err := r.restore(ctx); err != nil {
		return err
	}
	if err := r.name(ctx, formerName, current); err != nil { // so that a second rollback undoes the first
		return err
	}
	return r.name(ctx, currentName, name)
}

// goBack brings the release that runs back after a deployment has failed, and returns why it failed.
func (r *release) goBack(ctx context.Context, before revisions, failure error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backGrace)
	defer cancel()
	name, err := r.named(ctx, currentName)
	if errors.Is(err, errNone) {
		return r.unanswered(failure)
	}
	r.say("it failed, and goes back: %v", failure)
	// Callers first: what they are sent to now is seconds away, and what Terraform says minutes.
	if err := r.routeTo(ctx, before); err != nil {
		process.Say(r.Out, "%v", err)
	}
	if err == nil {
		err = r.fetch(ctx, name)
	}
	if err == nil {
		err = r.restore(ctx)
	}
	if err != nil {
		return errors.Join(failure, fmt.Errorf("going back failed as well: the traffic is with the former revisions, the state of Terraform is not: %w", err))
	}
	return fmt.Errorf("not deployed, %s runs as before: %w", name, failure)
}

func (r *release) fetched() string { return filepath.Join(r.Checkout, ".dist", "former") }

// fetch gets a kept release.
func (r *release) fetch(ctx context.Context, name string) error {
	r.say("back to %s", name)
	if err := errors.Join(os.RemoveAll(r.fetched()), os.MkdirAll(r.fetched(), 0o755)); err != nil {
		return err
	}
	return r.run(ctx, r.Checkout, "gcloud", "storage", "cp", "--recursive", r.object(name)+"/*", r.fetched())
}

// kept returns the revisions that came of the release that was fetched, as far as that is known.
func (r *release) kept() revisions {
	text, err := os.ReadFile(filepath.Join(r.fetched(), revisionsFile))
	var kept revisions
	if err != nil || json.Unmarshal(text, &kept) != nil {
		return nil
	}
	return kept
}

// restore applies the release that was fetched. The schema stays: an older release works on a newer one.
func (r *release) restore(ctx context.Context) error {
	manifest, err := filepath.Rel(r.folder(), filepath.Join(r.fetched(), "manifest.json"))
	if err != nil {
		return err
	}
	if err := r.apply(ctx, "manifest="+filepath.ToSlash(manifest)); err != nil {
		return err
	}
	if err := r.routeToLatest(ctx); err != nil {
		return err
	}
	return r.smoke(ctx)
}

// record keeps what was deployed, for later.
func (r *release) record(ctx context.Context) error {
	r.say("keep this release")
	commit, err := r.output(ctx, r.Checkout, "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return err
	}
	name := r.Now().UTC().Format("20060102T150405Z") + "-" + commit
	serving, _, err := r.serving(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(serving, json.Deterministic(true))
	if err != nil {
		return err
	}
	dist := filepath.Join(r.Checkout, ".dist")
	if err := os.WriteFile(filepath.Join(dist, revisionsFile), text, 0o644); err != nil { //nolint:gosec // names
		return err
	}
	archives, err := filepath.Glob(filepath.Join(dist, "*.zip"))
	if err != nil {
		return err
	}
	parts := append([]string{filepath.Join(dist, "manifest.json"), filepath.Join(dist, revisionsFile), filepath.Join(dist, "static")}, archives...)
	arguments := slices.Concat([]string{"storage", "cp", "--recursive"}, parts, []string{r.object(name) + "/"})
	if err := r.run(ctx, r.Checkout, "gcloud", arguments...); err != nil {
		return err
	}
	former, err := r.named(ctx, currentName)
	switch {
	case err == nil:
		if err := r.name(ctx, formerName, former); err != nil {
			return err
		}
	case !errors.Is(err, errNone):
		return err
	}
	return r.name(ctx, currentName, name)
}

func (r *release) object(name string) string {
	return "gs://" + r.outputs.PackagesBucket + "/" + releasesFolder + "/" + name
}

// named returns the release that an object names, or errNone.
func (r *release) named(ctx context.Context, object string) (string, error) {
	listed, err := r.output(ctx, r.Checkout, "gcloud", "storage", "ls", r.object("")+"**")
	if err != nil && !strings.Contains(err.Error(), "matched no objects") {
		return "", err
	}
	if !slices.Contains(strings.Fields(listed), r.object(object)) {
		return "", errNone
	}
	return r.output(ctx, r.Checkout, "gcloud", "storage", "cat", r.object(object))
}

// name lets an object name a release.
func (r *release) name(ctx context.Context, object, release string) error {
	cmd := r.command(ctx, r.Checkout, "gcloud", []string{"storage", "cp", "-", r.object(object)})
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(release), r.Out, r.Out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("keep %s: %w", object, err)
	}
	return nil
}
