package database_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

// everything has a member of each kind that rows are written from.
type everything struct {
	ID       uuid.UUID `json:"id"`
	Name     string    `json:"name"`
	Nickname *string   `json:"nickname"`
	Embedded
	Small    int           `json:"small"`
	Flag     bool          `json:"flag"`
	Amount   catalog.Money `json:"amount"`
	Figures  `json:"figures"`
	Version  int64       `json:"version"`
	MadeAt   time.Time   `json:"made_at"`
	Tags     []string    `json:"tags"`
	SkillIDs []uuid.UUID `json:"skill_ids"`
	GoneAt   *time.Time  `json:"gone_at,omitempty"`
}

type Embedded struct {
	Big int64 `json:"big"`
}

type Figures struct {
	Ratio float64 `json:"ratio"`
	Count int64   `json:"count"`
}

const everyColumn = `@id::uuid as id, @name::text as name, @nickname::text as nickname, @big::int8 as big, @small::int2 as small, @flag::bool as flag,
	@amount::numeric(15, 2) as amount, @ratio::float8 as ratio, @count::int4 as count, @version::int8 as version,
	@made_at::timestamptz as made_at, @tags::text[] as tags, @skill_ids::uuid[] as skill_ids, @gone_at::timestamptz as gone_at`

// A row is written byte by byte as encoding its struct would write it.
func TestList_WritesWhatStructsSay(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 && r != '\uFFFD' }))
		moment := rapid.Map(rapid.Int64Range(-62_000_000_000_000_000, 253_000_000_000_000_000), time.UnixMicro)
		ids := rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) uuid.UUID { return uuid.UUID(b) })
		where := database.NewWhere(nil, map[string]any{
			"id": ids.Draw(t, "id"), "name": text.Draw(t, "name"), "nickname": rapid.Ptr(text, true).Draw(t, "nickname"),
			"big": rapid.Int64().Draw(t, "big"), "small": rapid.Int16().Draw(t, "small"), "flag": rapid.Bool().Draw(t, "flag"),
			"amount": catalog.Hundredths(rapid.Int64Range(-999_999_999_999_999, 999_999_999_999_999).Draw(t, "amount")),
			"ratio":  rapid.Float64().Draw(t, "ratio"), "count": rapid.Int32().Draw(t, "count"), "version": rapid.Int64().Draw(t, "version"),
			"made_at": moment.Draw(t, "made_at"), "tags": rapid.SliceOf(text).Draw(t, "tags"), "skill_ids": rapid.SliceOfN(ids, 0, 3).Draw(t, "skill_ids"),
			"gone_at": rapid.Ptr(moment, true).Draw(t, "gone_at"),
		})
		want, err := database.All[everything](t.Context(), db, `select `+everyColumn, where.Args)
		if err != nil {
			t.Fatal(err)
		}
		said, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := database.List[everything](t.Context(), db, database.Listing{
			Columns: everyColumn, From: `(values (1)) v (n)`, Where: where, By: database.Order{Key: "n", Type: "int", ID: "'" + uuid.Nil.String() + "'::uuid"},
		}, database.Part{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(said), string(got.JSON)); diff != "" {
			t.Error(diff)
		}
		got.Release()
	})
}

// Numbers keep every digit and their scale, whatever groups of digits the server leaves out.
func TestList_Numerics(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	type row struct {
		N string `json:"n"`
	}
	list := func(value, as string) (string, error) {
		rows, _, err := database.List[row](t.Context(), db, database.Listing{
			Columns: "'" + value + "'::" + as + " as n", From: `(values (1)) v (k)`, Where: database.NewWhere(nil, nil),
			By: database.Order{Key: "k", Type: "int", ID: "'" + uuid.Nil.String() + "'::uuid"},
		}, database.Part{Limit: 1})
		return string(rows.JSON), err
	}
	for _, number := range []string{
		"0", "0.00", "1", "-1", "10000", "100000000", "12345678901234567890.123456789", "-0.5", "0.0001", "0.00001", "1.10", "10000.0001", "9999.9999", "99990000", "0.12340000",
	} {
		if got, err := list(number, "numeric"); err != nil || got != `[{"n":`+number+`}]` {
			t.Errorf("%s: got %s, %v", number, got, err)
		}
	}
	for value, as := range map[string]string{
		"NaN": "numeric", "Infinity": "numeric", "-Infinity": "float8", "nan": "float8", "infinity": "timestamptz", "10000-01-01": "timestamptz", "{{1},{2}}": "text[]", "{}": "jsonb",
	} {
		if got, err := list(value, as); err == nil {
			t.Errorf("%s %s is %s", as, value, got)
		}
	}
	if _, _, err := database.List[struct {
		Missing string `json:"missing"`
	}](t.Context(), db, database.Listing{Columns: "1 as other", From: `(values (1)) v (k)`, Where: database.NewWhere(nil, nil), By: database.Order{Key: "k", Type: "int", ID: "'" + uuid.Nil.String() + "'::uuid"}}, database.Part{Limit: 1}); err == nil || !strings.Contains(err.Error(), "Missing") {
		t.Errorf("no column for a member: %v", err)
	}
}

// A JSON column is written as it stands, without blanks but those of its texts; null is left out where that is wanted.
func TestList_JSON(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	type row struct {
		Name     string         `json:"name"`
		Document map[string]any `json:"document,omitempty"`
	}
	for value, want := range map[string]string{
		`json_build_object('a', 1, 'b', 'x  "y" \ é', 'c', null)`: `[{"name":"n","document":{"a":1,"b":"x  \"y\" \\ é","c":null}}]`,
		"'{\"z\" : [ 1.50 , {} ],\n\"a\":true}'::json":            `[{"name":"n","document":{"z":[1.50,{}],"a":true}}]`,
		"null::json": `[{"name":"n"}]`,
	} {
		rows, _, err := database.List[row](t.Context(), db, database.Listing{
			Columns: "'n'::text as name, " + value + " as document", From: `(values (1)) v (k)`, Where: database.NewWhere(nil, nil),
			By: database.Order{Key: "k", Type: "int", ID: "'" + uuid.Nil.String() + "'::uuid"},
		}, database.Part{Limit: 1})
		if err != nil || string(rows.JSON) != want {
			t.Errorf("%s: got %s, %v, want %s", value, rows.JSON, err, want)
		}
	}
}

// A row and what became of it come apart, whatever order its columns have.
func TestChange(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	type row struct {
		A string
		B int
	}
	const columns = `select 2 as b, 'x' as a, `
	for sql, want := range map[string]database.Outcome[row]{
		columns + `true as done, true as allowed`:   {Row: row{"x", 2}, Done: true, Allowed: true},
		columns + `false as done, true as allowed`:  {Row: row{"x", 2}, Allowed: true},
		columns + `false as done, false as allowed`: {Row: row{"x", 2}},
	} {
		if got, err := database.Change[row](t.Context(), db, sql); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", sql, got, err)
		}
	}
	for sql, want := range map[string]error{
		columns + `true as done, true as allowed where false`: database.ErrNotFound,
		`select 1 / 0 as b, 'x' as a, true, true`:             database.ErrInvalid,
	} {
		if _, err := database.Change[row](t.Context(), db, sql); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", sql, err, want)
		}
	}
	if _, err := database.Change[row](t.Context(), db, `select 1 as other, true, true`); err == nil {
		t.Error("a column that nobody wants: no error")
	}
}

// What is remembered of a type's columns is not used for others that are as many.
func TestList_ColumnsInAnotherOrder(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	type pair struct {
		A string  `json:"a"`
		B float64 `json:"b"`
	}
	for range 2 {
		for _, columns := range []string{`'x'::text as a, 1.5::float8 as b`, `1.5::float8 as b, 'x'::text as a`} {
			rows, _, err := database.List[pair](t.Context(), db, database.Listing{
				Columns: columns, From: `generate_series(1, 3) k`, Where: database.NewWhere(nil, nil), By: database.Order{Key: "k", Type: "int", ID: "'" + uuid.Nil.String() + "'::uuid"},
			}, database.Part{Limit: 2})
			if want := `[{"a":"x","b":1.5},{"a":"x","b":1.5}]`; err != nil || string(rows.JSON) != want {
				t.Errorf("%s: got %s, %v", columns, rows.JSON, err)
			}
			if diff := cmp.Diff([]string{"2", uuid.Nil.String()}, rows.Next); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// An object knows its id and version, and the part that changes without a new version, whatever its texts say.
func TestCoalescer_Object(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	id := uuid.New()
	const name = `","figures":{"ratio":9},"version":9`
	columns := strings.NewReplacer("@id::uuid", "id", "@name::text", fmt.Sprintf("'%s'::text", name), "@ratio", "0.25", "@count", "7", "@version", "41").Replace(everyColumn)
	columns = nulls.Replace(columns)
	read := database.NewCoalescer[everything](db.DB, `select `+columns+` from unnest((select $1::uuid[])) id`, "figures")
	got, err := read.One(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var back everything
	if err := json.Unmarshal(got.JSON, &back); err != nil {
		t.Fatal(err)
	}
	if got.ID != id || got.Version != 41 || back.ID != id || back.Version != 41 || back.Name != name || back.Figures != (Figures{0.25, 7}) {
		t.Errorf("got %+v of %+v", got, back)
	}
	figures, err := json.Marshal(back.Figures)
	if err != nil || !bytes.Equal(figures, got.Derived) {
		t.Errorf("derived is %s, want %s", got.Derived, figures)
	}
	if math.Signbit(back.Ratio) || back.GoneAt != nil || bytes.Contains(got.JSON, []byte("gone_at")) {
		t.Errorf("got %s", got.JSON)
	}
}

var nulls = strings.NewReplacer("@nickname", "null", "@big", "1", "@small", "1", "@flag", "true", "@amount", "1", "@made_at", "now()", "@tags", "'{}'", "@skill_ids", "'{}'", "@gone_at", "null")
