package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waooaw/plant/shared/audit"
)

// fingerprint is what a database is compared by.
type fingerprint struct {
	Owner     string              `json:"owner"`
	Tables    map[string]table    `json:"tables"`
	Sequences map[string]string   `json:"sequences"` // where each goes on
	Chain     chain               `json:"chain"`
	Searches  map[string][]string `json:"searches"` // the agents that a word finds, the best first
}

// table is the rows of one.
type table struct {
	Rows     int64  `json:"rows"`
	Checksum string `json:"checksum"` // over all of them, in whatever order they are
}

// chain is the log of amendments.
type chain struct {
	Amendments int64  `json:"amendments"`
	Broken     int64  `json:"broken"` // whose hash is not that of their text, or that do not follow the one before
	Leaves     int64  `json:"leaves"` // of the tree
	Root       string `json:"root"`   // over them
	Signed     string `json:"signed"` // the root that the last checkpoint tells of its size
	Grown      string `json:"grown"`  // the root of so many leaves, as they are
}

// String says what it is of, in short.
func (f fingerprint) String() string {
	rows := int64(0)
	for _, t := range f.Tables {
		rows += t.Rows
	}
	return fmt.Sprintf("%d rows of %d tables, %d amendments, %d searches", rows, len(f.Tables), f.Chain.Amendments, len(f.Searches))
}

// check says whether the log is whole by itself.
func (f fingerprint) check() error {
	switch {
	case f.Chain.Broken > 0:
		return fmt.Errorf("%d amendments are not what they were: POST /api/v1/audit/run says which", f.Chain.Broken)
	case f.Chain.Signed != f.Chain.Grown:
		return errors.New("the tree of amendments is not the one that was signed")
	}
	return nil
}

// differences are those of another, in words.
func (f fingerprint) differences(other fingerprint) []string {
	var all []string
	compare := func(what string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			all = append(all, fmt.Sprintf("%s: saved %v, restored %v", what, want, got))
		}
	}
	for _, name := range keysOf(f.Tables, other.Tables) {
		compare("table "+name, f.Tables[name], other.Tables[name])
	}
	for _, name := range keysOf(f.Sequences, other.Sequences) {
		compare("sequence "+name, f.Sequences[name], other.Sequences[name])
	}
	compare("log of amendments", f.Chain, other.Chain)
	for _, word := range keysOf(f.Searches, other.Searches) {
		compare("search for "+word, f.Searches[word], other.Searches[word])
	}
	if err := other.check(); err != nil {
		all = append(all, err.Error())
	}
	return all
}

func keysOf[V any](one, other map[string]V) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]V{one, other} {
			for name := range maps.Keys(m) {
				if !yield(name) {
					return
				}
			}
		}
	}))
}

const (
	tables = `
		select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where (n.nspname = 'plant' or n.nspname = 'public' and c.relname = 'schema_version') and c.relkind in ('r', 'p') and not c.relispartition`
	// A sum does not depend on the order, and a hash of the text on every column.
	rowsOf = `select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text from %s t`

	sequences = `
		select format('%I.%I', schemaname, sequencename), coalesce(last_value::text, 'unused') from pg_sequences where schemaname = 'plant'`

	chains = `
		select count(*), count(*) filter (where
			hash <> sha256(convert_to(plant.amendment_text(m), 'UTF8'))
			or previous_hash <> coalesce(before, decode(repeat('00', 32), 'hex')))
		from (select a as m, a.hash, a.previous_hash, lag(a.hash) over (partition by entity_type, entity_id order by version) as before from plant.amendments a) a`
	leaves     = `select hash from plant.tree_hashes where level = 0 order by n`
	lastSigned = `select note from plant.checkpoints order by size desc, at desc limit 1`

	// Some words of texts, any but always the same, and whom they find.
	searches = `
		select w.kind::text || ' ' || w.word, array(
			select p.id::text from plant.search_postings p
			where p.kind = w.kind and p.stem = any (tsvector_to_array(to_tsvector('english', w.word)))
			order by p.impact desc, p.id limit 10)
		from (select distinct kind, word, md5(word) from plant.search_words order by md5(word), kind limit 20) w`
)

func fingerprintOf(ctx context.Context, tx pgx.Tx) (f fingerprint, err error) {
	// What rows look like as text depends on these.
	for _, setting := range []string{`set local timezone = 'UTC'`, `set local datestyle = 'ISO'`, `set local extra_float_digits = 1`, `set local statement_timeout = 0`} {
		if _, err := tx.Exec(ctx, setting); err != nil {
			return f, err
		}
	}
	if err := tx.QueryRow(ctx, `select current_user`).Scan(&f.Owner); err != nil {
		return f, err
	}
	f.Tables = map[string]table{}
	names, err := collect[string](ctx, tx, tables)
	if err != nil {
		return f, err
	}
	for _, name := range names {
		var t table
		if err := tx.QueryRow(ctx, fmt.Sprintf(rowsOf, name)).Scan(&t.Rows, &t.Checksum); err != nil {
			return f, fmt.Errorf("%s: %w", name, err)
		}
		f.Tables[name] = t
	}
	f.Sequences, err = pairs[string](ctx, tx, sequences)
	if err != nil {
		return f, err
	}
	if f.Chain, err = chainOf(ctx, tx); err != nil {
		return f, err
	}
	f.Searches, err = pairs[[]string](ctx, tx, searches)
	return f, err
}

// chainOf recomputes every hash, and grows the tree anew of its leaves.
func chainOf(ctx context.Context, tx pgx.Tx) (c chain, err error) {
	if err := tx.QueryRow(ctx, chains).Scan(&c.Amendments, &c.Broken); err != nil {
		return c, err
	}
	notes, err := collect[string](ctx, tx, lastSigned)
	if err != nil {
		return c, err
	}
	signed := audit.Checkpoint{Size: -1}
	if len(notes) > 0 {
		if signed, err = headOf(notes[0]); err != nil {
			return c, err
		}
		c.Signed = hex.EncodeToString(signed.Root[:])
	}
	var tree audit.Frontier
	compare := func() {
		if tree.Size == signed.Size {
			root := tree.Root()
			c.Grown = hex.EncodeToString(root[:])
		}
	}
	compare()
	rows, err := tx.Query(ctx, leaves)
	if err != nil {
		return c, err
	}
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&hash}, func() error {
		tree.Add(tlog.Hash(hash))
		compare()
		return nil
	})
	root := tree.Root()
	c.Leaves, c.Root = tree.Size, hex.EncodeToString(root[:])
	return c, err
}

func collect[T any](ctx context.Context, tx pgx.Tx, sql string) ([]T, error) {
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

// pairs reads rows of a name and a value.
func pairs[T any](ctx context.Context, tx pgx.Tx, sql string) (map[string]T, error) {
	all := map[string]T{}
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	var name string
	var value T
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		all[name] = value
		var next T
		value = next
		return nil
	})
	return all, err
}

// headOf reads what a signed note says. Who signed it is for scripts/audit to tell.
func headOf(note string) (audit.Checkpoint, error) {
	text, _, found := strings.Cut(note, "\n\n")
	if !found {
		return audit.Checkpoint{}, errors.New("the last checkpoint is no signed note")
	}
	return audit.ParseCheckpoint(text + "\n")
}
