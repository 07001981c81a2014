package database_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

// open returns a pool of its own size, and timeouts.
func open(t *testing.T, cfg database.Config) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// appURL is of the test's database with one thing changed.
func appURL(t *testing.T, d *dbtest.Database, change func(u *url.URL)) config.Secret {
	t.Helper()
	u, err := url.Parse(d.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return config.Secret(u.String())
}

// Whatever keeps a function from logging in is nothing that its caller did: a refusal by the server is no ErrForbidden.
func TestErrors_CannotLogIn(t *testing.T) {
	t.Parallel()
	own, closed, full := dbtest.New(t), dbtest.New(t), dbtest.New(t)
	closed.Exec(t, `do $$ begin execute format('revoke connect on database %I from public', current_database()); end $$`)
	full.Exec(t, `do $$ begin execute format('alter database %I connection limit 0', current_database()); end $$`)
	tests := map[string]config.Secret{
		"no such database (3D000)":     appURL(t, own, func(u *url.URL) { u.Path = "/plant_test_none" }),
		"no such login (28000, 28P01)": appURL(t, own, func(u *url.URL) { u.User = url.UserPassword("plant_test_none", "marker") }),
		"no privilege (42501)":         config.Secret(closed.AppURL),
		"too many connections (53300)": config.Secret(full.AppURL),
		"nobody listens":               appURL(t, own, func(u *url.URL) { u.Host = "127.0.0.1:1"; u.User = url.UserPassword("x", "marker") }),
		"a server that speaks no TLS":  appURL(t, own, func(u *url.URL) { u.RawQuery = "sslmode=verify-full" }),
		"a folder without a socket":    appURL(t, own, func(u *url.URL) { u.Host = ""; u.RawQuery = url.Values{"host": {t.TempDir()}}.Encode() }),
	}
	for name, address := range tests {
		db := open(t, database.Config{URL: address, MaxConns: 1})
		read := func() error { _, err := database.Scalar[int](t.Context(), db, `select 1`); return err }
		write := func() error { return insert(as(t.Context(), auth.Partner, "ada"), db, "ada", "e") }
		ready := func() error { return db.Ready(t.Context()) }
		for _, try := range []func() error{read, write, ready} {
			err := try()
			if !errors.Is(err, database.ErrUnavailable) || errors.Is(err, database.ErrForbidden) {
				t.Errorf("%s: got %v, want ErrUnavailable", name, err)
			}
			if err != nil && strings.Contains(err.Error(), ":marker") {
				t.Errorf("%s: the password is in %v", name, err)
			}
		}
	}
}

func TestOpen_KeepsAMalformedURLToItself(t *testing.T) {
	t.Parallel()
	for _, address := range []config.Secret{
		"postgres://x:marker@host:notaport/none", "postgres://x:marker%zz@host/none", "postgres://x:marker@host/none?sslmode=marker",
		"host=h password=marker port=none", "://marker", "postgres://x:marker@[::1/none", "postgres://x:marker@host/none?pool_max_conns=marker",
	} {
		if db, err := database.Open(t.Context(), database.Config{URL: address, MaxConns: 1}); err == nil {
			db.Close()
			t.Errorf("%s was opened", address.Reveal())
		} else if strings.Contains(err.Error(), "marker") {
			t.Errorf("the error tells %v", err)
		}
	}
	if _, err := database.Open(t.Context(), database.Config{URL: "postgres://x:marker@host/none", MaxConns: -1}); err == nil || strings.Contains(err.Error(), "marker") {
		t.Errorf("a pool of less than nothing: %v", err)
	}
}

func TestErrors_MoreOfTheServer(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.Exec(t, `create table plant.booked (during int4range, exclude using gist (during with &&))`)
	db.Exec(t, `create table plant.later (id int primary key, other int references plant.later deferrable initially deferred)`)
	db.Exec(t, `grant select, insert, update on plant.booked, plant.later to plant_app`)
	const raise = `do $$ begin raise exception using errcode = '` // where a test cannot make it so
	tests := []struct {
		name, sql  string
		want       error
		constraint string
	}{
		{"exclusion", `insert into plant.booked values ('[1,3)'); insert into plant.booked values ('[2,4)')`, database.ErrConflict, "booked_during_excl"},
		{"at the commit", `insert into plant.later values (1, 99)`, database.ErrReference, "later_other_fkey"},
		{"numeric overflow", `select 1000::numeric(3)`, database.ErrInvalid, ""},
		{"no uuid", `select 'x'::uuid`, database.ErrInvalid, ""},
		{"no UTF-8", `select convert_from('\xff', 'UTF8')`, database.ErrInvalid, ""},
		{"terminated", `select pg_terminate_backend(pg_backend_pid())`, database.ErrUnavailable, ""},
		{"serialization", raise + `40001'; end $$`, database.ErrBusy, ""},
		{"disk full", raise + `53100'; end $$`, database.ErrUnavailable, ""},
		{"connection lost", raise + `08006'; end $$`, database.ErrUnavailable, ""},
		{"input or output", raise + `58030'; end $$`, database.ErrUnavailable, ""},
	}
	for _, test := range tests {
		err := db.InTx(as(t.Context(), auth.Partner, "ada"), func(ctx context.Context, tx database.Tx) error {
			for statement := range strings.SplitSeq(strings.ReplaceAll(test.sql, "; end", "\x00"), "; ") {
				if _, err := database.Exec(ctx, tx, strings.ReplaceAll(statement, "\x00", "; end")); err != nil {
					return err
				}
			}
			return nil
		})
		if !errors.Is(err, test.want) || database.Broken(err) != test.constraint || !strings.HasPrefix(err.Error(), test.want.Error()) {
			t.Errorf("%s: got %v (%s), want %v (%s)", test.name, err, database.Broken(err), test.want, test.constraint)
		}
	}
	// A defect of ours is none of these, and the pool is whole after all of it.
	for _, sql := range []string{`select nonsense`, `selec`, `select * from plant.nowhere`} {
		_, err := database.Scalar[int](t.Context(), db, sql)
		for _, kind := range []error{
			database.ErrNotFound, database.ErrForbidden, database.ErrStale, database.ErrConflict, database.ErrReference, database.ErrInvalid,
			database.ErrBusy, database.ErrTimeout, database.ErrUnavailable,
		} {
			if err == nil || errors.Is(err, kind) {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	if got, err := database.Scalar[int](t.Context(), db, `select 1`); err != nil || got != 1 {
		t.Errorf("afterwards: %d, %v", got, err)
	}
}

func TestErrors_Deadlock(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	for _, id := range []string{"first", "second"} {
		if err := insert(as(t.Context(), auth.Partner, "ada"), db.DB, "ada", id); err != nil {
			t.Fatal(err)
		}
	}
	const touch = `update plant.agents set version = version + 1 where external_id = $1`
	var met [2]chan struct{}
	var meet [2]func()
	for i := range met {
		met[i] = make(chan struct{})
		meet[i] = sync.OnceFunc(func() { close(met[i]) }) // the one that lost comes again
	}
	errs := make(chan error, 2)
	for i, order := range [][]string{{"first", "second"}, {"second", "first"}} {
		go func() {
			errs <- db.InTx(as(t.Context(), auth.Partner, "ada"), func(ctx context.Context, tx database.Tx) error {
				_, err := database.Exec(ctx, tx, touch, order[0])
				meet[i]()
				if err != nil {
					return err
				}
				<-met[1-i]
				_, err = database.Exec(ctx, tx, touch, order[1])
				return err
			})
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Errorf("got %v, want the loser to have tried again", err)
		}
	}
	if got := dbtest.Scalar[int](t, db, `select sum(version) from plant.agents`); got != 6 {
		t.Errorf("versions add up to %d, want 6: each of both transactions once", got)
	}
}

// The timeouts of the configuration are the server's, for every statement of the pool.
func TestOpen_Timeouts(t *testing.T) {
	t.Parallel()
	own := dbtest.New(t)
	db := open(t, database.Config{URL: config.Secret(own.AppURL), MaxConns: 1, StatementTimeout: 300 * time.Millisecond, LockTimeout: 20 * time.Millisecond})
	if _, err := database.Scalar[string](t.Context(), db, `select pg_sleep(30)::text`); !errors.Is(err, database.ErrTimeout) {
		t.Errorf("a slow statement: got %v, want ErrTimeout", err)
	}
	own.Exec(t, `begin`)
	own.Exec(t, `lock table plant.skills in access exclusive mode`)
	if _, err := database.Scalar[int](t.Context(), db, `select count(*) from plant.skills`); !errors.Is(err, database.ErrBusy) {
		t.Errorf("a locked table: got %v, want ErrBusy", err)
	}
	own.Exec(t, `rollback`)
	for setting, want := range map[string]string{
		"application_name": "plant", "jit": "off", "statement_timeout": "300ms", "lock_timeout": "20ms", "idle_in_transaction_session_timeout": "10s",
	} {
		if got, err := database.Scalar[string](t.Context(), db, `select current_setting($1)`, setting); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", setting, got, err, want)
		}
	}
}

// Ready refuses every login whom row-level security would not stop, or who could make it so.
func TestReady_RefusesALoginThatIsNotStopped(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	suffix := dbtest.Scalar[string](t, db, `select substr(current_database(), 12)`)
	if err := db.Ready(t.Context()); err != nil {
		t.Errorf("the application's login: %v", err)
	}
	for name, makes := range map[string][]string{
		"superuser": {`create role %s login superuser password 'x'`},
		"bypassing": {`create role %s login bypassrls password 'x' in role plant_app`},
		"owner":     {`create role %s login password 'x' in role plant_app`, `alter table plant.agents owner to %s`},
		"follower":  {`create role %s login noinherit password 'x' in role plant_app`, `do $$ begin execute format('grant %%I to %s', current_user); end $$`},
	} {
		login := "plant_test_" + name + "_" + suffix
		for _, sql := range makes {
			db.Exec(t, strings.ReplaceAll(strings.ReplaceAll(sql, "%s", login), "%%", "%"))
		}
		t.Cleanup(func() { dropRole(t, db, login) })
		it := open(t, database.Config{URL: appURL(t, db, func(u *url.URL) { u.User = url.UserPassword(login, "x") }), MaxConns: 1})
		if err := it.Ready(t.Context()); !errors.Is(err, database.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
	}
}

// dropRole drops a role, which belongs to the cluster, and gives what it owns back.
func dropRole(t *testing.T, d *dbtest.Database, role string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range []string{`reassign owned by ` + role + ` to current_user`, `drop owned by ` + role, `drop role ` + role} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
