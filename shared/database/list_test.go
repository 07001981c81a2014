package database_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

type listed struct {
	ID string `json:"id"`
}

func idsOf(t *testing.T, rows database.Rows[listed]) (ids []string) {
	t.Helper()
	var all []listed
	if err := json.Unmarshal(rows.JSON, &all); err != nil {
		t.Fatalf("%s: %v", rows.JSON, err)
	}
	for _, one := range all {
		ids = append(ids, one.ID)
	}
	return ids
}

// manyAgents has 60 agents that tie in every way: 4 moments a microsecond apart, 6 names, 3 rates.
func manyAgents(t *testing.T) *dbtest.Database {
	t.Helper()
	db := dbtest.New(t)
	db.Exec(t, `
		insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate, created_at)
		select gen_random_uuid(), 'i', 'o', (array['b', 'B', 'ä', 'Z', 'a b', E'a\'"\\,'])[1 + i % 6], 'Work', 'sales', 10 + (i % 3) * 0.01,
			timestamptz '2026-03-29 00:59:59.999998+00' + (i % 4) * interval '1 microsecond'
		from generate_series(1, 60) i`)
	return db
}

func listing(by database.Order, conditions ...string) database.Listing {
	return database.Listing{Columns: "a.id::text as id", From: "plant.agents a", Where: database.NewWhere(conditions, nil), By: by}
}

// Whatever the order and the size of a page, the pages together are the whole list in its order, each row once.
func TestList_AllPages(t *testing.T) {
	t.Parallel()
	db := manyAgents(t)
	for _, by := range []database.Order{
		{Key: "a.created_at", Type: "timestamptz", ID: "a.id"},
		{Key: "a.hourly_rate", Type: "numeric", ID: "a.id"},
		{Key: `lower(a.name) collate "C"`, Type: "text", ID: "a.id"},
		{Key: "a.version", Type: "int8", ID: "a.id"}, // one value for all
	} {
		for _, descending := range []bool{false, true} {
			by := by
			by.Descending = descending
			direction := map[bool]string{false: " asc", true: " desc"}[by.Descending]
			want := dbtest.Scalar[[]string](t, db, `select array_agg(a.id::text order by `+by.Key+direction+`, a.id`+direction+`) from plant.agents a`)
			for _, size := range []int{1, 7, 59, 60, 61} {
				t.Run(fmt.Sprint(by.Key, direction, size), func(t *testing.T) {
					t.Parallel()
					var got []string
					part := database.Part{Limit: size}
					for {
						rows, _, err := database.List[listed](t.Context(), db, listing(by), part)
						if err != nil {
							t.Fatal(err)
						}
						ids := idsOf(t, rows)
						if len(ids) > size {
							t.Fatalf("%d rows on a page of %d", len(ids), size)
						}
						got = append(got, ids...)
						if part.After = rows.Next; part.After == nil {
							break
						}
					}
					if !slices.Equal(want, got) {
						t.Errorf("got %d rows, want these %d in this order: %v, %v", len(got), len(want), got, want)
					}
				})
			}
		}
	}
}

// A row that goes, or comes, while somebody pages moves no other.
func TestList_RowsComeAndGo(t *testing.T) {
	t.Parallel()
	db := manyAgents(t)
	by := database.Order{Key: "a.created_at", Type: "timestamptz", ID: "a.id"}
	first, _, err := database.List[listed](t.Context(), db, listing(by), database.Part{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	want := dbtest.Scalar[[]string](t, db, `select (array_agg(id::text order by created_at, id))[11:20] from plant.agents`)
	db.Exec(t, `delete from plant.agents where id = any ($1::uuid[])`, []string{idsOf(t, first)[0], idsOf(t, first)[9]})
	db.Exec(t, `
		insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate, created_at)
		select gen_random_uuid(), 'i', 'o', 'x', 'Work', 'sales', 1, timestamptz '2020-01-01' from generate_series(1, 5)`)
	next, _, err := database.List[listed](t.Context(), db, listing(by), database.Part{Limit: 10, After: first.Next})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, idsOf(t, next)); diff != "" {
		t.Error(diff)
	}
}

func TestList_BadPosition(t *testing.T) {
	t.Parallel()
	db := manyAgents(t)
	by := database.Order{Key: "a.created_at", Type: "timestamptz", ID: "a.id"}
	const moment = "2026-01-01 00:00:00+00"
	id := uuid.NewString()
	for _, after := range [][]string{
		{},
		{moment},
		{moment, id, id},
		{"", ""},
		{moment, "x"},
		{"x", id},
		{moment, id + "\x00"},
		{"\xff", id},
		{id, moment},
		{moment, "' or true --"},
		{"294277-01-01", id}, // later than what can be stored
	} {
		if _, _, err := database.List[listed](t.Context(), db, listing(by), database.Part{Limit: 1, After: after}); !errors.Is(err, database.ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", after, err)
		}
	}
	if rows, _, err := database.List[listed](t.Context(), db, listing(by), database.Part{Limit: 1, After: []string{"infinity", id}}); err != nil || string(rows.JSON) != "[]" || rows.Next != nil {
		t.Errorf("beyond the end: got %v, %v, want nothing", rows, err)
	}
}

func TestList_Counts(t *testing.T) {
	t.Parallel()
	db := manyAgents(t)
	db.Exec(t, `analyze plant.agents`)
	by := database.Order{Key: "a.created_at", Type: "timestamptz", ID: "a.id"}
	for _, test := range []struct{ condition, count, want string }{
		{"true", "exact", "60"}, {"a.hourly_rate > 10", "exact", "40"}, {"false", "exact", "0"}, {"true", "estimated", "60"}, {"true", "", ""}, {"true", "nonsense", ""},
	} {
		// A page of none, or far behind, does not change how many there are.
		for _, part := range []database.Part{{Limit: 1}, {Limit: 1, Skip: 100}, {Limit: 0}, {Limit: 1, After: []string{"infinity", uuid.NewString()}}} {
			part.Count = test.count
			if _, total, err := database.List[listed](t.Context(), db, listing(by, test.condition), part); err != nil || total != test.want {
				t.Errorf("%s of %s, %+v: got %q, %v, want %q", test.count, test.condition, part, total, err, test.want)
			}
		}
	}
	for _, count := range []string{"exact", "estimated", ""} {
		if _, _, err := database.List[listed](t.Context(), db, listing(by, "nonsense"), database.Part{Limit: 1, Count: count}); err == nil {
			t.Errorf("a condition that is none, counted %q: no error", count)
		}
	}
}

func TestWhere(t *testing.T) {
	t.Parallel()
	if got := database.NewWhere(nil, nil).SQL(); got != "" {
		t.Errorf("nothing was asked: got %q", got)
	}
	conditions, args := append(make([]string, 0, 8), "a = @a"), map[string]any{"a": 1}
	one, other := database.NewWhere(conditions, args), database.NewWhere(conditions, args)
	one.And("b = @b")
	one.With("b", 2)
	other.And("c = @c")
	other.With("a", 3)
	if diff := cmp.Diff(" where a = @a and b = @b", one.SQL()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(" where a = @a and c = @c", other.SQL()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{1, 2, 3, 1}, []any{one.Args["a"], one.Args["b"], other.Args["a"], args["a"]}); diff != "" {
		t.Error(diff)
	}
}

// A timer adds up what all statements of its context took, those at the same time and those that failed included, and
// nothing of any other.
func TestTimer_AddsUp(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	ctx, timer := database.WithTimer(t.Context())
	_, other := database.WithTimer(t.Context())
	if timer.Elapsed() != 0 {
		t.Errorf("before anything: %v", timer.Elapsed())
	}
	const each = 20 * time.Millisecond
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if _, err := database.Scalar[string](ctx, db, `select pg_sleep(0.02)::text`); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := timer.Elapsed(); got < 3*each {
		t.Errorf("three statements: %v, want at least %v", got, 3*each)
	}
	before := timer.Elapsed()
	if _, err := database.Scalar[string](ctx, db, `select pg_sleep(0.02)::text || 1 / 0`); err == nil {
		t.Error("no error")
	}
	if _, err := database.Scalar[string](t.Context(), db, `select pg_sleep(0.02)::text`); err != nil {
		t.Error(err)
	}
	if timer.Elapsed() <= before || other.Elapsed() != 0 {
		t.Errorf("got %v and %v, want more than %v and nothing", timer.Elapsed(), other.Elapsed(), before)
	}
}
