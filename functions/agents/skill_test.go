package agents

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// drafts of what governors keep, by resource; %s is a name. A job role requires the skill of the second %s.
var drafts = map[string]string{
	"skills":     `{"name":%[1]q,"category":"technical"}`,
	"job-roles":  `{"name":%[1]q,"required_skills":[%[2]q],"seniority_level":"mid"}`,
	"industries": `{"name":%[1]q}`,
}

// kept is what all of these answer.
type kept struct {
	ID                uuid.UUID
	Name, Description string
	Version           int64
}

// keep adds a skill, a job role or an industry, and returns its address.
func (s service) keep(t *testing.T, resource, name string) string {
	t.Helper()
	return s.Do(t, "POST", "/api/v1/"+resource, s.grace, s.draftOf(t, resource, name)).Want(t, http.StatusCreated).Header.Get("Location")
}

func (s service) draftOf(t *testing.T, resource, name string) string {
	t.Helper()
	if resource != "job-roles" {
		return fmt.Sprintf(drafts[resource], name)
	}
	return fmt.Sprintf(drafts[resource], name, s.skill(t, uuid.NewString()).String())
}

// What governors keep lives as agents do: one version a write, a tag that tells of it, and a month to come back in.
func TestKept_Life(t *testing.T) {
	t.Parallel()
	s := start(t)
	for resource := range drafts {
		created := s.Do(t, "POST", "/api/v1/"+resource, s.grace, s.draftOf(t, resource, "Fair play"), key(resource)).Want(t, http.StatusCreated)
		path := created.Header.Get("Location")
		if want := "/api/v1/" + resource + "/" + apitest.Decode[kept](t, created).ID.String(); path != want {
			t.Errorf("Location is %s, want %s", path, want)
		}
		read := s.Do(t, "GET", path, "", "").Want(t, http.StatusOK)
		if diff := cmp.Diff(created.Body, read.Body); diff != "" || created.Header.Get("ETag") != read.Header.Get("ETag") {
			t.Errorf("what is read differs from what was created: %s", diff)
		}
		if again := s.Do(t, "POST", "/api/v1/"+resource, s.grace, s.draftOf(t, resource, "Fair play"), key(resource)); resource != "job-roles" && again.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("created again: %d %s", again.Status, again.Body)
		}
		changed := apitest.Decode[kept](t, s.Do(t, "PUT", path, s.grace, `{"description":"One\nTwo"}`).Want(t, http.StatusOK))
		if changed.Version != 2 || changed.Name != "Fair play" || changed.Description != "One\nTwo" {
			t.Errorf("%s: %+v", resource, changed)
		}
		s.Do(t, "PUT", path, s.grace, `{"description":"One\nTwo"}`, apitest.Header{Name: "If-Match", Value: `"9"`}).WantProblem(t, http.StatusPreconditionFailed, "STALE")
		s.Do(t, "DELETE", path, s.grace, "", apitest.Header{Name: "If-Match", Value: `"9"`}).WantProblem(t, http.StatusPreconditionFailed, "STALE")
		s.Do(t, "PUT", path, s.grace, `{}`).Want(t, http.StatusOK)
		cleared := apitest.Decode[kept](t, s.Do(t, "PATCH", path, s.grace, `{"description":null}`, apitest.Header{Name: "Content-Type", Value: "application/merge-patch+json"}).Want(t, http.StatusOK))
		if cleared.Version != 4 || cleared.Name != "Fair play" || cleared.Description != "" {
			t.Errorf("%s: %+v", resource, cleared)
		}

		s.Do(t, "POST", path+"/restore", s.grace, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND") // it is there
		s.Do(t, "DELETE", path, s.grace, "").Want(t, http.StatusNoContent)
		for _, again := range []struct{ method, suffix, body string }{{"GET", "", ""}, {"PUT", "", "{}"}, {"DELETE", "", ""}} {
			s.Do(t, again.method, path+again.suffix, s.grace, again.body).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
		}
		restored := apitest.Decode[kept](t, s.Do(t, "POST", path+"/restore", s.grace, "").Want(t, http.StatusOK))
		if restored.Version != 6 {
			t.Errorf("restored as %+v", restored)
		}
		s.Do(t, "DELETE", path, s.grace, "").Want(t, http.StatusNoContent)
		s.DB.Exec(t, `update plant.`+strings.ReplaceAll(resource, "-", "_")+` set deleted_at = now() - interval '31 days' where deleted_at is not null`)
		s.Do(t, "POST", path+"/restore", s.grace, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
}

// Names are unique among what is there, in whatever case and normal form they are sent.
func TestKept_NamesAreUnique(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, resource := range []string{"skills", "job-roles"} {
		path, other := s.keep(t, resource, "Café ÉTÉ"), s.keep(t, resource, "Other")
		same := []string{"Café ÉTÉ", "Cafe\u0301 E\u0301TE\u0301", "CAFÉ été", "cafe\u0301 éte\u0301", "Cafe\u0301 \u00c9T\u00c9"}
		for _, name := range same {
			s.Do(t, "POST", "/api/v1/"+resource, s.grace, s.draftOf(t, resource, name)).WantProblem(t, http.StatusConflict, "CONFLICT")
			for _, method := range []string{"PUT", "PATCH"} {
				s.Do(t, method, other, s.grace, fmt.Sprintf(`{"name":%q}`, name)).WantProblem(t, http.StatusConflict, "CONFLICT")
				s.Do(t, method, path, s.grace, fmt.Sprintf(`{"name":%q}`, name)).Want(t, http.StatusOK) // its own
			}
		}
		for _, name := range []string{"Cafe ETE", "Café  ÉTÉ", "Café ÉTÉ.", "Ｃafé ÉTÉ"} { // other names: nothing but case and normal form is overlooked
			s.keep(t, resource, name)
		}
		// What is deleted blocks no name, and does not come back onto one that is taken.
		s.Do(t, "DELETE", path, s.grace, "").Want(t, http.StatusNoContent)
		taker := s.keep(t, resource, "CAFÉ été")
		s.Do(t, "POST", path+"/restore", s.grace, "").WantProblem(t, http.StatusConflict, "CONFLICT")
		s.Do(t, "PUT", taker, s.grace, `{"name":"Something else"}`).Want(t, http.StatusOK)
		s.Do(t, "POST", path+"/restore", s.grace, "").Want(t, http.StatusOK)
	}
}

// C4: of many who add one name at once, however they spell it, one succeeds.
func TestC4_OneOfMany(t *testing.T) {
	t.Parallel()
	s := start(t)
	spelt := []string{"Größe ÉÉ", "größe éé", "Gro\u0308ße E\u0301E\u0301", "GRO\u0308ßE éE\u0301"}
	for _, resource := range []string{"skills", "job-roles"} {
		bodies := make([]string, 100)
		for i := range bodies {
			bodies[i] = s.draftOf(t, resource, spelt[i%len(spelt)])
		}
		counts := statuses(together(len(bodies), func(i int) apitest.Answer { return s.Do(t, "POST", "/api/v1/"+resource, s.grace, bodies[i]) }))
		if counts[http.StatusCreated] != 1 || counts[http.StatusConflict] != len(bodies)-1 {
			t.Errorf("%s: %v", resource, counts)
		}
	}
}

// asCaller runs a statement of a test's as the caller of ctx, and returns how many rows it changed.
func (s service) asCaller(ctx context.Context, sql string) (changed int64, err error) {
	err = s.DB.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		changed, err = database.Exec(ctx, tx, sql)
		return err
	})
	return changed, err
}

// The database itself lets nobody but governors write what all share, whatever the function's own rules let through.
func TestKept_OnlyGovernorsInTheDatabase(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.keep(t, "skills", "Shared")
	for role, allowed := range map[auth.Role]bool{auth.Governor: true, auth.Partner: false, auth.Customer: false, auth.Service: false, "": false} {
		ctx := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: s.Issuer, Subject: "x", Owner: "ada", Role: role})
		for sql, wanted := range map[string]int64{
			`insert into plant.skills (id, name, category) values (gen_random_uuid(), gen_random_uuid()::text, 'technical')`: 1,
			`update plant.skills set description = 'x'`: 1,
			`insert into plant.industries (id, slug, name) values (gen_random_uuid(), 'x' || substr(gen_random_uuid()::text, 1, 8), 'x')`:                                                     1,
			`update plant.industries set description = 'x' where slug = 'sales'`:                                                                                                              1,
			`insert into plant.job_roles (id, name, seniority_level, required_skills) select gen_random_uuid(), gen_random_uuid()::text, 'mid', array[min(id::text)::uuid] from plant.skills`: 1,
		} {
			changed, err := s.asCaller(ctx, sql)
			if done := err == nil && changed >= wanted; done != allowed {
				t.Errorf("%q: %s changed %d rows, %v", role, sql, changed, err)
			}
		}
	}
	if got := apitest.Decode[kept](t, s.Do(t, "GET", path, "", "")).Description; got != "x" {
		t.Errorf("a governor's change is %q", got)
	}
	for _, forbidden := range []string{`delete from plant.skills`, `update plant.skills set id = gen_random_uuid()`, `update plant.industries set slug = 'x'`, `insert into plant.job_role_skills select gen_random_uuid(), id from plant.skills`} {
		ctx := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: s.Issuer, Subject: "grace", Owner: "grace", Role: auth.Governor})
		if _, err := s.asCaller(ctx, forbidden); err == nil {
			t.Errorf("a governor may %s", forbidden)
		}
	}
	if got := dbtest.Scalar[int](t, s.DB, `select count(*) from plant.industries where slug = 'sales'`); got != 1 {
		t.Error("the industry is gone")
	}
}
