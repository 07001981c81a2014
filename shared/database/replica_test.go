package database_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/localgoogle"
)

// openWithReplica takes two databases for a primary and a replica that lags for ever: what is answered tells who was asked.
func openWithReplica(t *testing.T, primary *dbtest.Database, replicaURL string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), database.Config{
		URL: config.Secret(primary.AppURL), ReadURL: config.Secret(replicaURL),
		MaxConns: 2, AcquireTimeout: 10 * time.Second, StatementTimeout: 10 * time.Second, LockTimeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

const whichDatabase = `select current_database()::text`

func TestMayLag(t *testing.T) {
	t.Parallel()
	primary, follower := dbtest.New(t), dbtest.New(t)
	db := openWithReplica(t, primary, follower.AppURL)
	atPrimary := dbtest.Scalar[string](t, primary, whichDatabase)
	atReplica := dbtest.Scalar[string](t, follower, whichDatabase)
	lagging := database.MayLag(t.Context())
	inTx := func(ctx context.Context) (name string, err error) {
		err = db.InTx(ctx, func(ctx context.Context, tx database.Tx) (err error) {
			name, err = database.Scalar[string](ctx, tx, whichDatabase)
			return err
		})
		return name, err
	}
	query := func(ctx context.Context) (string, error) { return database.Scalar[string](ctx, db, whichDatabase) }
	tests := map[string]struct {
		read func(context.Context) (string, error)
		ctx  context.Context
		want string
	}{
		"a read":                         {query, t.Context(), atPrimary},
		"a read that may lag":            {query, lagging, atReplica},
		"a transaction":                  {inTx, t.Context(), atPrimary},
		"a transaction, though it might": {inTx, lagging, atPrimary},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := test.read(test.ctx); got != test.want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// Those who may read from a replica and those who may not are never of one batch.
func TestMayLag_Coalesced(t *testing.T) {
	t.Parallel()
	primary, follower := dbtest.New(t), dbtest.New(t)
	db := openWithReplica(t, primary, follower.AppURL)
	id := uuid.New()
	const insert = `insert into plant.skills (id, name, category) values ($1, $2, 'technical')`
	primary.Exec(t, insert, id, "At the primary")
	follower.Exec(t, insert, id, "At the replica")
	skills := database.NewCoalescer[skill](db, skillsByID, "")
	for range 20 {
		for ctx, want := range map[context.Context]string{t.Context(): "At the primary", database.MayLag(t.Context()): "At the replica"} {
			row, err := skills.One(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(row.JSON); !strings.Contains(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
}

// A replica that cannot be reached keeps nobody from an answer, and is left alone.
func TestMayLag_ReplicaIsDown(t *testing.T) {
	t.Parallel()
	primary := dbtest.New(t)
	db := openWithReplica(t, primary, "postgres://plant_test_app@127.0.0.1:1/none")
	want := dbtest.Scalar[string](t, primary, whichDatabase)
	for range 3 {
		if got, err := database.Scalar[string](database.MayLag(t.Context()), db, whichDatabase); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

// On Cloud SQL the replica is an instance of its own, with the same logins.
func TestMayLag_Instances(t *testing.T) {
	t.Parallel()
	primary := newCloud(t, "")
	follower, err := google.AddInstance(primary.AppURL, "") // the same database, so that only its connections tell
	if err != nil {
		t.Fatal(err)
	}
	app, err := url.Parse(primary.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg := database.Config{
		Instance: primary.instance.Name, ReadInstance: follower.Name, Name: strings.TrimPrefix(app.Path, "/"), User: localgoogle.Login,
		MaxConns: 2, AcquireTimeout: 15 * time.Second, StatementTimeout: 10 * time.Second, LockTimeout: 5 * time.Second,
	}
	db, err := database.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	for _, ctx := range []context.Context{t.Context(), database.MayLag(t.Context())} {
		if _, err := database.Scalar[string](ctx, db, whichDatabase); err != nil {
			t.Error(err)
		}
	}
	if got := [2]int{primary.instance.Connections(), follower.Connections()}; got != [2]int{1, 1} {
		t.Errorf("connections to the primary and the replica: %v, want one each", got)
	}
}

func TestOpen_MalformedReplica(t *testing.T) {
	t.Parallel()
	if _, err := database.Open(t.Context(), database.Config{URL: "postgres://127.0.0.1/x", ReadURL: "nonsense://"}); err == nil {
		t.Error("no error")
	}
}
