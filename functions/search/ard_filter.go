package search

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/waooaw/plant/shared/httpapi"
)

// Bounds of a filter, so that reading one costs next to nothing.
const (
	maxFilterLength      = 4096
	maxFilterTerms       = 20
	maxFilterValues      = 50
	maxFilterValueLength = 512
)

// constraint is one term of a filter: any of the values is enough.
type constraint struct {
	field    string
	operator string
	values   []string
}

// parseFilter reads a filter expression of GET /agents, as the standard's appendix A has it:
//
//	filter   = term *( "AND" term )
//	term     = field operator string
//	operator = "=" / ">" / ">="              ; the last two of times
//	string   = "'" *char "'" / DQUOTE *char DQUOTE   ; a quote within is doubled; commas part what is enough alone
//
// It goes once over the text, from left to right, and stops at the first thing that is wrong.
func parseFilter(text string) ([]constraint, error) {
	if len(text) > maxFilterLength {
		return nil, fmt.Errorf("has %d bytes, and may have %d", len(text), maxFilterLength)
	}
	p := filterParser{text: text}
	var constraints []constraint
	for {
		one, err := p.term()
		if err != nil {
			return nil, err
		}
		if constraints = append(constraints, one); len(constraints) > maxFilterTerms {
			return nil, fmt.Errorf("has more than %d terms", maxFilterTerms)
		}
		p.blanks()
		if p.at == len(p.text) {
			return constraints, nil
		}
		if word := p.word(); !strings.EqualFold(word, "AND") {
			return nil, p.wrong("expected AND: there is neither OR nor a parenthesis; values of one field that are enough alone are parted by commas")
		}
	}
}

// filterParser is a place in a filter.
type filterParser struct {
	text string
	at   int
}

func (p *filterParser) wrong(message string) error {
	return fmt.Errorf("is wrong at character %d: %s", p.at+1, message)
}

func (p *filterParser) blanks() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

// word takes what a field or AND is made of; "" is none.
func (p *filterParser) word() string {
	p.blanks()
	begin := p.at
	for p.at < len(p.text) && isWordByte(p.text[p.at]) {
		p.at++
	}
	return p.text[begin:p.at]
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_'
}

func (p *filterParser) term() (constraint, error) {
	field := p.word()
	if field == "" {
		return constraint{}, p.wrong("expected a field, such as type or createdAfter")
	}
	definition, known := ardFields[field]
	if !known {
		p.at -= len(field)
		return constraint{}, p.wrong("there is no such field; there are " + ardFieldNames)
	}
	p.blanks()
	var operator string
	for _, candidate := range []string{">=", ">", "="} {
		if strings.HasPrefix(p.text[p.at:], candidate) {
			operator = candidate
			break
		}
	}
	if operator == "" || operator != "=" && !definition.isTime {
		return constraint{}, p.wrong("expected =, or > or >= after a field of times")
	}
	p.at += len(operator)
	value, err := p.quoted()
	if err != nil {
		return constraint{}, err
	}
	values := []string{value}
	if !definition.isTime && !definition.isProse {
		values = strings.Split(value, ",")
	}
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return constraint{field, operator, values}, nil
}

func (p *filterParser) quoted() (string, error) {
	p.blanks()
	if p.at == len(p.text) || p.text[p.at] != '\'' && p.text[p.at] != '"' {
		return "", p.wrong("expected a text in quotes, such as 'application/a2a-agent-card+json'")
	}
	quote := p.text[p.at]
	var value strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		if p.text[p.at] != quote {
			value.WriteByte(p.text[p.at])
			continue
		}
		p.at++
		if p.at == len(p.text) || p.text[p.at] != quote {
			return value.String(), nil
		}
		value.WriteByte(quote)
	}
	return "", p.wrong("the text has no closing quote")
}

// ardField is a field of catalogue entries that can be asked for. Its texts are constants.
type ardField struct {
	condition string // on an agent a: its values are the argument %s
	facet     string // joins a with f (value), for its counts; "" where it has none
	name      string // of a value b.value, where that stands for another
	isTime    bool   // its condition begins with what an operator and a time follow
	isProse   bool   // commas belong to it
}

const cardMediaType = "application/a2a-agent-card+json"

var ardFields = map[string]ardField{
	"type":                    {condition: `'` + cardMediaType + `' = any (%s::text[])`, facet: ` cross join (values ('` + cardMediaType + `')) f (value)`},
	"publisher":               {condition: `@ard_publisher::text = any (%s::text[])`, facet: ` cross join (values (@ard_publisher::text)) f (value)`},
	"publisherId":             {condition: `@ard_publisher::text = any (%s::text[])`},
	"identifier":              {condition: `a.id = any (%s::uuid[])`},
	"displayName":             {condition: `lower(a.name) collate "C" = any (array(select lower(v) from unnest(%s::text[]) v))`, isProse: true},
	"tags":                    {condition: `a.tags && %s::text[]`, facet: ` cross join unnest(a.tags) f (value)`},
	"capabilities":            {condition: `exists (select from plant.agent_skills l join plant.skills k on k.id = l.skill_id where l.agent_id = a.id and k.name = any (%s::text[]))`, facet: ` join (select agent_id, skill_id as value from plant.agent_skills) f on f.agent_id = a.id`, name: `(select k.name from plant.skills k where k.id = b.value)`},
	"version":                 {condition: `a.version::text = any (%s::text[])`, facet: ` cross join lateral (values (a.version::text)) f (value)`},
	"metadata.industry":       {condition: `a.industry = any (%s::text[])`, facet: ` cross join lateral (values (a.industry)) f (value)`},
	"metadata.specialization": {condition: `lower(a.specialization) = any (array(select lower(v) from unnest(%s::text[]) v))`, facet: ` cross join lateral (values (a.specialization)) f (value)`, isProse: true},
	"metadata.status":         {condition: `a.status = any (%s::text[])`, facet: ` cross join lateral (values (a.status)) f (value)`},
	"metadata.owner":          {condition: `a.owner = any (%s::text[])`, facet: ` cross join lateral (values (a.owner)) f (value)`},
	"metadata.currency":       {condition: `a.currency = any (%s::text[])`, facet: ` cross join lateral (values (a.currency)) f (value)`},
	"createdAfter":            {condition: `a.created_at `, isTime: true},
	"updatedAfter":            {condition: `a.updated_at `, isTime: true},
}

// ardFieldNames says what there is to those who have asked for something else.
const ardFieldNames = "type, publisher, publisherId, identifier, displayName, tags, capabilities, version, createdAfter, updatedAfter, " +
	"metadata.industry, metadata.specialization, metadata.status, metadata.owner and metadata.currency"

// sqlOf turns constraints into conditions on an agent a, each with its arguments. At is where they stand in the request.
func (a ard) sqlOf(constraints []constraint, at string) (conditions []string, args map[string]any, err error) {
	args = map[string]any{"ard_publisher": a.publisher}
	refuse := func(message string) (_ []string, _ map[string]any, err error) {
		return nil, nil, httpapi.Invalid.Problem(at+": "+message, &httpapi.Fault{Location: at, Message: message})
	}
	for i, one := range constraints {
		field, known := ardFields[one.field]
		name := fmt.Sprintf("ard_%d", i)
		switch {
		case !known:
			return refuse("there is no field of this name to filter by; there are " + ardFieldNames)
		case len(one.values) > maxFilterValues:
			return refuse(fmt.Sprintf("%s has %d values, and may have %d", one.field, len(one.values), maxFilterValues))
		case field.isTime:
			moment, ok := momentOf(one.values)
			if !ok {
				return refuse(one.field + " takes one date or time as in ISO 8601, such as 2026-01-31 or 2026-01-31T09:30:00Z")
			}
			comparison := ">"
			if one.operator == ">=" {
				comparison = ">="
			}
			conditions, args[name] = append(conditions, field.condition+comparison+` @`+name+`::timestamptz`), moment
			continue
		}
		values := make([]string, len(one.values)) // in the form that is stored
		for i, value := range one.values {
			if values[i] = norm.NFC.String(value); len(value) > maxFilterValueLength {
				return refuse(fmt.Sprintf("a value of %s has more than %d bytes", one.field, maxFilterValueLength))
			}
		}
		conditions, args[name] = append(conditions, fmt.Sprintf(field.condition, "@"+name)), any(values)
		if one.field == "identifier" {
			args[name] = a.idsOf(one.values)
		}
	}
	return conditions, args, nil
}

// momentOf reads the one value of a field of times.
func momentOf(values []string) (time.Time, bool) {
	if len(values) != 1 {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if moment, err := time.Parse(layout, values[0]); err == nil && moment.Year() > 0 {
			return moment, true
		}
	}
	return time.Time{}, false
}

// idsOf returns the agents that identifiers name; what names none is left out.
func (a ard) idsOf(identifiers []string) []uuid.UUID {
	ids := []uuid.UUID{}
	for _, identifier := range identifiers {
		text, ours := strings.CutPrefix(identifier, a.urn)
		if id, err := uuid.Parse(text); ours && err == nil && len(text) == len(id.String()) {
			ids = append(ids, id)
		}
	}
	return ids
}
