package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/postgres"
	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/scripts/internal/vectors"
	plantsql "github.com/waooaw/plant/sql"
)

// databaseURLs are how the functions reach the database, and how it is shown: without passwords.
type databaseURLs struct{ app, shown string }

// prepareDatabase brings the schema up to date, loads the demo data and makes the application's login.
func prepareDatabase(ctx context.Context, ownerURL string, s settings, out io.Writer) (databaseURLs, error) {
	conn, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return databaseURLs{}, fmt.Errorf("connect to the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	status, err := plantsql.StatusOf(ctx, conn)
	if err != nil {
		return databaseURLs{}, err
	}
	if pending := status.Latest() - status.Version; pending != 0 { // a newer schema than this checkout knows is an error
		process.Say(out, "applying %d migrations", max(0, pending))
		if err := plantsql.Migrate(ctx, conn, plantsql.Latest); err != nil {
			return databaseURLs{}, err
		}
	}
	if !s.empty {
		if err := plantsql.LoadDemo(ctx, conn); err != nil {
			return databaseURLs{}, err
		}
	}
	app, err := postgres.AppLogin(ctx, ownerURL, filepath.Join(s.Home, "app-password"))
	if err != nil {
		return databaseURLs{}, err
	}
	if err := vectors.Make(ctx, app, out); err != nil {
		return databaseURLs{}, err
	}
	u, err := url.Parse(ownerURL)
	if err != nil {
		return databaseURLs{}, fmt.Errorf("DATABASE_URL is not a URL")
	}
	return databaseURLs{app: app, shown: u.Redacted()}, nil
}
