package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/waooaw/plant/shared/auth"
)

// Mount adds an address to which messages of a protocol of its own are posted, one JSON document a request. It is in no
// document, and the handler writes its own answers; who may ask and how often, what a body may be, and the log line are as
// everywhere. Nobody needs a token, but one that is sent has to be good; of one that is not, the answer says in the
// address resourceMetadata whose tokens are (RFC 9728, 5.1).
//
// A browser sends the origin of its page with every post, and only ours and the configured ones may: so that no page can
// speak to a server of the user's own network by a name that it has made to point there.
func (a *API) Mount(path, resourceMetadata string, handler http.Handler) {
	a.mux.HandleFunc(http.MethodPost+" "+path, func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		c.route = path
		principal, known, err := a.identify(r.Context(), r, c)
		if err != nil {
			p := problemFor(err)
			if p.Status == http.StatusUnauthorized {
				p.challenge += `, resource_metadata="` + resourceMetadata + `"`
			}
			writeProblem(w, r, p)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && origin != a.Address("") && !slices.Contains(a.cfg.CORSOrigins, origin) {
			writeProblem(w, r, Forbidden.Problem("pages of this origin may not call"))
			return
		}
		body, problem := message(w, r, a)
		if problem != nil {
			writeProblem(w, r, problem)
			return
		}
		ctx := r.Context()
		if known {
			ctx = auth.WithPrincipal(ctx, principal)
		}
		r = r.WithContext(ctx)
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
	})
}

// message reads the body of a request: one JSON document that is no list.
func message(w http.ResponseWriter, r *http.Request, a *API) ([]byte, *Problem) {
	if problem := checkType(r); problem != nil {
		return nil, problem
	}
	body, problem := receive(w, r, a.cfg.BodyTimeout)
	if problem != nil {
		w.Header().Set("Connection", "close") // what is left of the body is not worth reading
		return nil, problem
	}
	faults, err := scanJSON(body)
	switch {
	case err != nil:
		return nil, MalformedRequest.Problem(err.Error())
	case len(faults) > 0:
		return nil, Invalid.Problem(summary(faults), faults...)
	case strings.HasPrefix(strings.TrimLeft(string(body[:min(len(body), maxDepth)]), " \t\r\n"), "["):
		return nil, MalformedRequest.Problem("a request has one message")
	}
	return body, nil
}

// identify finds out who calls, and counts the request for them.
func (a *API) identify(ctx context.Context, r *http.Request, c *call) (caller auth.Principal, known bool, err error) {
	caller, known, err = a.verifier.Authenticate(r)
	if err != nil {
		return caller, known, err
	}
	c.role = string(caller.Role)
	if !known {
		return caller, false, nil
	}
	c.caller = a.pseudonym(caller)
	if problem := a.limitCaller(ctx, c, caller); problem != nil {
		return caller, true, problem
	}
	return caller, true, nil
}
