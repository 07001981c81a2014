package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/process"
)

// AppLogin makes the login that the functions use: a member of plant_app, which the migrations make, and nothing else.
// It returns the URL of the same database with that login. The owner need not be a superuser, CREATEROLE will do.
//
// The password is kept in a file, and the login's name goes with it: two homes on one server have two logins.
func AppLogin(ctx context.Context, ownerURL, passwordFile string) (string, error) {
	password, err := process.KeptSecret(passwordFile)
	if err != nil {
		return "", err
	}
	login := loginOf(password)
	appURL, err := withLogin(ownerURL, login, password)
	if err != nil {
		return "", fmt.Errorf("make the application's login: %w", err)
	}
	conn, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return "", fmt.Errorf("make the application's login: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, statement := range []string{
		`do $$ begin create role ` + login + `; exception when duplicate_object or unique_violation then null; end $$`,
		// The password has only letters and digits, so it needs no quoting.
		`alter role ` + login + ` with login inherit nocreatedb nocreaterole password '` + password + `'`,
		`grant plant_app to ` + login,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return "", fmt.Errorf("make the application's login: %w", err)
		}
	}
	// An owner that is no superuser could not take these away; it must not go unnoticed that someone gave them.
	var mighty bool
	if err := conn.QueryRow(ctx, `select rolsuper or rolbypassrls or rolreplication from pg_roles where rolname = $1`, login).Scan(&mighty); err != nil {
		return "", fmt.Errorf("make the application's login: %w", err)
	}
	if mighty {
		return "", fmt.Errorf("the login %s is a superuser, replicates or bypasses row-level security: drop it and try again", login)
	}
	return appURL, nil
}

func loginOf(password string) string {
	const bytes = 4
	return fmt.Sprintf("plant_app_login_%x", sha256.Sum256([]byte(password)))[:len("plant_app_login_")+2*bytes]
}

// withLogin returns a database's URL with another login.
func withLogin(databaseURL, login, password string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", errors.New("the database's address has to be a URL: postgres://user:password@host:port/database")
	}
	query := u.Query()
	query.Del("user") // these would win
	query.Del("password")
	u.User, u.RawQuery = url.UserPassword(login, password), query.Encode()
	return u.String(), nil
}
