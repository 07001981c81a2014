package database_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

const issuer = "https://issuer.example"

// as returns a context of a caller's.
func as(ctx context.Context, role auth.Role, name string) context.Context {
	return auth.WithPrincipal(ctx, auth.Principal{Issuer: issuer, Subject: name, Owner: name, Role: role})
}

const insertAgent = `
	insert into plant.agents (id, owner_issuer, owner, external_id, name, specialization, industry, hourly_rate)
	values (gen_random_uuid(), '` + issuer + `', $1, $2, 'Name', 'Work', 'sales', 10)`

func insert(ctx context.Context, db *database.DB, owner, externalID string) error {
	return db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		_, err := database.Exec(ctx, tx, insertAgent, owner, externalID)
		return err
	})
}

func TestErrors_OfTheServer(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	ada := as(t.Context(), auth.Partner, "ada")
	if err := insert(ada, db.DB, "ada", "e"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, sql  string
		want       error
		constraint string
	}{
		{"unique", strings.NewReplacer("$1", "'ada'", "$2", "'e'").Replace(insertAgent), database.ErrConflict, "agents_external_id_key"},
		{"foreign key", strings.NewReplacer("$1", "'ada'", "$2", "null", "'sales'", "'mining'").Replace(insertAgent), database.ErrReference, "agents_industry_fkey"},
		{"check", strings.NewReplacer("$1", "'ada'", "$2", "null", "10)", "0)").Replace(insertAgent), database.ErrInvalid, "agents_hourly_rate_check"},
		{"not null", strings.NewReplacer("$1", "'ada'", "$2", "null", "'Name'", "null").Replace(insertAgent), database.ErrInvalid, ""},
		{"out of range", `select 1e300::numeric(3)`, database.ErrInvalid, ""},
		{"division", `select 1 / 0`, database.ErrInvalid, ""},
		{"another's row", strings.NewReplacer("$1", "'bob'", "$2", "null").Replace(insertAgent), database.ErrForbidden, ""},
		{"no privilege", `delete from plant.agents`, database.ErrForbidden, ""},
		{"too slow", `set local statement_timeout = 1; select pg_sleep(5)`, database.ErrTimeout, ""},
		{"read only", `set local transaction_read_only = on; insert into plant.idempotency_keys select`, database.ErrUnavailable, ""},
	}
	for _, test := range tests {
		err := db.InTx(ada, func(ctx context.Context, tx database.Tx) error {
			for statement := range strings.SplitSeq(test.sql, "; ") {
				if _, err := database.Exec(ctx, tx, statement); err != nil {
					return err
				}
			}
			return nil
		})
		if !errors.Is(err, test.want) || database.Broken(err) != test.constraint {
			t.Errorf("%s: got %v (%s), want %v (%s)", test.name, err, database.Broken(err), test.want, test.constraint)
		}
	}
	if database.Broken(errors.New("x")) != "" {
		t.Error("a constraint of nowhere")
	}
}

func TestErrors_LockTimeout(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.Exec(t, `begin`)
	db.Exec(t, `lock table plant.agents in access exclusive mode`)
	err := db.InTx(as(t.Context(), auth.Partner, "ada"), func(ctx context.Context, tx database.Tx) error {
		if _, err := database.Exec(ctx, tx, `set local lock_timeout = 1`); err != nil {
			return err
		}
		_, err := database.Scalar[int64](ctx, tx, `select count(*) from plant.agents`)
		return err
	})
	if !errors.Is(err, database.ErrBusy) {
		t.Errorf("got %v", err)
	}
	db.Exec(t, `rollback`)
}

func TestErrors_OfTheWay(t *testing.T) {
	t.Parallel()
	nowhere, err := database.Open(t.Context(), database.Config{URL: "postgres://x:marker-password@127.0.0.1:1/none", MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	if err := nowhere.Ready(t.Context()); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("unreachable: %v", err)
	}
	db := dbtest.New(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := database.Scalar[int](ended, db, `select 1`); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := database.Scalar[string](short, db, `select pg_sleep(5)::text`); !errors.Is(err, database.ErrTimeout) {
		t.Errorf("deadline: %v", err)
	}
	if _, err := database.Open(t.Context(), database.Config{URL: "postgres://x:marker-password@host:notaport/none"}); err == nil || strings.Contains(err.Error(), "marker") {
		t.Errorf("malformed URL: %v", err)
	}
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	superuser, err := database.Open(t.Context(), database.Config{URL: config.Secret(db.OwnerURL), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer superuser.Close()
	if err := superuser.Ready(t.Context()); err == nil {
		t.Error("a superuser is ready")
	}
}

func TestReading(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	type pair struct {
		A int64
		B string
	}
	if got, err := database.One[pair](t.Context(), db, `select 1::int8 as a, 'x' as b`); err != nil || got != (pair{1, "x"}) {
		t.Errorf("one: %v, %v", got, err)
	}
	if _, err := database.One[pair](t.Context(), db, `select 1::int8 as a, 'x' as b where false`); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	if got, err := database.All[pair](t.Context(), db, `select 1::int8 as a, 'x' as b where false`); err != nil || got == nil || len(got) != 0 {
		t.Errorf("all of none: %v, %v", got, err)
	}
	if got, err := database.Scalar[time.Time](t.Context(), db, `select timestamptz '2026-01-02 03:04:05.678901+02'`); err != nil || got.Location() != time.UTC || got.Nanosecond() != 678901000 {
		t.Errorf("time: %v, %v", got, err)
	}
	ctx, timer := database.WithTimer(t.Context())
	if _, err := database.Scalar[string](ctx, db, `select pg_sleep(0.02)::text`); err != nil || timer.Elapsed() < 20*time.Millisecond {
		t.Errorf("timed %v, %v", timer.Elapsed(), err)
	}
	for _, sql := range []string{`select nonsense`, `select 1 as c`} {
		if _, err := database.One[pair](t.Context(), db, sql); err == nil {
			t.Errorf("%s was read", sql)
		}
		if _, err := database.All[pair](t.Context(), db, sql); err == nil {
			t.Errorf("%s was read", sql)
		}
	}
}

func TestInSavepoint_UndoesOnlyItself(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	undone := errors.New("undone")
	err := db.InTx(as(t.Context(), auth.Partner, "ada"), func(ctx context.Context, tx database.Tx) error {
		if _, err := database.Exec(ctx, tx, insertAgent, "ada", "kept"); err != nil {
			return err
		}
		err := tx.InSavepoint(ctx, func(ctx context.Context, tx database.Tx) error {
			_, err := database.Exec(ctx, tx, insertAgent, "ada", "undone")
			return errors.Join(err, undone)
		})
		if !errors.Is(err, undone) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := dbtest.Scalar[string](t, db, `select string_agg(external_id, ',') from plant.agents`); got != "kept" {
		t.Errorf("left are %s", got)
	}
}

// A20: on one connection that all share, no caller inherits the identity of the one before.
func TestA20_NoIdentityIsLeftOver(t *testing.T) {
	t.Parallel()
	own := dbtest.New(t)
	db, err := database.Open(t.Context(), database.Config{URL: config.Secret(own.AppURL), MaxConns: 1, StatementTimeout: 10 * time.Second, LockTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	callers := map[string]context.Context{"ada": as(t.Context(), auth.Partner, "ada"), "bob": as(t.Context(), auth.Partner, "bob"), "nobody": t.Context()}
	var mu sync.Mutex
	n := 0
	var all sync.WaitGroup
	for name, ctx := range callers {
		for range 20 {
			all.Go(func() {
				for _, owner := range []string{"ada", "bob", "nobody"} {
					mu.Lock()
					n++
					id := fmt.Sprint(n)
					mu.Unlock()
					err := insert(ctx, db, owner, id)
					if allowed := owner == name && name != "nobody"; allowed != (err == nil) || !allowed && !errors.Is(err, database.ErrForbidden) {
						t.Errorf("%s as %s: %v", name, owner, err)
					}
				}
				if left, err := database.Scalar[string](t.Context(), db, `select coalesce(current_setting('plant.owner', true), '')`); err != nil || left != "" {
					t.Errorf("%q is left on the connection, %v", left, err)
				}
			})
		}
	}
	all.Wait()
	if got := dbtest.Scalar[int](t, own, `select count(*) from plant.agents`); got != 40 {
		t.Errorf("%d agents, want 40", got)
	}
}

func TestRowLevelSecurity(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	if err := insert(as(t.Context(), auth.Partner, "ada"), db.DB, "ada", "e"); err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context, sql string) (changed int64, err error) {
		err = db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
			changed, err = database.Exec(ctx, tx, sql)
			return err
		})
		return changed, err
	}
	const rename = `update plant.agents set name = 'Other'`
	for role, want := range map[auth.Role]int64{auth.Partner: 0, auth.Customer: 0, auth.Governor: 1, auth.Service: 1, "": 0, "root": 0} {
		if changed, err := run(as(t.Context(), role, "bob"), rename); err != nil || changed != want {
			t.Errorf("%s changed %d rows of Ada's, %v", role, changed, err)
		}
	}
	if changed, err := run(as(t.Context(), auth.Customer, "ada"), rename); err != nil || changed != 0 {
		t.Errorf("Ada as a customer changed %d, %v", changed, err)
	}
	if changed, err := run(as(t.Context(), auth.Partner, "ada"), rename); err != nil || changed != 1 {
		t.Errorf("Ada changed %d, %v", changed, err)
	}
	other := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: "https://other.example", Subject: "ada", Owner: "ada", Role: auth.Partner})
	if changed, err := run(other, rename); err != nil || changed != 0 {
		t.Errorf("Ada of another issuer changed %d, %v", changed, err)
	}
	for _, sql := range []string{
		`update plant.agents set industry = 'education'`, `update plant.agents set id = gen_random_uuid()`, `update plant.agents set created_at = now()`,
		`truncate plant.agents`, `delete from plant.agents`, `update plant.agent_statistics set reviews = 9, rating_sum = 45`, `insert into plant.search_documents select`,
		`alter table plant.agents disable trigger all`, `create table plant.x ()`, `create table public.x ()`, `select plant.index_texts('{}')`, `drop policy readers on plant.agents`, `set role postgres`,
	} {
		if _, err := run(as(t.Context(), auth.Governor, "grace"), sql); err == nil {
			t.Errorf("%s: permitted", sql)
		}
	}
	const key = `insert into plant.idempotency_keys (issuer, subject, route, key, request_hash, answer, expires_at)
		values ('` + issuer + `', '%s', 'r', 'k', decode(repeat('00', 32), 'hex'), '{}', now() + interval '1 day')`
	if _, err := run(as(t.Context(), auth.Partner, "ada"), fmt.Sprintf(key, "ada")); err != nil {
		t.Error(err)
	}
	if _, err := run(as(t.Context(), auth.Partner, "ada"), fmt.Sprintf(key, "bob")); !errors.Is(err, database.ErrForbidden) {
		t.Errorf("a key of Bob's: %v", err)
	}
	for name, want := range map[string]int64{"ada": 1, "bob": 0} {
		if seen, err := run(as(t.Context(), auth.Governor, name), `select from plant.idempotency_keys`); err != nil || seen != want {
			t.Errorf("%s sees %d keys, %v", name, seen, err)
		}
	}
}

func TestList_SeeksByKeyAndID(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.Exec(t, `insert into plant.skills (id, name, category) select ('01900000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 'Skill ' || i, (array['technical', 'soft_skill'])[1 + i % 2] from generate_series(1, 25) i`)
	type row struct {
		Name string `json:"name"`
	}
	for _, descending := range []bool{false, true} {
		direction := map[bool]string{false: "asc", true: "desc"}[descending]
		want := strings.Split(dbtest.Scalar[string](t, db, `select string_agg(name, ',' order by category `+direction+`, id `+direction+`) from plant.skills`), ",")
		var got []string
		part := database.Part{Limit: 4}
		for {
			rows, _, err := database.List[row](t.Context(), db, database.Listing{
				Columns: "k.name", From: "plant.skills k", Where: database.NewWhere(nil, nil),
				By: database.Order{Key: "k.category", Type: "text", ID: "k.id", Descending: descending},
			}, part)
			if err != nil {
				t.Fatal(err)
			}
			var page []row
			if err := json.Unmarshal(rows.JSON, &page); err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				got = append(got, r.Name)
			}
			if part.After = rows.Next; part.After == nil {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", direction, diff)
		}
	}
	listing := func() database.Listing {
		return database.Listing{Columns: "k.name", From: "plant.skills k", Where: database.NewWhere([]string{"k.category = @category"}, map[string]any{"category": "technical"}), By: database.Order{Key: "k.name", Type: "text", ID: "k.id"}}
	}
	for count, want := range map[string]string{"exact": "12", "": ""} {
		if _, total, err := database.List[row](t.Context(), db, listing(), database.Part{Limit: 1, Skip: 3, Count: count}); err != nil || total != want {
			t.Errorf("count %q: %q, %v", count, total, err)
		}
	}
	if _, total, err := database.List[row](t.Context(), db, listing(), database.Part{Limit: 1, Count: "estimated"}); err != nil || total == "" {
		t.Errorf("estimated: %q, %v", total, err)
	}
	if _, _, err := database.List[row](t.Context(), db, listing(), database.Part{Limit: 1, After: []string{"x"}}); !errors.Is(err, database.ErrInvalid) {
		t.Errorf("half a position: %v", err)
	}
}
