package config

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"sync"
	"time"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"github.com/googleapis/gax-go/v2"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	secretLife = time.Minute // then a value is read again; a new one is in use within it
	// After a failure the value that is held is used for so long before Secret Manager is asked again.
	secretRetry = 10 * time.Second
	// readTimeout bounds a read without which nothing goes on; with an older value at hand nobody waits that long.
	readTimeout    = 5 * time.Second
	refreshTimeout = time.Second
)

// held is one version of a secret, as it was last read. It is safe for concurrent use.
type held struct {
	name string // projects/…/versions/…
	read func(ctx context.Context, name string) (string, error)
	now  func() time.Time

	reading singleflight.Group // whoever comes while it is read waits for that one answer
	mu      sync.Mutex
	last    answer
	due     time.Time // when to ask again
}

// answer is what a reading came to.
type answer struct {
	value string
	asked time.Time // zero where there was none yet
}

// value returns the value that is held, where it was asked for after since and is not too old, and otherwise a new one.
func (h *held) value(ctx context.Context, since time.Time) (string, error) {
	h.mu.Lock()
	last, due := h.last, h.due
	h.mu.Unlock()
	if last.asked.After(since) && h.now().Before(due) {
		return last.value, nil
	}
	for {
		reading := h.reading.DoChan("", func() (any, error) { return h.refresh(ctx) })
		select {
		case result := <-reading:
			if result.Err != nil {
				return "", result.Err
			}
			if got, _ := result.Val.(answer); got.asked.After(since) { // or else it was on its way already
				return got.value, nil
			}
		case <-ctx.Done():
			return "", fmt.Errorf("read secret %s: %w", h.name, context.Cause(ctx))
		}
	}
}

// refresh reads the value for all who wait for it. Where that fails and there is one already, it holds.
func (h *held) refresh(ctx context.Context) (answer, error) {
	h.mu.Lock()
	known := !h.last.asked.IsZero()
	h.mu.Unlock()
	timeout := readTimeout
	if known {
		timeout = refreshTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	now := answer{asked: h.now()}
	var err error
	now.value, err = h.read(ctx, h.name)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.last, h.due = now, now.asked.Add(secretLife)
	case known:
		slog.WarnContext(ctx, "secret not refreshed: the last value holds", "error", err)
		h.due = h.now().Add(secretRetry)
		now.value = h.last.value
	default:
		return answer{}, err
	}
	return now, nil
}

// theManager is the process's only client: it belongs to the process's own credentials.
var theManager = &manager{}

// manager is Secret Manager. The client is made when something is first read.
type manager struct {
	mu     sync.Mutex
	client *secretmanager.Client
}

// open returns the client. A failure is not kept: the next read tries again.
func (m *manager) open(ctx context.Context) (*secretmanager.Client, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client != nil {
		return m.client, nil
	}
	client, err := secretmanager.NewClient(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("open Secret Manager: %w", err)
	}
	m.client = client
	return client, nil
}

// read returns a version's value, without the line end that shells leave behind it. No error holds any part of a value.
func (m *manager) read(ctx context.Context, name string) (string, error) {
	client, err := m.open(ctx)
	if err != nil {
		return "", err
	}
	request := &secretmanagerpb.AccessSecretVersionRequest{Name: name}
	access := func() (*secretmanagerpb.AccessSecretVersionResponse, error) {
		return client.AccessSecretVersion(ctx, request, gax.WithRetry(nil)) // the client's own begins with a pause of 2 s
	}
	version, err := access()
	if status.Code(err) == codes.Unavailable { // such as a connection that ended while the instance slept
		version, err = access()
	}
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", name, explain(err))
	}
	payload := version.GetPayload()
	if payload == nil || payload.DataCrc32C == nil || int64(crc32.Checksum(payload.Data, crc32.MakeTable(crc32.Castagnoli))) != payload.GetDataCrc32C() {
		return "", fmt.Errorf("read secret %s: it arrived damaged", name)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(payload.Data), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("read secret %s: it is empty", name)
	}
	return value, nil
}

// explain says what to do about an answer of Secret Manager's.
func explain(err error) error {
	switch status.Code(err) {
	case codes.NotFound:
		return errors.New("there is no such version: add one, or correct the reference")
	case codes.PermissionDenied:
		return errors.New("not permitted: give the function's service account roles/secretmanager.secretAccessor on it")
	case codes.FailedPrecondition:
		return errors.New("the version is disabled or destroyed: enable it, or refer to another")
	case codes.Unauthenticated:
		return errors.New("the credentials were refused: the function needs a service account")
	case codes.DeadlineExceeded, codes.Canceled:
		return fmt.Errorf("Secret Manager did not answer in time: %w", err)
	default:
		return fmt.Errorf("Secret Manager does not answer: %w", err)
	}
}
