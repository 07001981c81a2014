package postgres

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/process"
)

const appLogin = "plant_app_login"

// AppLogin makes the login that the functions use: a member of plant_app, which the migrations make, and nothing else.
// It returns the URL of the same database with that login. The owner need not be a superuser, CREATEROLE will do.
func AppLogin(ctx context.Context, ownerURL, passwordFile string) (string, error) {
	password, err := process.KeptSecret(passwordFile)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(ownerURL)
	if err != nil {
		return "", fmt.Errorf("make the application's login: the owner's URL is malformed")
	}
	conn, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return "", fmt.Errorf("make the application's login: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, statement := range []string{
		`do $$ begin create role ` + appLogin + ` login inherit; exception when duplicate_object or unique_violation then null; end $$`,
		// rand.Text has only letters and digits, so the password needs no quoting.
		`alter role ` + appLogin + ` with login inherit nocreatedb nocreaterole password '` + password + `'`,
		`grant plant_app to ` + appLogin,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return "", fmt.Errorf("make the application's login: %w", err)
		}
	}
	u.User = url.UserPassword(appLogin, password)
	return u.String(), nil
}
