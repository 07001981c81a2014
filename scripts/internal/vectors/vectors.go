// Package vectors makes what search compares, for a database that nobody has scheduled work for.
package vectors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/embedding"
	"github.com/waooaw/plant/shared/indexing"
)

// statementTime bounds a statement. None is waited for by a caller.
const statementTime = 10 * time.Minute

// Make does what POST /internal/index does, as often as it takes, as the application's login: it learns a model from the
// texts, or asks the provider that the environment names, and makes the vectors that are left to be made. A provider that
// does not answer is told of, and is no error: search finds by words meanwhile.
func Make(ctx context.Context, appURL string, out io.Writer) error {
	db, err := database.Open(ctx, database.Config{
		URL: config.Secret(appURL), MaxConns: 2, StatementTimeout: statementTime, LockTimeout: statementTime, AcquireTimeout: statementTime,
	})
	if err != nil {
		return err
	}
	defer db.Close()
	cfg, err := config.Load[indexing.Config](ctx)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	models, err := indexing.NewModels(ctx, db, cfg, log)
	if err != nil {
		return err
	}
	defer models.Close()
	for made := 0; ; {
		report, err := indexing.New(models, log).Run(ctx)
		made += report.Embedded
		switch {
		case errors.Is(err, embedding.ErrUnavailable):
			process.Say(out, "search finds by words only: %v", err)
			return nil
		case err != nil:
			return fmt.Errorf("make vectors: %w", err)
		case report.Done && made > 0:
			process.Say(out, "%d texts have vectors now", made)
		}
		if report.Done {
			return nil
		}
	}
}
