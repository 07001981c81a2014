package hiring_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/hiring"
	"github.com/waooaw/plant/shared/httpapi"
)

// publish makes an agent of Ada's, with some columns set.
func publish(t *testing.T, db *dbtest.Database, set string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	db.Exec(t, `insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate) values ($1, 'i', 'ada', 'Name', 'Work', 'sales', 85)`, id)
	if set != "" {
		db.Exec(t, `update plant.agents set `+set+` where id = $1`, id)
	}
	return id
}

// as hires an agent for somebody.
func as(t *testing.T, db *dbtest.Database, role auth.Role, name string, agent uuid.UUID, duration string) (hire hiring.Hire, err error) {
	t.Helper()
	ctx := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: "i", Subject: name, Owner: name, Role: role})
	err = db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		hire, err = hiring.Create(ctx, tx, agent, hiring.Draft{Duration: duration})
		return err
	})
	return hire, err
}

// Whoever makes a hire, over whichever protocol, is told the same of what stands in the way.
func TestCreate(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	taken := publish(t, db, `exclusive = true`)
	if hire, err := as(t, db, auth.Customer, "carl", taken, "quarterly"); err != nil || hire.Status != "trial" || hire.Price.String() != "13600.00" || hire.Customer != "carl" || hire.Duration != "quarterly" {
		t.Errorf("got %+v, %v", hire, err)
	}
	for name, test := range map[string]struct {
		role            auth.Role
		who             string
		agent           uuid.UUID
		duration, wants string
	}{
		"an agent":                      {auth.Customer, "carl", publish(t, db, ""), "monthly", "trial"},
		"one without a trial":           {auth.Governor, "grace", publish(t, db, "trial_days = 0"), "monthly", "active"},
		"one that is taken":             {auth.Customer, "cora", taken, "monthly", "AGENT_TAKEN"},
		"one that is offline":           {auth.Customer, "carl", publish(t, db, "status = 'offline'"), "monthly", "AGENT_OFFLINE"},
		"one's own":                     {auth.Customer, "ada", publish(t, db, ""), "monthly", "OWN_AGENT"},
		"one for longer than it is let": {auth.Customer, "carl", publish(t, db, ""), "yearly", "INVALID"},
		"one that is deleted":           {auth.Customer, "carl", publish(t, db, "deleted_at = now()"), "monthly", "not found"},
		"one that there is not":         {auth.Customer, "carl", uuid.New(), "monthly", "not found"},
		"one as a partner":              {auth.Partner, "bob", publish(t, db, ""), "monthly", "not permitted"},
		"one as nobody":                 {"", "carl", publish(t, db, ""), "monthly", "not permitted"},
	} {
		hire, err := as(t, db, test.role, test.who, test.agent, test.duration)
		got := hire.Status
		var problem *httpapi.Problem
		switch {
		case errors.As(err, &problem):
			got = problem.Code
		case errors.Is(err, database.ErrNotFound), errors.Is(err, database.ErrForbidden):
			got = map[bool]string{true: "not found", false: "not permitted"}[errors.Is(err, database.ErrNotFound)]
		case err != nil:
			got = err.Error()
		}
		if got != test.wants {
			t.Errorf("to hire %s: got %s, want %s", name, got, test.wants)
		}
	}
}

// A hire is found by the status that it is answered with, and by no other; its tag tells one status from another.
func TestWhere_IsWhatIsAnswered(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	agent := publish(t, db, "")
	for i, columns := range []string{
		`null, null, null, now()`, `null, null, null, now() - interval '167 hours'`, `null, null, null, now() - interval '168 hours'`, `null, null, null, now() - interval '90 days'`,
		`'active', now(), null, now() - interval '1 hour'`, `'ended', now(), now(), now() - interval '1 hour'`, `'ended', null, now() - interval '1 hour', now() - interval '169 hours'`,
		`'cancelled', null, now(), now() - interval '1 hour'`,
	} {
		db.Exec(t, fmt.Sprintf(`insert into plant.hires (id, agent_id, customer_issuer, customer, duration, status, activated_at, ended_at, created_at)
			select gen_random_uuid(), '%s', 'i', 'customer-%d', 'monthly', %s`, agent, i, columns))
	}
	ctx := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: "i", Subject: "grace", Owner: "grace", Role: auth.Governor})
	counts, tags := map[string]int{}, map[any]bool{}
	for status, condition := range hiring.Where {
		err := db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
			found, err := database.All[hiring.Hire](ctx, tx, `select `+hiring.Columns+` from plant.hires h where `+condition)
			counts[status] = len(found)
			for _, hire := range found {
				_, derived := hire.Tag()
				tags[derived] = true
				if over := hire.Status == "ended" || hire.Status == "cancelled"; hire.Status != status || over != (hire.EndedAt != nil) {
					t.Errorf("%s finds %+v", status, hire)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"trial": 2, "active": 1, "ended": 4, "cancelled": 1}, counts); diff != "" || len(tags) != 4 {
		t.Errorf("%d tags: %s", len(tags), diff)
	}
}
