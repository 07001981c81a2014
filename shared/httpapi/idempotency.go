package httpapi

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
)

const maxIdempotencyKeyBytes = 255

// Keyed is the Idempotency-Key of a request that writes. Embed it in the input of every such POST.
type Keyed struct {
	Key string `header:"Idempotency-Key" doc:"up to 255 visible ASCII characters; within 24 hours the same key and request get the first answer again"`

	route string
}

// Resolve implements huma.Resolver: it checks the key and keeps the route that the key belongs to.
func (k *Keyed) Resolve(ctx huma.Context) []error {
	request, _ := humago.Unwrap(ctx)
	sent := request.Header.Values("Idempotency-Key")
	if len(sent) == 0 {
		return nil
	}
	key := sent[0]
	if len(key) >= 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1] // a structured-field string and a bare one are the same key
	}
	visible := func(r rune) bool { return r > ' ' && r <= '~' }
	if len(sent) > 1 || key == "" || len(key) > maxIdempotencyKeyBytes || strings.ContainsFunc(key, func(r rune) bool { return !visible(r) }) {
		return []error{&Fault{Location: "header.Idempotency-Key", Message: "must be one key of 1 to 255 visible ASCII characters"}}
	}
	k.Key, k.route = key, request.Method+" "+request.URL.RequestURI()
	return nil
}

// Written answers a POST that wrote.
type Written[T any] struct {
	Status   int
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Replayed string `header:"Idempotent-Replayed" doc:"true when this is the first answer again"`
	Body     T
}

// Once runs work in one transaction as the caller, at most once for an Idempotency-Key: the key, the work and the answer
// commit together. A second request with the same key and body gets the first one's answer; with another body it is
// refused, as it is while the first one still runs. Without a key the work just runs. Only success is kept.
func Once[T any](ctx context.Context, db *database.DB, keyed Keyed, body any,
	work func(ctx context.Context, tx database.Tx) (*Written[T], error),
) (*Written[T], error) {
	var answer *Written[T]
	err := db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		if keyed.Key == "" {
			var err error
			answer, err = work(ctx, tx)
			return err
		}
		text, err := json.Marshal(body, json.Deterministic(true))
		if err != nil {
			return fmt.Errorf("hash the request: %w", err)
		}
		hash := sha256.Sum256(text)
		if answer, err = replay[T](ctx, tx, keyed, hash[:]); answer != nil || err != nil {
			return err
		}
		if answer, err = work(ctx, tx); err != nil {
			return err
		}
		return remember(ctx, tx, keyed, hash[:], answer)
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// Addressed is a resource with an address of its own.
type Addressed interface {
	Tagged
	Address() string // the path of its address
}

// Create runs work, which creates a resource, Once, and answers it with its address and ETag.
func Create[T Addressed](ctx context.Context, db *database.DB, keyed Keyed, body any, work func(ctx context.Context, tx database.Tx) (T, error)) (*Written[T], error) {
	return Once(ctx, db, keyed, body, func(ctx context.Context, tx database.Tx) (*Written[T], error) {
		resource, err := work(ctx, tx)
		if err != nil {
			return nil, err
		}
		return written(http.StatusCreated, resource.Address(), resource)
	})
}

// Act runs work, which changes a resource by a POST, Once, and answers it with its ETag.
func Act[T Tagged](ctx context.Context, db *database.DB, keyed Keyed, body any, work func(ctx context.Context, tx database.Tx) (T, error)) (*Written[T], error) {
	return Once(ctx, db, keyed, body, func(ctx context.Context, tx database.Tx) (*Written[T], error) {
		resource, err := work(ctx, tx)
		if err != nil {
			return nil, err
		}
		return written(http.StatusOK, "", resource)
	})
}

func written[T Tagged](status int, location string, resource T) (*Written[T], error) {
	tag, err := etagOf(resource)
	return &Written[T]{Status: status, Location: location, ETag: tag, Body: resource}, err
}

const (
	lockKey = `select pg_try_advisory_xact_lock(hashtextextended(
		jsonb_build_array($1::text, $2::text, $3::text, $4::text)::text, 0))`
	answerOfKey = `
		select request_hash, answer from plant.idempotency_keys
		where issuer = $1 and subject = $2 and route = $3 and key = $4 and expires_at > now()`
	forgetExpired = `delete from plant.idempotency_keys where issuer = $1 and subject = $2 and expires_at <= now()`
	rememberKey   = `
		insert into plant.idempotency_keys (issuer, subject, route, key, request_hash, answer, expires_at)
		values ($1, $2, $3, $4, $5, $6, now() + interval '24 hours')`
)

// replay locks the key and returns the answer that it already has, or nil.
// The lock is one statement and the look-up another, since a statement sees only what was committed when it began.
func replay[T any](ctx context.Context, tx database.Tx, keyed Keyed, hash []byte) (*Written[T], error) {
	caller, _ := auth.FromContext(ctx)
	locked, err := database.Scalar[bool](ctx, tx, lockKey, caller.Issuer, caller.Subject, keyed.route, keyed.Key)
	if err != nil {
		return nil, err
	}
	if !locked {
		return nil, IdempotencyInProgress.Problem("a request with this Idempotency-Key is still running")
	}
	type row struct {
		RequestHash []byte
		Answer      []byte
	}
	kept, err := database.All[row](ctx, tx, answerOfKey, caller.Issuer, caller.Subject, keyed.route, keyed.Key)
	if err != nil || len(kept) == 0 {
		return nil, err
	}
	if string(kept[0].RequestHash) != string(hash) {
		return nil, IdempotencyKeyReused.Problem("this Idempotency-Key was sent with another body",
			&Fault{Location: "header.Idempotency-Key", Message: "already stands for another request"})
	}
	answer := &Written[T]{Replayed: "true"}
	var stored storedAnswer
	if err := json.Unmarshal(kept[0].Answer, &stored); err != nil {
		return nil, fmt.Errorf("read the kept answer: %w", err)
	}
	answer.Status, answer.Location, answer.ETag = stored.Status, stored.Location, stored.ETag
	if err := json.Unmarshal(stored.Body, &answer.Body); err != nil {
		return nil, fmt.Errorf("read the kept answer: %w", err)
	}
	return answer, nil
}

// storedAnswer is how an answer is kept.
type storedAnswer struct {
	Status   int            `json:"status"`
	Location string         `json:"location"`
	ETag     string         `json:"etag"`
	Body     jsontext.Value `json:"body"`
}

func remember[T any](ctx context.Context, tx database.Tx, keyed Keyed, hash []byte, answer *Written[T]) error {
	if answer.Status >= http.StatusMultipleChoices {
		return nil
	}
	body, err := json.Marshal(answer.Body)
	if err != nil {
		return fmt.Errorf("keep the answer: %w", err)
	}
	text, err := json.Marshal(storedAnswer{Status: answer.Status, Location: answer.Location, ETag: answer.ETag, Body: body})
	if err != nil {
		return fmt.Errorf("keep the answer: %w", err)
	}
	caller, _ := auth.FromContext(ctx)
	if _, err := database.Exec(ctx, tx, forgetExpired, caller.Issuer, caller.Subject); err != nil {
		return err
	}
	_, err = database.Exec(ctx, tx, rememberKey, caller.Issuer, caller.Subject, keyed.route, keyed.Key, hash, text)
	return err
}
