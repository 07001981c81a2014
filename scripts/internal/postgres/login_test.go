package postgres

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestAppLogin(t *testing.T) {
	t.Parallel()
	s := startServer(t, openHome(t))
	execute(t, s.OwnerURL, `create role plant_app nologin`, `create table t (n int)`, `grant select on t to plant_app`)
	passwordFile := filepath.Join(t.TempDir(), "app-password")

	first, err := AppLogin(t.Context(), s.OwnerURL, passwordFile)
	if err != nil {
		t.Fatal(err)
	}
	again, err := AppLogin(t.Context(), s.OwnerURL, passwordFile)
	if err != nil || again != first {
		t.Errorf("the second time: %v, want the same address", err)
	}
	for query, want := range map[string]bool{
		`select rolcanlogin from pg_roles where rolname = current_user`:                                                 true,
		`select rolsuper from pg_roles where rolname = current_user`:                                                    false,
		`select rolbypassrls from pg_roles where rolname = current_user`:                                                false,
		`select rolcreatedb from pg_roles where rolname = current_user`:                                                 false,
		`select rolcreaterole from pg_roles where rolname = current_user`:                                               false,
		`select rolreplication from pg_roles where rolname = current_user`:                                              false,
		`select pg_has_role(current_user, 'plant_app', 'usage')`:                                                        true,
		`select exists (select from pg_class where relowner = (select oid from pg_roles where rolname = current_user))`: false,
		`select has_table_privilege('t', 'select')`:                                                                     true,
		`select has_table_privilege('t', 'insert')`:                                                                     false,
		`select current_database() = 'plant'`:                                                                           true,
	} {
		if got := scalar[bool](t, first, query); got != want {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}

	// Another home on the same server has another login.
	other, err := AppLogin(t.Context(), s.OwnerURL, filepath.Join(t.TempDir(), "app-password"))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := scalar[string](t, first, `select current_user`), scalar[string](t, other, `select current_user`); a == b {
		t.Errorf("both log in as %s", a)
	}

	// An owner that is no superuser.
	execute(t, s.OwnerURL, `create role lesser login password 'lesser' createrole`, `grant plant_app to lesser with admin option`)
	u, err := url.Parse(s.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("lesser", "lesser")
	got, err := AppLogin(t.Context(), u.String(), filepath.Join(t.TempDir(), "app-password"))
	if err != nil {
		t.Fatal(err)
	}
	_ = scalar[bool](t, got, `select true`)

	// A login that someone made mighty is refused.
	login := scalar[string](t, first, `select current_user`)
	execute(t, s.OwnerURL, `alter role `+pgx.Identifier{login}.Sanitize()+` bypassrls`)
	if _, err := AppLogin(t.Context(), s.OwnerURL, passwordFile); err == nil || !strings.Contains(err.Error(), "bypasses row-level security") {
		t.Errorf("got %v, want an error that says so", err)
	}
}

func TestAppLogin_Fails(t *testing.T) {
	t.Parallel()
	passwordFile := filepath.Join(t.TempDir(), "app-password")
	for name, address := range map[string]string{
		"no URL":    "host=localhost user=plant",
		"malformed": "postgres://user:secret@host:port/db",
		"nobody":    "postgres://user:secret@127.0.0.1:1/db?sslmode=disable",
	} {
		_, err := AppLogin(t.Context(), address, passwordFile)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error that keeps the password to itself", name, err)
		}
	}
	if _, err := AppLogin(t.Context(), "postgres://host/db", filepath.Join(passwordFile, "below a file")); err == nil {
		t.Error("a password that cannot be kept: no error")
	}
}

func TestWithLogin(t *testing.T) {
	t.Parallel()
	got, err := withLogin("postgresql://root:secret@host:5432/plant?user=root&password=secret&sslmode=require", "app", "p")
	if want := "postgresql://app:p@host:5432/plant?sslmode=require"; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
