package httpapi

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/waooaw/plant/shared/auth"
)

const (
	bearerScheme = "token"
	rolesKey     = "roles"   // in an operation's metadata: who may call it; none is anyone
	freshKey     = "fresh"   // in an operation's metadata: no cache may keep its answer
	rolesExt     = "x-roles" // in the OpenAPI document
)

// Needs is an option of an operation: only callers with one of the roles get through. A governor may do whatever a
// partner or customer may. Ownership is checked by the statement, and by row-level security.
func Needs(allowed ...auth.Role) func(*huma.Operation) {
	return func(op *huma.Operation) {
		if op.Metadata == nil {
			op.Metadata = map[string]any{}
		}
		op.Metadata[rolesKey] = allowed
		op.Security = []map[string][]string{{bearerScheme: {}}}
		op.Extensions = map[string]any{rolesExt: allowed}
	}
}

// Doc is an option of an operation: what it does, for the reference.
func Doc(summary string) func(*huma.Operation) {
	return func(op *huma.Operation) { op.Summary = summary }
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
	c.route = op.Path
	principal, known, err := a.verifier.Authenticate(request)
	if err != nil {
		a.refuse(ctx, err)
		return
	}
	c.role = string(principal.Role)
	if known {
		if problem := a.limitCaller(ctx.Context(), c, principal); problem != nil {
			a.refuse(ctx, problem)
			return
		}
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
	next(ctx)
}

// refuse answers an error before any handler runs.
func (a *API) refuse(ctx huma.Context, err error) {
	_ = huma.WriteErr(a.Operations, ctx, http.StatusInternalServerError, "", err)
}
