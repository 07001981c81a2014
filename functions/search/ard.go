package search

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// ard answers as a registry of Agentic Resource Discovery v0.9: the same agents, found by the same search.
type ard struct {
	store   ardStore
	find    func(ctx context.Context, query string, filter catalog.AgentFilter, onlyAvailable bool, limit int) ([]foundAgent, error)
	cursors httpapi.Cursors

	publisher string // the host that vouches for the entries
	urn       string // what identifiers begin with
	agents    string // what addresses of agents begin with
	source    string // where this registry is
	docs      string // where the reference is
	tools     string // where the Model Context Protocol is spoken
}

// ardPath is where the registry is.
const ardPath = "/api/v1/ard/"

func newARD(api *httpapi.API, db *database.DB, search search) ard {
	publisher := "localhost"
	if public, err := url.Parse(api.Address("")); err == nil {
		publisher = cmp.Or(public.Hostname(), publisher)
	}
	return ard{
		store: ardStore{db}, find: search.find, cursors: api.Cursors,
		publisher: publisher, urn: "urn:air:" + publisher + ":agents:", agents: api.Address("/api/v1/agents/"), source: api.Address(ardPath), docs: api.Address("/docs/"), tools: api.Address(mcpPath),
	}
}

// ardError is how the standard says what is wrong.
type ardError struct {
	ErrorCode string `json:"errorCode" example:"INVALID_ARGUMENT"`
	Message   string `json:"message"`
}

// ardDialect says problems as the standard does: it knows few statuses.
var ardDialect = httpapi.Dialect{Prefix: ardPath, Body: ardError{}, Says: func(p *httpapi.Problem) (int, any) {
	status, code := p.Status, p.Code
	switch status {
	case http.StatusUnauthorized:
		code = "UNAUTHENTICATED"
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusServiceUnavailable:
	case http.StatusTooManyRequests:
		code = "RATE_LIMIT_EXCEEDED"
	case http.StatusInternalServerError:
		code = "INTERNAL_ERROR"
	default:
		status, code = http.StatusBadRequest, "INVALID_ARGUMENT"
	}
	return status, ardError{ErrorCode: code, Message: p.Detail}
}}

// filterValues are the values of one key of a filter: any of them is enough. A text by itself is one.
type filterValues []string

// UnmarshalJSON implements json.Unmarshaler.
func (v *filterValues) UnmarshalJSON(text []byte) error {
	if jsontext.Value(text).Kind() == '"' {
		*v = make(filterValues, 1)
		return json.Unmarshal(text, &(*v)[0])
	}
	return json.Unmarshal(text, (*[]string)(v))
}

// Schema implements huma.SchemaProvider.
func (filterValues) Schema(huma.Registry) *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString}
	return &huma.Schema{OneOf: []*huma.Schema{text, {Type: huma.TypeArray, Items: text}}}
}

type ardFilter map[string]filterValues

// constraints returns what a filter asks for, in no order.
func (f ardFilter) constraints() []constraint {
	var constraints []constraint
	for name, values := range f {
		constraints = append(constraints, constraint{name, "=", values})
	}
	return constraints
}

// ardFound is a page of a search.
type ardFound struct {
	Results   []ardResult `json:"results"`
	Referrals *[]struct{} `json:"referrals,omitzero" doc:"other registries; there are none yet"`
	PageToken string      `json:"pageToken,omitempty" doc:"continues the search; absent at its end"`
}

type ardResult struct {
	CatalogEntry
	Score  int    `json:"score" minimum:"0" maximum:"100" doc:"how well the entry answers the text; no judgement of trust"`
	Source string `json:"source" format:"uri"`
}

type ardQuery struct {
	Text   string    `json:"text" minLength:"1" maxLength:"512" example:"find me a weather lookup tool"`
	Filter ardFilter `json:"filter,omitempty" maxProperties:"20" doc:"by path, such as tags or metadata.industry: a text, or texts of which one is enough"`
}

type ardSearch struct {
	Query      ardQuery `json:"query"`
	Federation string   `json:"federation,omitempty" enum:"auto,referrals,none" doc:"this registry knows no others"`
	PageSize   int      `json:"pageSize,omitempty" minimum:"1" maximum:"100" doc:"10 if not sent"`
	PageToken  string   `json:"pageToken,omitempty" maxLength:"16384"`
}

func (a ard) search(ctx context.Context, in *struct{ Body ardSearch }) (*struct{ Body ardFound }, error) {
	query, pageSize := in.Body.Query, cmp.Or(in.Body.PageSize, 10)
	scope, err := json.Marshal(query, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	var left ranking
	if in.Body.PageToken != "" {
		position, ok := a.cursors.Open("ard/search "+string(scope), in.Body.PageToken)
		if ok {
			left, ok = at(position)
		}
		if !ok {
			return nil, badToken("body.pageToken")
		}
	} else if left, err = a.matches(ctx, query.Text, query.Filter); err != nil {
		return nil, err
	}
	page, answer := left.first(pageSize), ardFound{Results: []ardResult{}}
	if rest := left[len(page):]; len(rest) > 0 {
		if answer.PageToken, err = a.cursors.Seal("ard/search "+string(scope), rest.position()); err != nil {
			return nil, err
		}
	}
	if answer.Results, err = a.results(ctx, query.Filter, page); err != nil {
		return nil, err
	}
	if in.Body.Federation == "referrals" {
		answer.Referrals = &[]struct{}{}
	}
	return &struct{ Body ardFound }{answer}, nil
}

func badToken(at string) error {
	return httpapi.InvalidCursor.Problem("the page token was altered, or belongs to another query", &httpapi.Fault{Location: at, Message: "not a token of this query"})
}

// matches are all agents that a text and a filter find, with their scores: what a search pages through, and what facets count.
func (a ard) matches(ctx context.Context, text string, wanted ardFilter) (ranking, error) {
	if strings.TrimSpace(text) == "" {
		return nil, httpapi.Invalid.Problem("the text must not be blank", &httpapi.Fault{Location: "body.query.text", Message: "must not be blank"})
	}
	conditions, args, err := a.sqlOf(wanted.constraints(), "body.query.filter")
	if err != nil {
		return nil, err
	}
	filter := catalog.AgentFilter{}
	for _, condition := range conditions {
		filter = filter.And(condition, args)
	}
	found, err := a.find(ctx, norm.NFC.String(text), filter, false, maxFound)
	matches := make(ranking, len(found))
	for i, one := range found {
		matches[i] = rankedAs(one.ID, one.Score)
	}
	return matches, err
}

// results reads the entries of a page. What was deleted, or does not pass the filter any more, is left out.
func (a ard) results(ctx context.Context, wanted ardFilter, page ranking) ([]ardResult, error) {
	conditions, args, err := a.sqlOf(wanted.constraints(), "body.query.filter")
	if err != nil {
		return nil, err
	}
	rows, err := a.store.entries(ctx, a.where(conditions, args), page.ids())
	results := make([]ardResult, 0, len(rows))
	for _, row := range rows {
		results = append(results, ardResult{CatalogEntry: row.CatalogEntry, Score: int(math.Round(100 * page.score(row.ID))), Source: a.source})
	}
	return results, err
}

// ardFacets are the counts of an exploration.
type ardFacets struct {
	ResultType string              `json:"resultType" enum:"facets"`
	Facets     map[string]ardFacet `json:"facets"`
}

type ardFacet struct {
	Buckets    []ardBucket `json:"buckets"`
	OtherCount int64       `json:"otherCount" doc:"entries of further values"`
}

type ardBucket struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// ardScope is a query that may ask for nothing.
type ardScope struct {
	Text   *string   `json:"text,omitempty" minLength:"1" maxLength:"512" nullable:"false"`
	Filter ardFilter `json:"filter,omitempty" maxProperties:"20"`
}

type ardFacetAsked struct {
	Field    string `json:"field" minLength:"1" maxLength:"64" example:"tags"`
	Limit    int    `json:"limit,omitempty" minimum:"1" maximum:"100" doc:"20 if not sent"`
	MinCount int    `json:"minCount,omitempty" minimum:"0" maximum:"2147483647" doc:"1 if not sent"`
}

type ardExplore struct {
	Query      ardScope `json:"query,omitempty"`
	ResultType struct {
		Facets []ardFacetAsked `json:"facets" minItems:"1" maxItems:"10"`
	} `json:"resultType"`
}

func (a ard) explore(ctx context.Context, in *struct{ Body ardExplore }) (*struct{ Body ardFacets }, error) {
	answer := ardFacets{ResultType: "facets", Facets: map[string]ardFacet{}}
	query := in.Body.Query
	for i, asked := range in.Body.ResultType.Facets {
		if ardFields[asked.Field].facet == "" {
			at := "body.resultType.facets[" + strconv.Itoa(i) + "].field"
			return nil, httpapi.Invalid.Problem("there are no facets of "+strconv.Quote(asked.Field), &httpapi.Fault{Location: at, Message: "has no facets"})
		}
	}
	conditions, args, err := a.sqlOf(query.Filter.constraints(), "body.query.filter")
	if err != nil {
		return nil, err
	}
	var among []uuid.UUID
	if query.Text != nil {
		matches, err := a.matches(ctx, *query.Text, query.Filter)
		if err != nil {
			return nil, err
		}
		among = matches.ids()
	}
	for _, asked := range in.Body.ResultType.Facets {
		rows, err := a.store.facet(ctx, ardFields[asked.Field], a.where(conditions, args), among, max(asked.MinCount, 1), cmp.Or(asked.Limit, 20))
		if err != nil {
			return nil, err
		}
		facet := ardFacet{Buckets: make([]ardBucket, len(rows))}
		for i, row := range rows {
			if i == 0 {
				facet.OtherCount = row.Total
			}
			facet.Buckets[i] = ardBucket{row.Value, row.Count}
			facet.OtherCount -= row.Count
		}
		answer.Facets[asked.Field] = facet
	}
	return &struct{ Body ardFacets }{answer}, nil
}

// ardList is a page of all entries.
type ardList struct {
	Items     entriesJSON `json:"items"`
	Total     *int64      `json:"total,omitempty" doc:"of all pages; on the first only"`
	PageToken string      `json:"pageToken,omitempty" doc:"continues the list; absent at its end"`
}

// entriesJSON are entries that are JSON already.
type entriesJSON struct{ text jsontext.Value }

// MarshalJSON implements json.Marshaler.
func (e entriesJSON) MarshalJSON() ([]byte, error) { return e.text, nil }

// Schema implements huma.SchemaProvider.
func (entriesJSON) Schema(r huma.Registry) *huma.Schema { return huma.SchemaFromType(r, entryList) }

func (a ard) list(ctx context.Context, in *struct {
	Filter    string `query:"filter" maxLength:"4096" doc:"terms such as type = 'application/a2a-agent-card+json' AND createdAfter > '2026-01-01'; commas part values of which one is enough"`
	OrderBy   string `query:"orderBy" maxLength:"64" doc:"displayName, createdAt or updatedAt, and DESC where the last come first" example:"updatedAt DESC"`
	PageSize  int    `query:"pageSize" minimum:"1" maximum:"100" default:"20"`
	PageToken string `query:"pageToken" maxLength:"4096"`
},
) (*struct{ Body ardList }, error) {
	var constraints []constraint
	if strings.TrimSpace(in.Filter) != "" {
		var err error
		if constraints, err = parseFilter(in.Filter); err != nil {
			return nil, httpapi.Invalid.Problem("the filter "+err.Error(), &httpapi.Fault{Location: "query.filter", Message: err.Error()})
		}
	}
	conditions, args, err := a.sqlOf(constraints, "query.filter")
	if err != nil {
		return nil, err
	}
	order, err := orderOf(in.OrderBy)
	if err != nil {
		return nil, httpapi.Invalid.Problem(err.Error(), &httpapi.Fault{Location: "query.orderBy", Message: err.Error()})
	}
	scope := "ard/agents " + order + " " + in.Filter
	part := database.Part{Limit: in.PageSize}
	if in.PageToken != "" {
		position, ok := a.cursors.Open(scope, in.PageToken)
		if !ok {
			return nil, badToken("query.pageToken")
		}
		part.After = position
	}
	rows, err := a.store.list(ctx, a.where(conditions, args), order, part)
	if err != nil {
		return nil, err
	}
	answer := ardList{Items: entriesJSON{rows.JSON}}
	if part.After == nil {
		total, err := a.store.count(ctx, a.where(conditions, args))
		if err != nil {
			return nil, err
		}
		answer.Total = &total
	}
	if rows.Next != nil {
		answer.PageToken, err = a.cursors.Seal(scope, rows.Next)
	}
	return &struct{ Body ardList }{answer}, err
}

// orderOf reads an orderBy: a key of ardOrders. The standard writes the same fields in two ways.
func orderOf(text string) (string, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return "createdAt DESC", nil
	}
	order := words[0]
	if other, ok := map[string]string{"name": "displayName", "created_at": "createdAt", "updated_at": "updatedAt"}[order]; ok {
		order = other
	}
	switch {
	case len(words) == 2 && strings.EqualFold(words[1], "DESC"):
		order += " DESC"
	case len(words) == 2 && strings.EqualFold(words[1], "ASC"), len(words) == 1:
	default:
		order = ""
	}
	if _, known := ardOrders[order]; !known {
		return "", errors.New("orderBy takes displayName, createdAt or updatedAt, and ASC or DESC after it")
	}
	return order, nil
}
