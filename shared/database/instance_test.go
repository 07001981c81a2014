package database_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/sethvargo/go-envconfig"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/localgoogle"
)

// cloud is a test's database behind a Cloud SQL instance.
type cloud struct {
	*dbtest.Database
	instance *localgoogle.Instance
}

func newCloud(t *testing.T, impostor string) cloud {
	t.Helper()
	c := cloud{Database: dbtest.New(t)}
	var err error
	if c.instance, err = google.AddInstance(c.AppURL, impostor); err != nil {
		t.Fatal(err)
	}
	return c
}

// open opens the instance's database as a function would, of its environment.
func (c cloud) open(t *testing.T, user, password string) *database.DB {
	t.Helper()
	app, err := url.Parse(c.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{
		"CLOUDSQL_INSTANCE": c.instance.Name, "CLOUDSQL_DATABASE": strings.TrimPrefix(app.Path, "/"), "CLOUDSQL_USER": user,
		"DATABASE_ACQUIRE_TIMEOUT": "15s", "DATABASE_MAX_CONNS": "40",
	}
	if password != "" {
		environment["CLOUDSQL_PASSWORD"] = password
	}
	cfg, err := config.LoadFrom[database.Config](t.Context(), envconfig.MapLookuper(environment))
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// holdAll takes every connection of a pool at once, so that all of them are made, and returns how many sessions that were.
func holdAll(t *testing.T, db *database.DB, connections int) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // where one is not let in, the others do not wait for it
	defer cancel()
	var sessions sync.Map
	var holding sync.WaitGroup
	all := make(chan struct{})
	var inside atomic.Int32
	for range connections {
		holding.Go(func() {
			err := db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
				pid, err := database.Scalar[int32](ctx, tx, `select pg_backend_pid()`)
				sessions.Store(pid, true)
				if int(inside.Add(1)) == connections {
					close(all)
				}
				select {
				case <-all:
				case <-ctx.Done():
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	holding.Wait()
	count := 0
	sessions.Range(func(_, _ any) bool {
		count++
		return true
	})
	return count
}

func TestInstance_IAMLogin(t *testing.T) {
	t.Parallel()
	c := newCloud(t, "")
	db := c.open(t, localgoogle.Login, "")
	if calls := c.instance.Calls(); calls != (localgoogle.Calls{}) {
		t.Errorf("opening asked Google already: %+v", calls)
	}
	if sessions := holdAll(t, db, 4); sessions != 4 {
		t.Errorf("got %d sessions, want 4", sessions)
	}
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	want := localgoogle.Calls{Settings: 1, Certificates: 1, LoginTokens: 1}
	if got := c.instance.Calls(); got != want {
		t.Errorf("4 connections asked %+v, want %+v", got, want)
	}
}

func TestInstance_IAMLoginOfAnother(t *testing.T) {
	t.Parallel()
	c := newCloud(t, "")
	_, err := database.Scalar[int](t.Context(), c.open(t, "somebody@plant-test.iam", ""), `select 1`)
	if !errors.Is(err, database.ErrUnavailable) || !strings.Contains(err.Error(), "28000") {
		t.Errorf("got %v", err)
	}
}

// A certificate serves all connections until four minutes before its end, and none after that.
func TestInstance_CertificateIsRefreshed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		life time.Duration
		want int // certificates, for three connections
	}{
		"more than 4 minutes are left": {4*time.Minute + 30*time.Second, 1},
		"fewer are left":               {4*time.Minute - 30*time.Second, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, "")
			c.instance.SetLife(test.life)
			db := c.open(t, localgoogle.Login, "")
			for connections := 1; connections <= 3; connections++ { // each time one of them is new
				if sessions := holdAll(t, db, connections); sessions != connections {
					t.Fatalf("got %d sessions, want %d", sessions, connections)
				}
			}
			want := localgoogle.Calls{Settings: test.want, Certificates: test.want, LoginTokens: test.want}
			if got := c.instance.Calls(); got != want {
				t.Errorf("3 connections, one after another, asked %+v, want %+v", got, want)
			}
		})
	}
}

// The server has to be the instance that was asked for: neither one that says it is another, nor one of which somebody else
// says that it is ours.
func TestInstance_AnotherIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("by its name", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, "plant-test:another")
		_, err := database.Scalar[int](t.Context(), c.open(t, localgoogle.Login, ""), `select 1`)
		if !errors.Is(err, database.ErrUnavailable) || !strings.Contains(err.Error(), "plant-test:another") {
			t.Errorf("got %v, want one that names the impostor", err)
		}
	})
	t.Run("by who says it", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, "")
		parts := strings.Split(c.instance.Name, ":")
		other := newCloud(t, parts[0]+":"+parts[2]) // PROJECT:NAME, by another authority
		google.Redirect(c.instance, other.instance)
		_, err := database.Scalar[int](t.Context(), c.open(t, localgoogle.Login, ""), `select 1`)
		if !errors.Is(err, database.ErrUnavailable) || !strings.Contains(err.Error(), "unknown authority") {
			t.Errorf("got %v, want one about the certificate", err)
		}
		if got := other.instance.Connections(); got != 0 {
			t.Errorf("%d connections came through", got)
		}
	})
}

// F30: what does not answer is bounded, and is tried again with the next connection.
func TestF30_AdminAPIFails(t *testing.T) {
	t.Parallel()
	tests := map[string]func(ctx context.Context) int{
		"refuses": func(context.Context) int { return http.StatusForbidden },
		"hangs": func(ctx context.Context) int {
			<-ctx.Done()
			return http.StatusGatewayTimeout
		},
	}
	for name, failure := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, "")
			db := c.open(t, localgoogle.Login, "")
			c.instance.Fail(failure)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			begin := time.Now()
			_, err := database.Scalar[int](ctx, db, `select 1`)
			if !errors.Is(err, database.ErrUnavailable) && !errors.Is(err, database.ErrTimeout) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(begin); took > 4*time.Second {
				t.Errorf("it took %v", took)
			}
			c.instance.Fail(nil)
			ctx, cancel = context.WithTimeout(t.Context(), 15*time.Second) // the one that hangs ends after the connect timeout
			defer cancel()
			if _, err := database.Scalar[int](ctx, db, `select 1`); err != nil {
				t.Errorf("well again: %v", err)
			}
		})
	}
}

// login makes a login of the test's own whose password can change, and returns how to change it. It stays with the server.
func (c cloud) login(t *testing.T, password string) (name string, change func(password string)) {
	t.Helper()
	name = "plant_rotating_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	c.Exec(t, `create role `+name+` login in role plant_app password '`+password+`'`)
	if _, err := database.Scalar[int](t.Context(), c.open(t, name, "wrong"), `select 1`); !errors.Is(err, database.ErrUnavailable) {
		t.Fatalf("a wrong password: got %v: this needs a server that asks for passwords, as that of scripts/test does", err)
	}
	return name, func(password string) { c.Exec(t, `alter role `+name+` password '`+password+`'`) }
}

// F22: the password changes under load, first in the secret and then in the database, and at each step the one pool makes
// new connections: no request fails.
func TestF22_PasswordIsRotatedUnderLoad(t *testing.T) {
	t.Parallel()
	c := newCloud(t, "")
	name, change := c.login(t, "password-0")
	secret := "rotated-" + name
	db := c.open(t, name, google.Secrets.Add(secret, "password-0"))
	connections := 4
	grow := func() {
		connections += 3
		if sessions := holdAll(t, db, connections); sessions != connections {
			t.Errorf("got %d sessions, want %d", sessions, connections)
		}
	}
	grow()
	if calls := google.Secrets.Calls(secret); calls != 1 {
		t.Errorf("%d connections at once read the secret %d times, want 1", connections, calls)
	}
	stop := make(chan struct{})
	var load sync.WaitGroup
	var answered atomic.Int64
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := database.Scalar[int](t.Context(), db, `select 1`); err != nil {
					t.Error(err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for round := 1; round <= 3; round++ {
		password := fmt.Sprintf("password-%d", round)
		google.Secrets.Add(secret, password)
		grow()
		change(password)
		grow()
	}
	close(stop)
	load.Wait()
	t.Logf("%d requests meanwhile, %d connections, the secret read %d times", answered.Load(), c.instance.Connections(), google.Secrets.Calls(secret))
	if answered.Load() == 0 {
		t.Error("there was no load")
	}
}

// F22: a value that the database does not take yet leaves the one that it took last; one that it takes no more is an error
// without it.
func TestF22_TheLastThatWorkedIsTriedToo(t *testing.T) {
	t.Parallel()
	c := newCloud(t, "")
	name, change := c.login(t, "first")
	secret := "steps-" + name
	db := c.open(t, name, google.Secrets.Add(secret, "first"))
	if sessions := holdAll(t, db, 1); sessions != 1 {
		t.Fatal("no session")
	}
	google.Secrets.Add(secret, "second")
	change("nobody knows") // so the pool reads the secret again, in vain
	var refused sync.WaitGroup
	held, release := make(chan struct{}), make(chan struct{})
	refused.Go(func() {
		err := db.InTx(t.Context(), func(context.Context, database.Tx) error {
			close(held)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	_, err := database.Scalar[int](t.Context(), db, `select 1`)
	close(release)
	refused.Wait()
	if !errors.Is(err, database.ErrUnavailable) || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("got %v", err)
	}
	for _, password := range []string{"first", "second", "nobody knows"} {
		if strings.Contains(fmt.Sprint(err), password) {
			t.Errorf("%v holds a password", err)
		}
	}
	change("first") // the secret is ahead
	if sessions := holdAll(t, db, 3); sessions != 3 {
		t.Errorf("got %d sessions, want 3", sessions)
	}
}

// F21: without Secret Manager there is no connection, and the error says why; the next one tries again.
func TestF21_NoPasswordAtStart(t *testing.T) { //nolint:paralleltest // the faults are everybody's
	c := newCloud(t, "")
	name, _ := c.login(t, "secret-password")
	db := c.open(t, name, google.Secrets.Add("start-"+name, "secret-password"))
	google.Secrets.Fail(func(context.Context) error { return status.Error(codes.PermissionDenied, "no") })
	defer google.Secrets.Fail(nil)
	_, err := database.Scalar[int](t.Context(), db, `select 1`)
	if !errors.Is(err, database.ErrUnavailable) || !strings.Contains(err.Error(), "roles/secretmanager.secretAccessor") {
		t.Errorf("got %v", err)
	}
	google.Secrets.Fail(nil)
	if _, err := database.Scalar[int](t.Context(), db, `select 1`); err != nil {
		t.Errorf("well again: %v", err)
	}
}

func TestOpen_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	tests := map[string]database.Config{
		"set PLANT_APP_DATABASE_URL, or CLOUDSQL_INSTANCE with CLOUDSQL_USER": {},
		"CLOUDSQL_INSTANCE needs CLOUDSQL_USER":                               {Instance: "p:r:i"},
	}
	for want, cfg := range tests {
		if _, err := database.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	both := database.Config{URL: "postgres://app@localhost/plant", Instance: "p:r:i", User: "u"}
	if _, err := database.Open(t.Context(), both); err == nil {
		t.Error("both a URL and an instance: no error")
	}
}
