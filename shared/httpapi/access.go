package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
)

const (
	bearerScheme = "token"
	rolesKey     = "roles"   // in an operation's metadata: who may call it; none is anyone
	freshKey     = "fresh"   // in an operation's metadata: no cache may keep its answer
	lastsKey     = "lasts"   // in an operation's metadata: how long it may take, where that is longer than others
	rolesExt     = "x-roles" // in the OpenAPI document
)

// Needs is an option of an operation: only callers with one of the roles get through. A governor may do whatever a
// partner or customer may. Ownership is checked by the statement, and by row-level security.
func Needs(allowed ...auth.Role) func(*huma.Operation) {
	return func(op *huma.Operation) {
		mark(op, rolesKey, allowed)
		op.Security = []map[string][]string{{bearerScheme: {}}}
		op.Extensions = map[string]any{rolesExt: allowed}
	}
}

// mark adds to an operation's metadata.
func mark(op *huma.Operation, key string, value any) {
	if op.Metadata == nil {
		op.Metadata = map[string]any{}
	}
	op.Metadata[key] = value
}

// Fresh is an option of an operation: no cache may keep its answer.
func Fresh(op *huma.Operation) { mark(op, freshKey, true) }

// Lasts is an option of an operation that may take longer than others.
func Lasts(most time.Duration) func(*huma.Operation) {
	return func(op *huma.Operation) { mark(op, lastsKey, most) }
}

// Scheduled is an option of an operation that only scheduled work calls, at the function's own URL: it is in no document.
func Scheduled(op *huma.Operation) {
	op.Hidden = true
	Needs(auth.Service)(op)
}

// Doc is an option of an operation: what it does, for the reference.
func Doc(summary string) func(*huma.Operation) {
	return func(op *huma.Operation) { op.Summary = summary }
}

// AnswersAs is an option of an operation that answers something other than JSON.
func AnswersAs(contentType string) func(*huma.Operation) {
	return func(op *huma.Operation) {
		text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		op.Responses = map[string]*huma.Response{strconv.Itoa(http.StatusOK): {Description: http.StatusText(http.StatusOK), Content: map[string]*huma.MediaType{contentType: text}}}
	}
}

// Creates is an option of an operation that answers 201.
func Creates(op *huma.Operation) { op.DefaultStatus = http.StatusCreated }

func roles(op *huma.Operation) []auth.Role {
	allowed, _ := op.Metadata[rolesKey].([]auth.Role)
	return allowed
}

// authorise finds out who calls, before the request's parameters and body are looked at. A token that is sent has to be
// good, even where none is needed.
func (a *API) authorise(ctx huma.Context, next func(huma.Context)) {
	request, _ := humago.Unwrap(ctx)
	op, c := ctx.Operation(), callOf(ctx.Context())
	c.route, c.guarded = op.Path, len(roles(op)) > 0
	principal, known, err := a.identify(ctx.Context(), request, c)
	if err != nil {
		a.refuse(ctx, err)
		return
	}
	allowed := roles(op)
	switch {
	case len(allowed) > 0 && !known:
		a.refuse(ctx, Unauthenticated.Problem("this needs a token"))
		return
	case len(allowed) > 0 && !principal.Can(allowed...):
		a.refuse(ctx, Forbidden.Problem("your role may not do this"))
		return
	}
	c.shared = !known && op.Metadata[freshKey] == nil && slices.Contains([]string{http.MethodGet, http.MethodHead}, request.Method)
	if known {
		ctx = huma.WithContext(ctx, auth.WithPrincipal(ctx.Context(), principal))
	}
	if !known && len(allowed) == 0 && op.Metadata[freshKey] == nil && a.Settings.Database.HasReplica() {
		ctx = huma.WithContext(ctx, database.MayLag(ctx.Context())) // whoever shows no token has written nothing
	}
	if most, ok := op.Metadata[lastsKey].(time.Duration); ok {
		until, cancel := context.WithTimeout(c.client, most)
		defer cancel()
		ctx = huma.WithContext(ctx, lasting{ctx.Context(), until})
	}
	next(ctx)
}

// lasting has the values of one context and the end of another.
type lasting struct {
	context.Context
	until context.Context
}

// Deadline implements context.Context.
func (l lasting) Deadline() (time.Time, bool) { return l.until.Deadline() }

// Done implements context.Context.
func (l lasting) Done() <-chan struct{} { return l.until.Done() }

// Err implements context.Context.
func (l lasting) Err() error { return l.until.Err() }

const pseudonymBytes = 8

// pseudonym stands for a caller in the log: nobody who has no key can tell whom it means, and it is the same everywhere.
func (a *API) pseudonym(caller auth.Principal) string {
	h := hmac.New(sha256.New, []byte(a.cfg.CursorKey.Reveal()))
	h.Write([]byte("caller\x00" + caller.Issuer + "\x00" + caller.Subject))
	return hex.EncodeToString(h.Sum(nil)[:pseudonymBytes])
}

// refuse answers an error before any handler runs.
func (a *API) refuse(ctx huma.Context, err error) {
	_ = huma.WriteErr(a.Operations, ctx, http.StatusInternalServerError, "", err)
}
