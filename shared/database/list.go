package database

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
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

// Position is where a row stands in its list. Embed it in the row's type.
type Position struct {
	SortKey string `json:"-"`
	SortID  string `json:"-"`
}

// Keys returns the position as List takes it back.
func (p Position) Keys() []string { return []string{p.SortKey, p.SortID} }

// List reads a part of a list: at most part.Limit rows, and how many there are in all where that was asked for.
// It seeks by the sort key, so that the deepest page costs what the first does.
func List[Row any](ctx context.Context, q Querier, list Listing, part Part) (rows []Row, total string, err error) {
	total, err = count(ctx, q, list, part.Count)
	if err != nil {
		return nil, "", err
	}
	by, where := list.By, list.Where
	direction, beyond := "asc", ">"
	if by.Descending {
		direction, beyond = "desc", "<"
	}
	if part.After != nil {
		if len(part.After) != 2 {
			return nil, "", fmt.Errorf("%w: a position has two keys", ErrInvalid)
		}
		where.And(`(` + by.Key + `, ` + by.ID + `) ` + beyond + ` (@after_key::` + by.Type + `, @after_id::uuid)`)
		where.With("after_key", part.After[0])
		where.With("after_id", part.After[1])
	}
	where.With("limit", part.Limit)
	where.With("skip", part.Skip)
	rows, err = All[Row](ctx, q, `select `+list.Columns+`, (`+by.Key+`)::text as sort_key, `+by.ID+`::text as sort_id
		from `+list.From+where.SQL()+`
		order by `+by.Key+` `+direction+`, `+by.ID+` `+direction+` limit @limit offset @skip`, where.Args)
	return rows, total, err
}

func count(ctx context.Context, q Querier, list Listing, how string) (string, error) {
	var total int64
	var err error
	switch how {
	case "exact":
		total, err = Scalar[int64](ctx, q, `select count(*) from `+list.From+list.Where.SQL(), list.Where.Args)
	case "estimated":
		total, err = estimatedRows(ctx, q, `select from `+list.From+list.Where.SQL(), list.Where.Args)
	default:
		return "", nil
	}
	return strconv.FormatInt(total, 10), err
}

// estimatedRows returns how many rows the planner expects of a statement, without running it.
func estimatedRows(ctx context.Context, q Querier, sql string, args ...any) (int64, error) {
	plan, err := Scalar[[]byte](ctx, q, `explain (format json) `+sql, args...)
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
