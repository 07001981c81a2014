package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
)

// Page says which part of a list is asked for. Embed it in a list's input.
type Page struct {
	Skip   int    `query:"skip" minimum:"0" maximum:"10000" doc:"how many to leave out; for deep pages follow the cursor"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"how many at most"`
	Cursor string `query:"cursor" maxLength:"4096" doc:"continues a list: taken from its Link header, with the same filters and sort"`
	Count  string `query:"count" enum:"exact,estimated" doc:"asks for X-Total-Count"`

	url url.URL
}

// Resolve implements huma.Resolver: it keeps the address, which cursors are bound to.
func (p *Page) Resolve(ctx huma.Context) []error {
	p.url = ctx.URL()
	if p.Cursor != "" && p.Skip > 0 {
		return []error{&Fault{Location: "query.skip", Message: "cannot go with a cursor"}}
	}
	return nil
}

// scope is the list that a cursor belongs to: its path, filters and sort.
func (p *Page) scope() string {
	query := p.url.Query()
	for _, name := range []string{"cursor", "limit", "count", "skip"} {
		query.Del(name)
	}
	return p.url.Path + "?" + query.Encode()
}

// List answers a part of a list.
type List[T any] struct {
	Link  string `header:"Link" doc:"the next page, where there is one (RFC 8288)"`
	Total string `header:"X-Total-Count" doc:"only for count=exact or count=estimated"`
	// Length, so that a long list is not sent in chunks.
	Length int `header:"Content-Length"`
	Body   Encoded[[]T]
}

// Cursors seals positions in lists, so that callers can hold but not make or alter them.
type Cursors struct{ key []byte }

// macBytes of the HMAC-SHA-256 are kept: enough that none is guessed.
const macBytes = 16

// newCursors returns cursors under a key; every instance of a function has to have the same.
func newCursors(key config.Secret) Cursors { return Cursors{key: []byte(key.Reveal())} }

func (c Cursors) mac(scope string, position []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte(strconv.Itoa(len(scope)) + ":" + scope))
	h.Write(position)
	return h.Sum(nil)[:macBytes]
}

// Seal returns a position in a list as a token, bound to its scope: what list it is, with which filters and order.
func (c Cursors) Seal(scope string, position []string) (string, error) {
	text, err := json.Marshal(position)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(c.mac(scope, text), text...)), nil
}

// Open returns the position of a token, or false where it was altered or belongs to another scope.
func (c Cursors) Open(scope, cursor string) ([]string, bool) {
	// Strict: the unused bits of the last character are checked too, so that no altered cursor passes.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) < macBytes {
		return nil, false
	}
	mac, text := raw[:macBytes], raw[macBytes:]
	if !hmac.Equal(mac, c.mac(scope, text)) {
		return nil, false
	}
	var position []string
	return position, json.Unmarshal(text, &position) == nil
}

// Part returns what of the list to read.
// A cursor that was altered, or belongs to another list, is an InvalidCursor problem.
func (c Cursors) Part(page Page) (database.Part, error) {
	part := database.Part{Skip: page.Skip, Limit: page.Limit, Count: page.Count}
	if page.Cursor == "" {
		return part, nil
	}
	position, ok := c.Open(page.scope(), page.Cursor)
	if !ok {
		return part, InvalidCursor.Problem("the cursor was altered, or belongs to another list, filter or sort",
			&Fault{Location: "query.cursor", Message: "not a cursor of this list"})
	}
	part.After = position
	return part, nil
}

// NextPage answers the rows that were read of a Part.
func NextPage[T any](c Cursors, page Page, rows database.Rows[T], total string) (*List[T], error) {
	list := &List[T]{Total: total, Length: len(rows.JSON), Body: Encoded[[]T]{rows.JSON, rows.Release}}
	if rows.Next != nil {
		cursor, err := c.Seal(page.scope(), rows.Next)
		if err != nil {
			return nil, err
		}
		query := page.url.Query()
		query.Del("skip")
		query.Set("cursor", cursor)
		list.Link = "<" + page.url.Path + "?" + query.Encode() + `>; rel="next"`
	}
	return list, nil
}
