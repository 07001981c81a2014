package indexing

import (
	"context"
	"fmt"
	"iter"

	"github.com/google/uuid"
	"github.com/pgvector/pgvector-go"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/embedding/local"
)

// indexStore is the SQL of models and vectors.
type indexStore struct{ db *database.DB }

// The states of a model.
const (
	building = "building"
	serving  = "serving"
)

type modelRow struct {
	Slot   int
	Name   string
	State  string
	Learnt bool  // from the texts
	Texts  int64 // that there were when it was begun
}

const modelsAlive = `
	select slot::int, name, state, learnt is not null as learnt, texts
	from plant.embedding_models where state <> 'retired' order by slot`

func (s indexStore) models(ctx context.Context) ([]modelRow, error) {
	return database.All[modelRow](ctx, s.db, modelsAlive)
}

const modelLearnt = `select learnt from plant.embedding_models where slot = $1 and name = $2 and learnt is not null`

// learnt reads a model that was learnt from the texts.
func (s indexStore) learnt(ctx context.Context, slot int, name string) (*local.Model, error) {
	data, err := database.Scalar[[]byte](ctx, s.db, modelLearnt, slot, name)
	if err != nil {
		return nil, fmt.Errorf("read the model %s: %w", name, err)
	}
	model := &local.Model{}
	if err := model.UnmarshalBinary(data); err != nil {
		return nil, fmt.Errorf("read the model %s: %w", name, err)
	}
	return model, nil
}

const countTexts = `select count(*) from plant.search_documents`

func (s indexStore) texts(ctx context.Context) (int64, error) {
	return database.Scalar[int64](ctx, s.db, countTexts)
}

// maxLearnt texts are learnt from. Of more, always the same are: those whose ids have the lowest hashes.
const maxLearnt = 30_000

// Of each text, no more is learnt from than a long one has: what a single one says does not make the words' meaning.
const textsToLearnFrom = `
	select name, left(concat_ws(' ', field, keywords, description), 10000) as text from plant.search_texts
	where id = any (array(select id from plant.search_documents order by md5(id::text) limit $1))
	order by md5(id::text)`

// learn reads the texts that a model is learnt from.
func (s indexStore) learn(ctx context.Context) iter.Seq2[local.Document, error] {
	return func(yield func(local.Document, error) bool) {
		var documents []local.Document
		err := s.unhurried(ctx, func(ctx context.Context, tx database.Tx) (err error) {
			documents, err = database.All[local.Document](ctx, tx, textsToLearnFrom, maxLearnt)
			return err
		})
		if err != nil {
			yield(local.Document{}, err)
			return
		}
		for _, d := range documents {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// lockModels lets one process at a time begin a model, or change which serves.
const lockModels = `select pg_try_advisory_xact_lock(4208816155370221902)`

const (
	clearSlot = `delete from plant.search_vectors where slot = $1`

	beginModel = `
		insert into plant.embedding_models (slot, name, state, learnt, texts) values ($1, $2, 'building', $3, $4)
		on conflict (slot) do update set name = excluded.name, state = 'building', learnt = excluded.learnt, texts = excluded.texts, begun_at = now()`
)

// beginning is a model that is begun.
type beginning struct {
	slot    int // where none serves
	name    string
	learnt  []byte // nil for a provider's
	texts   int64
	instead string // the one that was being built there; "" where none was
}

// begin builds a model in a slot; every text is missing there then. It reports whether it has: another process may be at it.
func (s indexStore) begin(ctx context.Context, b beginning) (begun bool, err error) {
	err = s.unhurried(ctx, func(ctx context.Context, tx database.Tx) error {
		if begun, err = database.Scalar[bool](ctx, tx, lockModels); err != nil || !begun {
			return err
		}
		rows, err := database.All[modelRow](ctx, tx, modelsAlive)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if (row.Slot == b.slot || row.State == building) && (row.State != building || row.Name != b.instead) {
				begun = false
				return nil
			}
		}
		if _, err := database.Exec(ctx, tx, clearSlot, b.slot); err != nil {
			return err
		}
		_, err = database.Exec(ctx, tx, beginModel, b.slot, b.name, b.learnt, b.texts)
		return err
	})
	return begun && err == nil, err
}

const (
	// That is every text of a new model; and later those of who wrote while it was begun, did not see it, and was not seen.
	missingPending = `
		insert into plant.search_pending (id)
		select d.id from plant.search_documents d
		where not exists (select from plant.search_vectors v where v.slot = $1 and v.id = d.id)
			and not exists (select from plant.search_pending p where p.id = d.id)`

	anyPending = `select exists (select from plant.search_pending)`

	retire   = `update plant.embedding_models set state = 'retired' where state = 'serving'`
	takeOver = `update plant.embedding_models set state = 'serving' where slot = $1 and name = $2 and state = 'building'`
)

// missing leaves to be made what a slot has no vector of, and returns of how many texts that is.
func (s indexStore) missing(ctx context.Context, slot int) (int64, error) {
	return s.leave(ctx, missingPending, slot)
}

// outdated leaves to be made what a slot has a vector of that says what the text said before, and returns of how many texts
// that is. It reads every text.
func (s indexStore) outdated(ctx context.Context, slot int) (int64, error) {
	return s.leave(ctx, outdatedPending, slot)
}

func (s indexStore) leave(ctx context.Context, statement string, slot int) (n int64, err error) {
	err = s.unhurried(ctx, func(ctx context.Context, tx database.Tx) error {
		n, err = database.Exec(ctx, tx, statement, slot)
		return err
	})
	return n, err
}

// pending reports whether vectors are left to be made.
func (s indexStore) pending(ctx context.Context) (bool, error) {
	return database.Scalar[bool](ctx, s.db, anyPending)
}

// serve lets a model that has every text take over, and reports whether it has: another process may be at it.
func (s indexStore) serve(ctx context.Context, model Model) (served bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		if served, err = database.Scalar[bool](ctx, tx, lockModels); err != nil || !served {
			return err
		}
		if _, err := database.Exec(ctx, tx, retire); err != nil {
			return err
		}
		changed, err := database.Exec(ctx, tx, takeOver, model.Slot, model.Model())
		if err == nil && changed == 0 {
			return fmt.Errorf("%w: another model is being built", database.ErrConflict)
		}
		return err
	})
	return served && err == nil, err
}

const countFrequencies = `select plant.count_frequencies()`

func (s indexStore) countFrequencies(ctx context.Context) error {
	return s.unhurried(ctx, func(ctx context.Context, tx database.Tx) error {
		_, err := database.Exec(ctx, tx, countFrequencies)
		return err
	})
}

// unhurried runs a transaction whose statements read the whole catalogue, and may take longer than others.
func (s indexStore) unhurried(ctx context.Context, f func(context.Context, database.Tx) error) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		if _, err := database.Exec(ctx, tx, `select set_config('statement_timeout', '50s', true)`); err != nil {
			return err
		}
		return f(ctx, tx)
	})
}

type textRow struct {
	ID     uuid.UUID
	Kind   string
	Text   string
	Digest []byte
	Has    []int // the slots that have this very text's vector
}

// takePending takes texts that no one else is at. They are back where they were if this transaction fails. It is left open
// while a provider makes their vectors, which may take it longer than transactions may else be idle.
const takePending = `
	with taken as (
		delete from plant.search_pending where seq = any (array(
			select seq from plant.search_pending order by seq limit $1 for update skip locked))
		returning id)
	select coalesce(array_agg(distinct id), '{}') from taken, set_config('idle_in_transaction_session_timeout', '60s', true)`

// embedded are texts as they are embedded.
func embedded(where string) string {
	return `(
		select id, kind, text, sha256(convert_to(text, 'UTF8')) as digest
		from (
			select id, kind::text as kind, name || E'\n' || concat_ws(' ', nullif(field, ''), nullif(keywords, ''), description) as text
			from plant.search_texts ` + where + `) t)`
}

// Of the ids as an argument: joined with what was taken, each batch would make the texts of the whole catalogue.
var textsByIDs = `
	select *, array(select v.slot::int from plant.search_vectors v where v.id = t.id and v.digest = t.digest) as has
	from ` + embedded(`where id = any ($1::uuid[])`) + ` t
	order by id`

// Whoever embedded a change while it did not see the model that is being built has left the text's old vector there.
var outdatedPending = `
	insert into plant.search_pending (id)
	select t.id from ` + embedded(``) + ` t join plant.search_vectors v on v.slot = $1 and v.id = t.id
	where v.digest <> t.digest and not exists (select from plant.search_pending p where p.id = t.id)`

// take returns at most so many texts, and how many were taken: those that are no more are left out.
func (s indexStore) take(ctx context.Context, tx database.Tx, most int) (texts []textRow, taken int, err error) {
	ids, err := database.Scalar[[]uuid.UUID](ctx, tx, takePending, most)
	if err != nil || len(ids) == 0 {
		return nil, 0, err
	}
	texts, err = database.All[textRow](ctx, tx, textsByIDs, ids)
	return texts, len(ids), err
}

// Of texts that were changed meanwhile, the vectors are not kept: whoever makes those of what they say now may have been
// quicker.
var keepVectors = `
	insert into plant.search_vectors (slot, id, kind, digest, vector)
	select $1, v.id, v.kind::"char", v.digest, v.vector::halfvec(384)
	from unnest($2::uuid[], $3::text[], $4::bytea[], $5::text[]) v (id, kind, digest, vector)
	join ` + embedded(`where id = any ($2::uuid[])`) + ` t on t.id = v.id and t.digest = v.digest
	order by v.id
	on conflict (slot, id) do update set digest = excluded.digest, vector = excluded.vector`

// keep stores the vectors of texts, nil where one says nothing to the model.
func (s indexStore) keep(ctx context.Context, tx database.Tx, slot int, texts []textRow, vectors [][]float32) error {
	ids, kinds := make([]uuid.UUID, len(texts)), make([]string, len(texts))
	digests, values := make([][]byte, len(texts)), make([]*string, len(texts))
	for i, text := range texts {
		ids[i], kinds[i], digests[i] = text.ID, text.Kind, text.Digest
		if vectors[i] != nil {
			value := pgvector.NewHalfVector(vectors[i]).String()
			values[i] = &value
		}
	}
	_, err := database.Exec(ctx, tx, keepVectors, slot, ids, kinds, digests, values)
	return err
}
