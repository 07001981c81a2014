package agents

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
)

// amendmentStore is the SQL of amendments. Triggers alone write them.
type amendmentStore struct{ db *database.DB }

// sequencedAtOnce bounds what one statement gives places to: some tenths of a second of work.
const sequencedAtOnce = 10_000

const sequenceAmendments = `select size, done from plant.sequence_amendments($1, $2)`

// sequencing tells how many amendments have a place, and whether that is all that there were.
type sequencing struct {
	Size int64 `json:"size" doc:"how many amendments have a place"`
	Done bool  `json:"done" doc:"whether that is all that were committed"`
}

// sequence gives places to some of the amendments that have none. It is one statement, which ends by itself once it was
// sent. Where another process is at it, it waits for that, or leaves it to that.
func (s amendmentStore) sequence(ctx context.Context, wait bool) (sequencing, error) {
	return database.One[sequencing](ctx, s.db, sequenceAmendments, wait, sequencedAtOnce)
}

// sequenceAll gives all amendments that are committed a place, and returns how many have one.
func (s amendmentStore) sequenceAll(ctx context.Context) (size int64, err error) {
	for {
		part, err := s.sequence(ctx, true)
		if err != nil || part.Done {
			return part.Size, err
		}
	}
}

// change is what everyone may know of an amendment.
type change struct {
	Seq        int64     `json:"seq" doc:"its place among all changes, from 1, without gaps"`
	EntityType string    `json:"entity_type" enum:"agent,skill,job_role,industry,team,review"`
	EntityID   uuid.UUID `json:"entity_id" format:"uuid"`
	Version    int64     `json:"version" doc:"of the entity, that the change made"`
	Action     string    `json:"action" enum:"adopt,create,update,status,certify,uncertify,transfer,delete,restore,remove" doc:"delete and remove are tombstones"`
	At         time.Time `json:"at"`
	Hash       string    `json:"hash" doc:"of the amendment, which is a leaf of the tree: SHA-256, hexadecimal"`
}

const changesAfter = `
	select seq, entity_type, entity_id, version, action, at, encode(hash, 'hex') as hash
	from plant.amendments where seq > $1 order by seq limit $2`

// after returns the changes that follow a place.
func (s amendmentStore) after(ctx context.Context, seq int64, limit int) ([]change, error) {
	return database.All[change](ctx, s.db, changesAfter, seq, limit)
}

// amendmentRow is an amendment as it is stored.
type amendmentRow struct {
	Seq                    *int64
	EntityType             string
	EntityID               uuid.UUID
	Version                int64
	Action                 string
	ActorIssuer, ActorRole string
	Actor                  string
	At                     string
	Change                 []byte
	PreviousHash, Hash     []byte
}

const amendmentColumns = `m.seq, m.entity_type, m.entity_id, m.version, m.action, m.actor_issuer, m.actor_role, m.actor,
	plant.amendment_time(m.at) as at, m.change, m.previous_hash, m.hash`

func (r amendmentRow) amendment() audit.Amendment {
	a := audit.Amendment{
		EntityType: r.EntityType, EntityID: r.EntityID, Version: r.Version, Action: r.Action,
		Actor: audit.Actor{Issuer: r.ActorIssuer, Role: r.ActorRole},
		At:    r.At, Change: jsontext.Value(r.Change),
	}
	if r.Seq != nil {
		a.Seq = *r.Seq
	}
	_ = a.Actor.Subject.UnmarshalText([]byte(r.Actor)) // what is none stays zero, and then the amendment has another hash
	copy(a.PreviousHash[:], r.PreviousHash)
	copy(a.Hash[:], r.Hash)
	return a
}

const exportAfter = `
	select ` + amendmentColumns + ` from plant.amendments m where m.seq > $1 and m.seq <= $2 order by m.seq limit $3`

// export returns the amendments that follow a place, up to another.
func (s amendmentStore) export(ctx context.Context, after, upTo int64, limit int) ([]amendmentRow, error) {
	return database.All[amendmentRow](ctx, s.db, exportAfter, after, upTo, limit)
}

const amendmentsOf = `
	select ` + amendmentColumns + ` from plant.amendments m where m.entity_id = $1 order by m.entity_type, m.version`

// of returns all amendments of an entity, oldest first.
func (s amendmentStore) of(ctx context.Context, entity uuid.UUID) ([]amendmentRow, error) {
	return database.All[amendmentRow](ctx, s.db, amendmentsOf, entity)
}

// historyEntry is an amendment as those hear of it who may know whom it means.
type historyEntry struct {
	Seq          int64          `json:"seq"`
	Version      int64          `json:"version"`
	Action       string         `json:"action"`
	Actor        historyActor   `json:"actor"`
	At           time.Time      `json:"at"`
	Change       map[string]any `json:"change" doc:"each field that changed: what it was, and what it is"`
	PreviousHash string         `json:"previous_hash" doc:"of the amendment before; zeros for the first"`
	Hash         string         `json:"hash"`
}

type historyActor struct {
	Issuer    string  `json:"issuer"`
	Role      string  `json:"role"`
	Pseudonym string  `json:"pseudonym" doc:"stands for the subject in whatever is hashed"`
	Subject   *string `json:"subject,omitempty" doc:"for governors, and for the person; absent once it is forgotten"`
}

const historyColumns = `m.seq, m.version, m.action, m.actor_issuer as issuer, m.actor_role as role, m.actor as pseudonym,
	(select p.subject from plant.amendment_salts p where p.pseudonym = m.actor) as subject,
	m.at, m.change::json as change, encode(m.previous_hash, 'hex') as previous_hash, encode(m.hash, 'hex') as hash`

var oldestAmendments = database.Order{Key: "m.version", Type: "bigint", ID: "m.entity_id"}

const mayReadHistory = `select coalesce(` + isOwner + `, false) from plant.agents where id = @id`

// history reads a part of an agent's amendments, oldest first, as the caller, who has to be its owner or a governor. An
// agent that is deleted has one too.
func (s amendmentStore) history(ctx context.Context, agent uuid.UUID, part database.Part) (rows database.Rows[historyEntry], total string, err error) {
	if _, err := s.sequenceAll(ctx); err != nil {
		return rows, "", err
	}
	caller, _ := auth.FromContext(ctx)
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		allowed, err := database.Scalar[bool](ctx, tx, mayReadHistory, pgx.NamedArgs{
			"id": agent, "role": string(caller.Role), "issuer": caller.Issuer, "caller": caller.Owner,
		})
		if err != nil {
			return err
		}
		if !allowed {
			return database.ErrForbidden
		}
		where := database.NewWhere([]string{`m.entity_id = @id`, `m.entity_type = 'agent'`, `m.seq is not null`}, pgx.NamedArgs{"id": agent})
		rows, total, err = database.List[historyEntry](ctx, tx, database.Listing{
			Columns: historyColumns, From: `plant.amendments m`, Where: where, By: oldestAmendments,
		}, part)
		return err
	})
	return rows, total, err
}
