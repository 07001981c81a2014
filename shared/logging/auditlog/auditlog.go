// Package auditlog writes signed checkpoints to where those who can write the database cannot reach them.
//
// It is a package of its own, so that only the function that signs carries Cloud Logging's client.
package auditlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"cloud.google.com/go/logging"

	"github.com/waooaw/plant/shared/audit"
)

// Log keeps checkpoints: in a log of Cloud Logging, in a file, in both or in none, as is configured.
type Log struct {
	cfg audit.Config

	opening sync.Mutex
	client  *logging.Client
	logger  *logging.Logger // one for all: each is a goroutine until the client is closed
}

// New returns a log, which connects with its first checkpoint.
func New(cfg audit.Config) (*Log, error) {
	if cfg.Log != "" && cfg.Project == "" {
		return nil, errors.New("AUDIT_LOG needs GOOGLE_CLOUD_PROJECT")
	}
	return &Log{cfg: cfg}, nil
}

// Write writes a checkpoint, and returns when it is kept. The same one may be written again.
func (c *Log) Write(ctx context.Context, note []byte) error {
	if c.cfg.File != "" {
		if err := appendTo(c.cfg.File, note); err != nil {
			return fmt.Errorf("write the checkpoint: %w", err)
		}
	}
	if c.cfg.Log == "" {
		return nil
	}
	logger, err := c.open(ctx)
	if err != nil {
		return fmt.Errorf("open the log of checkpoints: %w", err)
	}
	// Synchronous: nothing is left for after an answer, when the platform takes the processor away.
	entry := logging.Entry{Severity: logging.Notice, Payload: string(note)}
	if err := logger.LogSync(ctx, entry); err != nil {
		return fmt.Errorf("write the checkpoint to the log: %w", err)
	}
	return nil
}

// open returns the logger. A failure is not kept: the next checkpoint tries again.
func (c *Log) open(ctx context.Context) (*logging.Logger, error) {
	c.opening.Lock()
	defer c.opening.Unlock()
	if c.logger != nil {
		return c.logger, nil
	}
	// What is opened outlives the request that happened to come first.
	client, err := logging.NewClient(context.WithoutCancel(ctx), "projects/"+c.cfg.Project)
	if err != nil {
		return nil, err
	}
	c.client, c.logger = client, client.Logger(c.cfg.Log)
	return c.logger, nil
}

// Close lets go of the connection.
func (c *Log) Close() error {
	c.opening.Lock()
	defer c.opening.Unlock()
	if c.client == nil {
		return nil
	}
	return c.client.Close()
}

func appendTo(path string, note []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // a path of our configuration
	if err != nil {
		return err
	}
	_, err = file.Write(append(bytes.TrimRight(note, "\n"), "\n\n"...))
	return errors.Join(err, file.Sync(), file.Close())
}
