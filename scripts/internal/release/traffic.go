package release

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// revisions of the functions' Cloud Run services, by the functions' names.
type revisions map[string]string

// service is what gcloud tells of a Cloud Run service.
type service struct {
	Status struct {
		LatestReadyRevisionName string
		Traffic                 []struct {
			Percent      int
			RevisionName string
		}
	}
}

// serving returns the revisions that have most of the traffic, and the newest ones, whether they have traffic or not.
func (r *release) serving(ctx context.Context) (serving, latest revisions, err error) {
	serving, latest = revisions{}, revisions{}
	for _, name := range r.outputs.Functions {
		text, err := r.output(ctx, r.Checkout, "gcloud", "run", "services", "describe", name, "--project="+r.outputs.Project, "--region="+r.outputs.Region, "--format=json(status)")
		if err != nil {
			return nil, nil, err
		}
		var s service
		if err := json.Unmarshal([]byte(text), &s, json.MatchCaseInsensitiveNames(true)); err != nil {
			return nil, nil, fmt.Errorf("read the service %s: %w", name, err)
		}
		latest[name] = s.Status.LatestReadyRevisionName
		most := 0
		for _, part := range s.Status.Traffic {
			if part.Percent > most {
				serving[name], most = part.RevisionName, part.Percent
			}
		}
	}
	return serving, latest, nil
}

// route moves the traffic of one function.
func (r *release) route(ctx context.Context, name, where string) error {
	return r.run(ctx, r.Checkout, "gcloud", "run", "services", "update-traffic", name, "--project="+r.outputs.Project, "--region="+r.outputs.Region, where)
}

// routeTo moves all traffic to revisions that are there already. It tries every function, whatever fails of another.
func (r *release) routeTo(ctx context.Context, where revisions) error {
	var failures []error
	for _, name := range r.outputs.Functions {
		if where[name] != "" {
			failures = append(failures, r.route(ctx, name, fmt.Sprintf("--to-revisions=%s=100", where[name])))
		}
	}
	return errors.Join(failures...)
}

// routeToLatest lets all traffic follow the newest revisions, those to come too.
func (r *release) routeToLatest(ctx context.Context) error {
	for _, name := range r.outputs.Functions {
		if err := r.route(ctx, name, "--to-latest"); err != nil {
			return err
		}
	}
	return nil
}
