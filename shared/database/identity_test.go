package database_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

const (
	identity = `
		select concat_ws(',', nullif(current_setting('plant.issuer', true), ''), nullif(current_setting('plant.subject', true), ''),
			nullif(current_setting('plant.owner', true), ''), nullif(current_setting('plant.role', true), ''))`
	touchAgent = `update plant.agents set updated_at = now() where external_id = $1`
)

// touch changes an agent as the caller of ctx, and returns how many rows it may change.
func touch(ctx context.Context, db *database.DB, externalID string) (changed int64, err error) {
	err = db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		changed, err = database.Exec(ctx, tx, touchAgent, externalID)
		return err
	})
	return changed, err
}

// A20: however a transaction ends, nothing of its caller is left for the next on the same connection, whose statements
// are prepared there already.
func TestA20_NoIdentityIsLeftHoweverItEnds(t *testing.T) {
	t.Parallel()
	own := dbtest.New(t)
	db := open(t, database.Config{URL: config.Secret(own.AppURL), MaxConns: 1, StatementTimeout: 10 * time.Second, LockTimeout: 10 * time.Second})
	ada, bob := as(t.Context(), auth.Partner, "ada"), as(t.Context(), auth.Partner, "bob")
	for _, name := range []string{"ada", "bob"} {
		if err := insert(as(t.Context(), auth.Partner, name), db, name, name); err != nil {
			t.Fatal(err)
		}
	}
	undone := errors.New("undone")
	type work func(ctx context.Context, tx database.Tx) error
	ends := map[string]work{
		"commits":   func(context.Context, database.Tx) error { return nil },
		"is undone": func(context.Context, database.Tx) error { return undone },
		"panics":    func(context.Context, database.Tx) error { panic(undone) },
		"hides a fail": func(ctx context.Context, tx database.Tx) error {
			_, _ = database.Exec(ctx, tx, `select 1 / 0`)
			return nil
		},
		"is cancelled": func(ctx context.Context, tx database.Tx) error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			_, err := database.Scalar[string](ctx, tx, `select pg_sleep(30)::text`)
			return err
		},
		"undoes a savepoint": func(ctx context.Context, tx database.Tx) error {
			_ = tx.InSavepoint(ctx, func(context.Context, database.Tx) error { return undone })
			return nil
		},
		"breaks a deferred rule": func(ctx context.Context, tx database.Tx) error {
			_, err := database.Exec(ctx, tx, `insert into plant.later values (99)`)
			return err
		},
		"sends a batch": func(ctx context.Context, tx database.Tx) error {
			batch := &pgx.Batch{}
			batch.Queue(identity)
			return tx.SendBatch(ctx, batch).Close()
		},
	}
	own.Exec(t, `create table plant.later (other int references plant.later (id) deferrable initially deferred, id int primary key default 1)`)
	own.Exec(t, `grant insert on plant.later to plant_app`)
	fails := map[string]bool{"is undone": true, "panics": true, "hides a fail": true, "is cancelled": true, "breaks a deferred rule": true}
	for name, end := range ends {
		err := func() (err error) {
			defer func() {
				if recover() != nil {
					err = undone
				}
			}()
			return db.InTx(ada, func(ctx context.Context, tx database.Tx) error {
				got, err := database.Scalar[string](ctx, tx, identity)
				if want := issuer + ",ada,ada,partner"; err != nil || got != want {
					t.Errorf("%s: runs as %q, %v, want %q", name, got, err, want)
				}
				return end(ctx, tx)
			})
		}()
		if (err != nil) != fails[name] {
			t.Errorf("a transaction that %s: got %v", name, err)
		}
		if left, err := database.Scalar[string](t.Context(), db, identity); err != nil || left != "" {
			t.Errorf("a transaction that %s leaves %q, %v", name, left, err)
		}
		for who, ctx := range map[string]context.Context{"nobody": t.Context(), "bob": bob} {
			if changed, err := touch(ctx, db, "ada"); err != nil || changed != 0 {
				t.Errorf("after one that %s, %s changes %d rows of Ada's, %v", name, who, changed, err)
			}
			if err := insert(ctx, db, "ada", name+who); !errors.Is(err, database.ErrForbidden) {
				t.Errorf("after one that %s, %s inserts for Ada: %v", name, who, err)
			}
		}
		if changed, err := touch(ada, db, "ada"); err != nil || changed != 1 {
			t.Errorf("after one that %s, Ada changes %d rows of her own, %v", name, changed, err)
		}
	}
}

// Who may publish for whom. Nobody inserts for another but a governor.
func TestRowLevelSecurity_Inserts(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	for i, test := range []struct {
		role    auth.Role
		caller  string
		owner   string
		allowed bool
	}{
		{auth.Partner, "ada", "ada", true},
		{auth.Partner, "ada", "bob", false},
		{auth.Partner, "", "ada", false},
		{auth.Governor, "grace", "ada", true},
		{auth.Service, "meter", "meter", false},
		{auth.Service, "meter", "ada", false},
		{auth.Customer, "ada", "ada", false},
		{"", "ada", "ada", false},
		{"owner", "ada", "ada", false},
		{"PARTNER", "ada", "ada", false},
	} {
		err := insert(as(t.Context(), test.role, test.caller), db.DB, test.owner, fmt.Sprint(i))
		if test.allowed != (err == nil) || !test.allowed && !errors.Is(err, database.ErrForbidden) {
			t.Errorf("%q %q for %q: got %v, allowed is %v", test.role, test.caller, test.owner, err, test.allowed)
		}
	}
	if err := insert(t.Context(), db.DB, "ada", "nobody's"); !errors.Is(err, database.ErrForbidden) {
		t.Errorf("nobody: got %v", err)
	}
	if got := dbtest.Scalar[int](t, db, `select count(*) from plant.agents`); got != 2 {
		t.Errorf("%d agents, want 2", got)
	}
}

// Nobody is not one more caller: a setting that is empty equals nothing, not even what is empty itself.
func TestRowLevelSecurity_NobodyOwnsNothing(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	const key = `
		insert into plant.idempotency_keys (issuer, subject, route, key, request_hash, answer, expires_at)
		values ($1, $2, 'r', 'k', decode(repeat('00', 32), 'hex'), '{}', now() + interval '1 day')`
	db.Exec(t, key, "", "")
	halves := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: issuer, Role: auth.Partner})
	db.Exec(t, key, issuer, "")
	for name, ctx := range map[string]context.Context{"nobody": t.Context(), "a caller without a subject": halves} {
		for what, sql := range map[string]string{"sees": `select from plant.idempotency_keys`, "deletes": `delete from plant.idempotency_keys`} {
			err := db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
				n, err := database.Exec(ctx, tx, sql)
				if n != 0 {
					t.Errorf("%s %s %d keys", name, what, n)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		caller, _ := auth.FromContext(ctx)
		err := db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
			_, err := database.Exec(ctx, tx, key+` on conflict do nothing`, caller.Issuer, caller.Subject)
			return err
		})
		if !errors.Is(err, database.ErrForbidden) {
			t.Errorf("%s keeps a key: %v", name, err)
		}
	}
	db.Exec(t, `delete from plant.idempotency_keys where issuer <> ''`)
	if got := dbtest.Scalar[int](t, db, `select count(*) from plant.idempotency_keys`); got != 1 {
		t.Errorf("%d keys are left, want 1", got)
	}
}

// The statements of a batch run as the caller too, their errors are told apart like all others, and their time counts.
func TestSendBatch(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	ctx, timer := database.WithTimer(as(t.Context(), auth.Partner, "ada"))
	type row struct{ ExternalID string }
	const add = insertAgent + ` returning external_id`
	var got []string
	err := db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(add, "ada", "one")
		batch.Queue(`select external_id from plant.agents where false`)
		batch.Queue(add, "ada", "two")
		batch.Queue(`select pg_sleep(0.02)`)
		answers := tx.SendBatch(ctx, batch)
		for range 3 {
			rows, err := answers.Query()
			if err != nil {
				return err
			}
			one, err := database.OneRow[row](rows)
			switch {
			case errors.Is(err, database.ErrNotFound):
				got = append(got, "none")
			case err != nil:
				return err
			default:
				got = append(got, one.ExternalID)
			}
		}
		return answers.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "none", "two"}, got); diff != "" {
		t.Error(diff)
	}
	before := timer.Elapsed()
	if before < 20*time.Millisecond {
		t.Errorf("timed %v, want the batch's 20 ms", before)
	}
	err = db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(add, "bob", "three")
		answers := tx.SendBatch(ctx, batch)
		rows, err := answers.Query()
		if err != nil {
			return errors.Join(err, answers.Close())
		}
		_, err = database.OneRow[row](rows)
		return errors.Join(err, answers.Close())
	})
	if !errors.Is(err, database.ErrForbidden) {
		t.Errorf("a batch for another: got %v, want ErrForbidden", err)
	}
	if timer.Elapsed() <= before {
		t.Error("a batch that failed took no time")
	}
}
