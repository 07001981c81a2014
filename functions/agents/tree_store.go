package agents

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/waooaw/plant/shared/database"
)

// treeStore is the SQL of the tree over all amendments, and of its signed heads.
type treeStore struct{ db *database.DB }

const treeHashes = `
	select t.hash from unnest($1::smallint[], $2::bigint[]) with ordinality w (level, n, place)
	join plant.tree_hashes t using (level, n)
	order by w.place`

// reader returns a reader of the tree. Each of its calls is one statement.
func (s treeStore) reader(ctx context.Context) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		levels, places := make([]int16, len(indexes)), make([]int64, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			levels[i], places[i] = int16(level), n //nolint:gosec // a level is below 64
		}
		type row struct{ Hash []byte }
		rows, err := database.All[row](ctx, s.db, treeHashes, levels, places)
		if err != nil {
			return nil, err
		}
		if len(rows) != len(indexes) {
			return nil, treeBroken("hashes of the tree are missing")
		}
		hashes := make([]tlog.Hash, len(rows))
		for i, row := range rows {
			copy(hashes[i][:], row.Hash)
		}
		return hashes, nil
	})
}

// root returns the root of the tree when it had so many amendments.
func (s treeStore) root(ctx context.Context, size int64) (tlog.Hash, error) {
	return tlog.TreeHash(size, s.reader(ctx))
}

// signed is a checkpoint as it is kept.
type signed struct {
	Size int64
	Note string
}

const lastCheckpoints = `select size, note from plant.checkpoints order by size desc limit 10`

// last returns the last checkpoints, the largest first.
func (s treeStore) last(ctx context.Context) ([]signed, error) {
	return database.All[signed](ctx, s.db, lastCheckpoints)
}

const keepCheckpoint = `insert into plant.checkpoints (size, note) values ($1, $2) on conflict do nothing`

func (s treeStore) keep(ctx context.Context, size int64, note []byte) error {
	_, err := database.Exec(ctx, s.db, keepCheckpoint, size, string(note))
	return err
}
