package sql_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database/dbtest"
)

// queries is a connection or a transaction.
type queries interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func exec(t testing.TB, on queries, sql string, args ...any) {
	t.Helper()
	if _, err := on.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func scalar[T any](t testing.TB, on queries, sql string, args ...any) (value T) {
	t.Helper()
	if err := on.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// asApp returns a connection as the functions have it.
func asApp(t testing.TB, d *dbtest.Database) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// caller says for whom a transaction works, as shared/database does.
func caller(t testing.TB, on queries, role, subject string) {
	t.Helper()
	exec(t, on, `select set_config('plant.role', $1, true), set_config('plant.issuer', 'https://issuer.example', true),
		set_config('plant.subject', $2, true), set_config('plant.owner', $2, true)`, role, subject)
}

// by runs statements in one transaction for a caller.
func by(t testing.TB, conn *pgx.Conn, role, subject string, statements ...string) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		caller(t, tx, role, subject)
		for _, sql := range statements {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func agentID(n int) string { return fmt.Sprintf("01900000-0000-7000-8000-%012d", n) }

func createAgent(n int) string {
	return fmt.Sprintf(`insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate, tags)
		values ('%s', 'https://issuer.example', 'ada', 'Agent %d', 'Copy "and" \ more 🌱', 'marketing', %d.50, '{a,"b c"}')`, agentID(n), n, n+1)
}

func updateAgent(n int, set string) string {
	return fmt.Sprintf(`update plant.agents set %s, version = version + 1, updated_at = now() where id = '%s'`, set, agentID(n))
}

// fill makes agents with a history each.
func fill(t testing.TB, d *dbtest.Database, agents int) {
	t.Helper()
	app := asApp(t, d)
	for n := range agents {
		by(t, app, "partner", "ada", createAgent(n))
		for version := range n % 5 {
			by(t, app, "partner", "ada", updateAgent(n, fmt.Sprintf("name = 'Agent %d.%d', hourly_rate = hourly_rate + 1", n, version)))
		}
		if n%4 == 0 {
			by(t, app, "governor", "grace", updateAgent(n, "deleted_at = now()"))
		}
	}
}

// exported is the log as GET /api/v1/audit/export answers it.
func exported(t testing.TB, on queries) (log []audit.Amendment) {
	t.Helper()
	for size, done := int64(0), false; !done; {
		if err := on.QueryRow(t.Context(), `select size, done from plant.sequence_amendments(true, 50)`).Scan(&size, &done); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := on.Query(t.Context(), `
		select seq, entity_type, entity_id, version, action, actor_issuer, actor_role, actor, plant.amendment_time(at), change, previous_hash, hash
		from plant.amendments where seq is not null order by seq`)
	if err != nil {
		t.Fatal(err)
	}
	log, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a audit.Amendment, err error) {
		var subject, change string
		var previous, hash []byte
		err = row.Scan(&a.Seq, &a.EntityType, &a.EntityID, &a.Version, &a.Action, &a.Actor.Issuer, &a.Actor.Role, &subject, &a.At, &change, &previous, &hash)
		if err != nil {
			return a, err
		}
		a.Change = jsontext.Value(change)
		copy(a.PreviousHash[:], previous)
		copy(a.Hash[:], hash)
		_, err = hex.Decode(a.Actor.Subject[:], []byte(subject)[:min(len(subject), 64)])
		return a, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// text is the export as it is sent. A change that is no JSON any more is not written.
func text(log []audit.Amendment) ([]byte, error) {
	var out []byte
	for _, a := range log {
		var err error
		if out, err = a.AppendLine(out); err != nil {
			return out, err
		}
		out = append(out, '\n')
	}
	return out, nil
}

// auditor keeps a checkpoint outside the database.
type auditor struct {
	keys       *audit.Keys
	verifiers  note.Verifiers
	checkpoint []byte
}

func newAuditor(t testing.TB) *auditor {
	t.Helper()
	signer, verifier, err := note.GenerateKey(rand.Reader, "plant.test/log")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audit.NewKeys(audit.Config{Key: config.Secret(signer)})
	if err != nil {
		t.Fatal(err)
	}
	verifiers, err := audit.NewVerifiers([]string{verifier})
	if err != nil {
		t.Fatal(err)
	}
	return &auditor{keys: keys, verifiers: verifiers}
}

// sign signs the tree that is in the database.
func (a *auditor) sign(t testing.TB, on queries) {
	t.Helper()
	size := int64(len(exported(t, on)))
	root, err := tlog.TreeHash(size, storedTree(t, on))
	if err != nil {
		t.Fatal(err)
	}
	if a.checkpoint, err = a.keys.Sign(audit.Checkpoint{Origin: "plant.test/log", Size: size, Root: root}); err != nil {
		t.Fatal(err)
	}
}

func storedTree(t testing.TB, on queries) tlog.HashReader {
	t.Helper()
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			copy(hashes[i][:], scalar[[]byte](t, on, `select hash from plant.tree_hashes where level = $1 and n = $2`, level, n))
		}
		return hashes, nil
	})
}

// verify is what the auditor says of an export.
func (a *auditor) verify(log []audit.Amendment) (audit.Report, error) {
	export, err := text(log)
	if err != nil {
		return audit.Report{}, &audit.Bad{Seq: int64(bytes.Count(export, []byte("\n"))) + 1, Why: err.Error()}
	}
	return audit.Verify(bytes.NewReader(export), a.checkpoint, a.verifiers, audit.Frontier{})
}

// holds fails the test where the database's log is not whole, or not all of it.
func (a *auditor) holds(t testing.TB, on queries) {
	t.Helper()
	a.sign(t, on)
	report, err := a.verify(exported(t, on))
	count := scalar[int64](t, on, `select count(*) from plant.amendments`)
	if err != nil || report.Signed != count {
		t.Errorf("%d amendments: got %+v, %v", count, report, err)
	}
}
