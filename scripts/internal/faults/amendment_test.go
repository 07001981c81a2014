package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waooaw/plant/scripts/internal/postgres"
	plantsql "github.com/waooaw/plant/sql"
)

// change is one version of an agent.
type change struct {
	ID      string
	Version int64
}

// place is a change as the feed tells of it.
type place struct {
	Seq int64
	change
}

// D9: 50 write at once, every fifth time in vain, while connections are cut and the server is killed. Each version that is
// there has one amendment and the other way round; and who follows the sequence meanwhile has seen each of them once, in
// order, and nothing that is not there in the end.
func TestD9_KillNineUnderWriters(t *testing.T) {
	t.Parallel()
	const (
		writers = 50
		shared  = 8 // agents that all of them change
		kills   = 5
		between = 200 // acknowledged writes between two kills
		cuts    = 6   // connections cut between two kills
		seed    = 9
	)
	home := ownHome(t)
	server, err := postgres.Start(t.Context(), home, io.Discard, "recovery_init_sync_method=syncfs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	owner := connect(t, server.OwnerURL)
	if err := plantsql.Migrate(t.Context(), owner, plantsql.Latest); err != nil {
		t.Fatal(err)
	}
	appURL, err := postgres.AppLogin(t.Context(), server.OwnerURL, filepath.Join(home, "app-password"))
	if err != nil {
		t.Fatal(err)
	}
	w := &amending{url: appURL}
	for n := range shared {
		w.shared = append(w.shared, fmt.Sprintf("01900000-0000-7000-a000-%012d", n))
		if err := w.one(t.Context(), connect(t, appURL), func(tx pgx.Tx) (change, error) { return create(t.Context(), tx, w.shared[n]) }); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var working sync.WaitGroup
	for n := range uint64(writers) {
		working.Go(func() { w.write(ctx, rand.New(rand.NewPCG(seed, n))) })
	}
	reading, stopReading := context.WithCancel(t.Context())
	defer stopReading()
	f := &follower{url: appURL, note: w.note}
	var following sync.WaitGroup
	following.Go(func() { f.follow(reading) })

	for round := range kills {
		for cut := range cuts {
			w.await(t, (round*cuts+cut+1)*between/cuts)
			if cut == cuts-1 {
				server.Kill()
				if err := server.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
				continue
			}
			// One that is in the middle of something.
			admin := connect(t, server.OwnerURL)
			const terminate = `select pg_terminate_backend(pid) from pg_stat_activity where usename <> current_user and backend_type = 'client backend' and state <> 'idle' limit 1`
			if _, err := admin.Exec(t.Context(), terminate); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.await(t, (kills+1)*between)
	stop()
	working.Wait()
	owner = connect(t, server.OwnerURL)
	if _, err := owner.Exec(t.Context(), `select plant.sequence_amendments(true, 1000000)`); err != nil {
		t.Fatal(err)
	}
	size := scalar[int64](t, owner, `select max(seq) from plant.amendments`)
	eventually(t, "the last change is seen", func() bool { return f.size() >= size })
	stopReading()
	following.Wait()

	seen, last := map[change]bool{}, map[string]int64{}
	for i, one := range f.seen {
		if one.Seq != int64(i)+1 || last[one.ID] != 0 && one.Version != last[one.ID]+1 {
			t.Fatalf("%+v comes as number %d, after version %d", one, i+1, last[one.ID])
		}
		seen[one.change], last[one.ID] = true, one.Version
	}
	for _, one := range w.acknowledged {
		if !seen[one] {
			t.Errorf("%+v was acknowledged, and not seen", one)
		}
	}
	for what, query := range map[string]string{
		"versions without an amendment": `select count(*) from plant.agents a cross join lateral generate_series(1, a.version) v
			where not exists (select from plant.amendments m where m.entity_type = 'agent' and m.entity_id = a.id and m.version = v)`,
		"amendments without a version": `select count(*) from plant.amendments m where m.entity_type = 'agent' and not exists (select from plant.agents a where a.id = m.entity_id and a.version >= m.version)`,
		"amendments without a place":   `select count(*) from plant.amendments where seq is null`,
		"places without an amendment":  fmt.Sprintf(`select %d - count(*) from plant.amendments`, len(f.seen)),
		"wrong hashes":                 `select count(*) from plant.amendments m where hash <> sha256(convert_to(plant.amendment_text(m), 'UTF8'))`,
		"chains that fork or break": `select count(*) from (select previous_hash, lag(hash) over (partition by entity_type, entity_id order by version) as before from plant.amendments) c
			where previous_hash <> coalesce(before, decode(repeat('00', 32), 'hex'))`,
		"wrong leaves": `select count(*) from plant.amendments m full join (select n, hash from plant.tree_hashes where level = 0) t on t.n = m.seq - 1 where t.hash is distinct from sha256('\x00'::bytea || m.hash)`,
		"wrong nodes": `select count(*) from plant.tree_hashes l join plant.tree_hashes r on r.level = l.level and r.n = l.n + 1
			left join plant.tree_hashes p on p.level = l.level + 1 and p.n = l.n / 2 where l.n % 2 = 0 and p.hash is distinct from sha256('\x01'::bytea || l.hash || r.hash)`,
	} {
		if got := scalar[int64](t, owner, query); got != 0 {
			t.Errorf("%d %s", got, what)
		}
	}
	t.Logf("%d changes, %d acknowledged, %d times a connection broke", len(f.seen), len(w.acknowledged), w.broken)
	if len(w.collided) > 0 {
		t.Errorf("%d times two sequencers were at the same work: %v", len(w.collided), w.collided[0])
	}
	if w.broken < kills {
		t.Error("no kill has hit a write")
	}
}

// amending is many who change agents.
type amending struct {
	url    string
	shared []string

	mu           sync.Mutex
	acknowledged []change
	broken       int
	collided     []error // sequencers at the same work
}

// note keeps what a sequencer was refused. That its connection broke is no fault of its own.
func (w *amending) note(err error) {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	const integrityViolation = "23"
	if ok && strings.HasPrefix(refused.Code, integrityViolation) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.collided = append(w.collided, err)
	}
}

func create(ctx context.Context, tx pgx.Tx, id string) (change, error) {
	_, err := tx.Exec(ctx, `insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate) values ($1, 'i', 'ada', 'Agent', 'Work', 'sales', 1)`, id)
	return change{id, 1}, err
}

// one makes a change in a transaction, and notes it when it was told that it is done.
func (w *amending) one(ctx context.Context, conn *pgx.Conn, make func(tx pgx.Tx) (change, error)) error {
	var made change
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
		const identify = `select set_config('plant.role', 'partner', true), set_config('plant.issuer', 'i', true), set_config('plant.subject', 'ada', true), set_config('plant.owner', 'ada', true)`
		if _, err := tx.Exec(ctx, identify); err != nil {
			return err
		}
		made, err = make(tx)
		return err
	})
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.acknowledged = append(w.acknowledged, made)
	}
	return err
}

// errInVain undoes a change.
var errInVain = errors.New("in vain")

func (w *amending) write(ctx context.Context, random *rand.Rand) {
	var conn *pgx.Conn
	for ctx.Err() == nil {
		if conn == nil || conn.IsClosed() {
			if conn = redial(ctx, w.url); conn == nil {
				return
			}
		}
		_ = w.one(ctx, conn, func(tx pgx.Tx) (made change, err error) {
			if random.IntN(10) == 0 {
				id := fmt.Sprintf("01900000-0000-7000-9000-%012x", random.Int64N(1<<48))
				made, err = create(ctx, tx, id)
			} else {
				made.ID = w.shared[random.IntN(len(w.shared))]
				err = tx.QueryRow(ctx, `update plant.agents set name = $2, version = version + 1 where id = $1 returning version`, made.ID, fmt.Sprint(random.Int())).Scan(&made.Version)
			}
			if err == nil && random.IntN(5) == 0 {
				err = errInVain
			}
			return made, err
		})
		if random.IntN(3) == 0 && !conn.IsClosed() {
			_, err := conn.Exec(ctx, `select plant.sequence_amendments(false, 20)`)
			w.note(err)
		}
		if conn.IsClosed() && ctx.Err() == nil {
			w.mu.Lock()
			w.broken++
			w.mu.Unlock()
		}
	}
	_ = conn.Close(context.WithoutCancel(ctx))
}

// await returns when so many changes were acknowledged.
func (w *amending) await(t *testing.T, writes int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d changes", writes), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.acknowledged) >= writes
	})
}

// redial connects as soon as the server lets it; nil when ctx has ended.
func redial(ctx context.Context, url string) *pgx.Conn {
	for {
		if conn, err := pgx.Connect(ctx, url); err == nil {
			return conn
		}
		if wait(ctx); ctx.Err() != nil {
			return nil
		}
	}
}

// wait returns before one asks again.
func wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(poll):
	}
}

// follower reads the sequence as the feed does: first it has places given, then it reads on from the last that it has seen.
type follower struct {
	url  string
	note func(error) // what became of sequencing

	mu   sync.Mutex
	seen []place
}

func (f *follower) size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.seen))
}

func (f *follower) follow(ctx context.Context) {
	var conn *pgx.Conn
	after := int64(0)
	for ctx.Err() == nil {
		if conn == nil || conn.IsClosed() {
			if conn = redial(ctx, f.url); conn == nil {
				return
			}
		}
		_, err := conn.Exec(ctx, `select plant.sequence_amendments(true, 100)`)
		if f.note(err); err != nil {
			continue
		}
		rows, err := conn.Query(ctx, `select seq, entity_id::text, version from plant.amendments where seq > $1 order by seq limit 70`, after)
		if err != nil {
			continue
		}
		part, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p place, err error) {
			err = row.Scan(&p.Seq, &p.ID, &p.Version)
			return p, err
		})
		if len(part) == 0 || err != nil {
			wait(ctx)
			continue
		}
		after = part[len(part)-1].Seq
		f.mu.Lock()
		f.seen = append(f.seen, part...)
		f.mu.Unlock()
	}
	_ = conn.Close(context.WithoutCancel(ctx))
}
