package sql_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waooaw/plant/shared/database/dbtest"
	plantsql "github.com/waooaw/plant/sql"
)

// connect returns a connection as the owner.
func connect(t *testing.T, d *dbtest.Database) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func migrateTo(t *testing.T, conn *pgx.Conn, version int32) {
	t.Helper()
	if err := plantsql.Migrate(t.Context(), conn, version); err != nil {
		t.Fatal(err)
	}
}

func versionOf(t *testing.T, conn *pgx.Conn) int32 {
	t.Helper()
	status, err := plantsql.StatusOf(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return status.Version
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	conn := connect(t, dbtest.New(t))
	status, err := plantsql.StatusOf(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	latest := status.Latest()
	if status.Version != latest || latest == 0 || status.Names[0] != "001_access.sql" {
		t.Fatalf("a test's database is at %d of %v", status.Version, status.Names)
	}
	// Every migration can be taken back, and applied again.
	for version := latest - 1; version >= 0; version-- {
		migrateTo(t, conn, version)
		if got := versionOf(t, conn); got != version {
			t.Errorf("got version %d, want %d", got, version)
		}
	}
	for version := int32(1); version <= latest; version++ {
		migrateTo(t, conn, version)
		migrateTo(t, conn, version-1)
		migrateTo(t, conn, version)
	}
	migrateTo(t, conn, plantsql.Latest)
	if got := versionOf(t, conn); got != latest {
		t.Errorf("got version %d, want %d", got, latest)
	}
	if err := plantsql.Migrate(t.Context(), conn, latest+1); err == nil {
		t.Error("a version that there is not: no error")
	}
}

func TestMigrate_NewerSchema(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.Exec(t, `update schema_version set version = 999`)
	if err := plantsql.Migrate(t.Context(), connect(t, d), plantsql.Latest); err == nil {
		t.Error("a schema newer than the migrations: no error")
	}
}

func TestD15_TwoMigrationRunners(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	migrateTo(t, connect(t, d), 0)
	const runners = 4
	errs := make(chan error, runners)
	for range runners {
		conn := connect(t, d)
		go func() { errs <- plantsql.Migrate(t.Context(), conn, plantsql.Latest) }()
	}
	for range runners {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestD15_RunnerKilledHalfWay(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	migrateTo(t, connect(t, d), 2)
	free := lockSkills(t, d)
	conn := connect(t, d)
	killed := make(chan error)
	go func() { killed <- plantsql.Migrate(t.Context(), conn, plantsql.Latest) }()
	watcher := connect(t, d)
	for waiting := false; !waiting; { // the third migration needs the table
		const isWaiting = `select exists (select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock')`
		if err := watcher.QueryRow(t.Context(), isWaiting, conn.PgConn().PID()).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := watcher.Exec(t.Context(), `select pg_terminate_backend($1)`, conn.PgConn().PID()); err != nil {
		t.Fatal(err)
	}
	if err := <-killed; err == nil {
		t.Fatal("a runner that was killed says that all is well")
	}
	free()
	again := connect(t, d)
	if got := versionOf(t, again); got != 2 {
		t.Errorf("got version %d, want 2: the migration is undone with its transaction", got)
	}
	migrateTo(t, again, plantsql.Latest)
}

// lockSkills keeps everyone from a table until free is called.
func lockSkills(t *testing.T, d *dbtest.Database) (free func()) {
	t.Helper()
	tx, err := connect(t, d).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `lock table plant.skills`); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A migration gives up on a table that is in use, and leaves the schema as the one before it did; not only the first of
// several does.
func TestD16_MigrationGivesUpOnALock(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	conn := connect(t, d)
	const latest = 6 // of those that need the table only far down
	migrateTo(t, conn, latest)
	free := lockSkills(t, d)
	err := plantsql.Migrate(t.Context(), conn, 0)
	const lockNotAvailable = "55P03"
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != lockNotAvailable {
		t.Fatalf("got %v, want SQLSTATE %s", err, lockNotAvailable)
	}
	if got := versionOf(t, conn); got == 0 || got == latest {
		t.Errorf("got version %d, want one on the way from %d to 0", got, latest)
	}
	free()
	migrateTo(t, conn, plantsql.Latest)
}

func TestLoadDemo(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	conn := connect(t, d)
	const count = `select (select count(*) from plant.agents) || ' agents, ' || (select count(*) from plant.skills) || ' skills, '
		|| (select count(*) from plant.job_roles) || ' roles, ' || (select sum(version) from plant.agents) || ' versions'`
	var loaded [2]string
	for i := range loaded {
		if err := plantsql.LoadDemo(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		loaded[i] = dbtest.Scalar[string](t, d, count)
	}
	if loaded[0] != loaded[1] {
		t.Errorf("first %s, then %s", loaded[0], loaded[1])
	}
}

// An owner that is no superuser, as in the cloud, can migrate and load the demo data once the extensions are there; until
// then the error says who has to do what.
func TestMigrate_OwnerIsNoSuperuser(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	migrateTo(t, connect(t, d), 0)
	owner := "plant_test_owner_" + dbtest.Scalar[string](t, d, `select substr(current_database(), 12)`)
	d.Exec(t, `drop extension vector, pg_trgm cascade`)
	d.Exec(t, `drop table if exists public.schema_version`)
	d.Exec(t, `create role `+owner+` login createrole password 'x'`)
	d.Exec(t, `do $$ begin execute format('alter database %I owner to `+owner+`', current_database()); end $$`)
	u, err := url.Parse(d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(owner, "x")
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		_ = conn.Close(ctx)
		// Nobody else is in this database any more; what the role owns goes with it.
		if admin, err := pgx.Connect(ctx, d.OwnerURL); err == nil {
			_, _ = admin.Exec(ctx, `do $$ begin execute format('alter database %I owner to current_user', current_database()); end $$`)
			_, _ = admin.Exec(ctx, `drop owned by `+owner+` cascade`)
			_, _ = admin.Exec(ctx, `drop role `+owner)
			_ = admin.Close(ctx)
		}
	})
	if err := plantsql.Migrate(t.Context(), conn, plantsql.Latest); err == nil || !strings.Contains(err.Error(), "create extension vector") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
	d.Exec(t, `create extension vector`)
	d.Exec(t, `create extension pg_trgm`)
	migrateTo(t, conn, plantsql.Latest)
	if err := plantsql.LoadDemo(t.Context(), conn); err != nil {
		t.Error(err)
	}
	if got := dbtest.Scalar[int](t, d, `select count(*) from plant.agents where industry = 'sales'`); got < 20 {
		t.Errorf("%d agents for sales", got)
	}
}
