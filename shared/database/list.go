package database

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Part is the part of a list that is asked for.
type Part struct {
	After []string // the Position of the row to begin after; nil at the start
	Skip  int
	Limit int
	Count string // exact or estimated to count the whole list; "" not to
}

// Order is a way to sort a list. It is total: ties go by ID, in the same direction.
type Order struct {
	Key        string // an expression that is never null
	Type       string // its SQL type
	ID         string // the column that is unique; its type is uuid
	Descending bool
}

// Listing is a list before it is read. All of its texts are constants.
type Listing struct {
	Columns, From string
	Where         *Where
	By            Order
}

// Rows are a part of a list, as a JSON array, and the keys of a Part to go on with: nil at the list's end.
type Rows[T any] struct {
	JSON []byte
	Next []string
}

// Release lets another list have the memory of JSON. Who does not call it leaves it to the garbage collector.
func (r Rows[T]) Release() {
	if cap(r.JSON) <= maxKeptBytes {
		arrays.Put(&r.JSON)
	}
}

const (
	usualBytes   = 1024      // of a row as JSON
	maxKeptBytes = 256 << 10 // of an array that is kept for another list
)

// arrays are what lists are written into: two of three bytes that a function allocates, otherwise.
var arrays = sync.Pool{New: func() any { return new([]byte) }}

// List reads a part of a list, and how many rows there are in all where that was asked for.
// It seeks by the sort key, so that the deepest page costs what the first does.
func List[T any](ctx context.Context, q Querier, list Listing, part Part) (rows Rows[T], total string, err error) {
	total, err = count(ctx, q, list, part.Count)
	if err != nil {
		return rows, "", err
	}
	by, where := list.By, list.Where
	direction, beyond := "asc", ">"
	if by.Descending {
		direction, beyond = "desc", "<"
	}
	if part.After != nil {
		if len(part.After) != 2 {
			return rows, "", fmt.Errorf("%w: a position has two keys", ErrInvalid)
		}
		where.And(`(` + by.Key + `, ` + by.ID + `) ` + beyond + ` (@after_key::` + by.Type + `, @after_id::uuid)`)
		where.With("after_key", part.After[0])
		where.With("after_id", part.After[1])
	}
	// The limit is part of the text, of which there are as many as there are limits. As an argument it would cost more
	// than the rows: not knowing it, the planner takes a tenth of the table for granted, and so plans anew each time.
	limit := ` limit ` + strconv.Itoa(part.Limit+1) // one more tells whether another part follows
	if part.Skip > 0 {
		limit += ` offset @skip`
		where.With("skip", part.Skip)
	}
	answer, err := q.Query(ctx, `select `+list.Columns+`, (`+by.Key+`)::text as sort_key, `+by.ID+`::text as sort_id
		from `+list.From+where.SQL()+`
		order by `+by.Key+` `+direction+`, `+by.ID+` `+direction+limit, where.Args)
	if err != nil {
		return rows, "", translate(err)
	}
	rows, err = listed[T](answer, part.Limit)
	return rows, total, translate(err)
}

// listed reads at most limit rows, whose last two columns are their keys.
func listed[T any](answer pgx.Rows, limit int) (rows Rows[T], err error) {
	defer answer.Close()
	var e *encoder
	var last [2]string
	if kept, ok := arrays.Get().(*[]byte); ok {
		rows.JSON = slices.Grow((*kept)[:0], usualBytes*limit)
	}
	rows.JSON = append(rows.JSON, '[')
	for read := 0; answer.Next(); read++ {
		values := answer.RawValues()
		if read == limit {
			rows.Next = []string{last[0], last[1]}
			continue
		}
		if e == nil {
			if e, err = encoderOf[T](answer.FieldDescriptions(), ""); err != nil {
				return rows, err
			}
		} else {
			rows.JSON = append(rows.JSON, ',')
		}
		if rows.JSON, _, _, err = e.appendRow(rows.JSON, values); err != nil {
			return rows, err
		}
		if read == limit-1 {
			last = [2]string{string(values[len(values)-2]), string(values[len(values)-1])}
		}
	}
	rows.JSON = append(rows.JSON, ']')
	return rows, answer.Err()
}

func count(ctx context.Context, q Querier, list Listing, how string) (string, error) {
	var total int64
	var err error
	switch how {
	case "exact":
		total, err = Scalar[int64](ctx, q, `select count(*) from `+list.From+list.Where.SQL(), list.Where.Args)
	case "estimated":
		total, err = Estimate(ctx, q, list)
	default:
		return "", nil
	}
	return strconv.FormatInt(total, 10), err
}

// Estimate returns how many rows of a list the planner expects, without reading any.
func Estimate(ctx context.Context, q Querier, list Listing) (int64, error) {
	plan, err := Scalar[[]byte](ctx, q, `explain (format json) select from `+list.From+list.Where.SQL(), list.Where.Args)
	if err != nil {
		return 0, err
	}
	var plans []struct {
		Plan struct {
			Rows int64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal(plan, &plans); err != nil || len(plans) != 1 {
		return 0, fmt.Errorf("read the plan: %w", err)
	}
	return plans[0].Plan.Rows, nil
}
