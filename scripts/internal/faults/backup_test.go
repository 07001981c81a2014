package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/backup"
	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/scripts/internal/postgres"
	"github.com/waooaw/plant/scripts/internal/stand"
	"github.com/waooaw/plant/shared/auth"
	plantsql "github.com/waooaw/plant/sql"
)

// lesser owns the databases of these tests, as on Cloud SQL: it is no superuser, and row-level security is for it too.
const lesser = "plant_lesser_owner"

// emptyDatabase makes one of lesser's on a stand's server, and returns its URL.
func emptyDatabase(t *testing.T, s *stand.Stand, name string) string {
	t.Helper()
	execute(t, ownerOf(t, s),
		`do $$ begin create role `+lesser+` login createrole password '`+lesser+`'; exception when duplicate_object or unique_violation then null; end $$`,
		`grant plant_app to `+lesser+` with admin option`,
		`create database `+name+` owner `+lesser)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, s.Server.OwnerURL)
		if err == nil {
			_, err = conn.Exec(ctx, `drop database `+name+` with (force)`)
			_ = conn.Close(ctx)
		}
		if err != nil {
			t.Error(err)
		}
	})
	execute(t, connect(t, at(t, s.Server.OwnerURL, name, nil)), `create extension vector`, `create extension pg_trgm`)
	return at(t, s.Server.OwnerURL, name, url.UserPassword(lesser, lesser))
}

func at(t *testing.T, databaseURL, name string, login *url.Userinfo) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	if login != nil {
		u.User = login
	}
	return u.String()
}

// answersOf asks functions on a database what the owner of a backup cares about, and returns what they answer.
func answersOf(t *testing.T, s *stand.Stand, name string) map[string]string {
	t.Helper()
	app := "PLANT_APP_DATABASE_URL=" + at(t, s.AppURL, name, nil)
	search := crash.Caller{Function: started(t)(s.Start(t.Context(), "search", app)), Client: crash.NewClient(1)}
	agents := crash.Caller{Function: start(t, s, app), Client: crash.NewClient(1), Token: token(t, s, auth.Governor, "grace")}
	answers := map[string]string{}
	ask := func(caller crash.Caller, path string) {
		answer, err := caller.Do(t.Context(), "GET", path, "")
		if err != nil || answer.Status != 200 {
			t.Fatalf("%s: %v, %+v", path, err, answer)
		}
		answers[path] = string(answer.Body)
	}
	for _, query := range []string{"social+media", "campaygn+writer", "maths", "sales+calls+english", "kept"} {
		ask(search, "/api/v1/agents/search?explain=true&limit=50&query="+query)
	}
	ask(agents, "/api/v1/agents?limit=100&sort=name")
	ask(agents, "/api/v1/changes?after=0&limit=100")
	ask(agents, "/api/v1/audit/export")
	report, err := agents.Do(t.Context(), "POST", "/api/v1/audit/run", "")
	if err != nil || !strings.Contains(string(report.Body), `"compliant":true`) || !strings.Contains(string(report.Body), `"chains_whole":true`) {
		t.Errorf("the audit: %v, %+v", err, report)
	}
	return answers
}

// D18: what was saved while others wrote comes back, with the same rows, log and search results, and goes on.
func TestD18_BackupAndRestore(t *testing.T) {
	t.Parallel()
	s := commonStand(t)
	source := emptyDatabase(t, s, "d18_source")
	owner := connect(t, source)
	if err := plantsql.Migrate(t.Context(), owner, plantsql.Latest); err != nil {
		t.Fatal(err)
	}
	if err := plantsql.LoadDemo(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	execute(t, owner, `grant plant_app to `+lesser) // what it owns, it reads as its owner
	want := answersOf(t, s, "d18_source")

	folder := filepath.Join(t.TempDir(), "saved")
	begin := time.Now()
	if err := backup.Save(t.Context(), source, folder, io.Discard); err != nil {
		t.Fatal(err)
	}
	saved := time.Since(begin)
	target := emptyDatabase(t, s, "d18_target")
	begin = time.Now()
	if err := backup.Restore(t.Context(), folder, target, io.Discard); err != nil {
		t.Fatal(err)
	}
	t.Logf("saved in %v, restored and compared in %v", saved, time.Since(begin))
	if diff := cmp.Diff(want, answersOf(t, s, "d18_target")); diff != "" {
		t.Error(diff)
	}
	// Sequences go on where they were: what is written next has a place after all others.
	restored := connect(t, target)
	execute(t, restored, `insert into plant.skills (id, name, category) values (gen_random_uuid(), 'Written after the restore', 'technical')`)
	if got := scalar[bool](t, restored, `select id > all (select id from plant.amendments where id <> a.id) from plant.amendments a order by at desc, id desc limit 1`); !got {
		t.Error("an amendment took an earlier place")
	}

	refused(t, s, source, folder, target)
}

// refused tries what cannot come to a good end.
func refused(t *testing.T, s *stand.Stand, source, folder, target string) {
	t.Helper()
	ctx := t.Context()
	if err := backup.Restore(ctx, folder, target, io.Discard); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("what is not empty: got %v", err)
	}
	emptyDatabase(t, s, "d18_other")
	if err := backup.Restore(ctx, folder, at(t, s.Server.OwnerURL, "d18_other", nil), io.Discard); err == nil || !strings.Contains(err.Error(), lesser) {
		t.Errorf("as another than the owner: got %v", err)
	}
	if err := backup.Save(ctx, source, folder, io.Discard); err == nil {
		t.Error("a backup was overwritten")
	}
	file := filepath.Join(folder, "fingerprint.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), `"rows": `, `"rows": 1`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := backup.Restore(ctx, folder, emptyDatabase(t, s, "d18_changed"), io.Discard); !errors.Is(err, backup.ErrDiffers) {
		t.Errorf("what came back otherwise: got %v, want that it differs", err)
	}
	execute(t, connect(t, source), `alter table plant.amendments disable trigger user`, `update plant.amendments set change = '{}' where seq = 3`)
	if err := backup.Save(ctx, source, filepath.Join(t.TempDir(), "changed"), io.Discard); err == nil || !strings.Contains(err.Error(), "not sound") {
		t.Errorf("a log that was changed: got %v", err)
	}
}

// D19: a copy of before, and the log that was archived since, come to any moment between: exactly what was acknowledged
// until then is there.
func TestD19_RestoreToAMoment(t *testing.T) {
	t.Parallel()
	archive := ownHome(t)
	if err := os.Chmod(archive, 0o777); err != nil {
		t.Fatal(err)
	}
	s := ownStand(t, "archive_mode=on", fmt.Sprintf("archive_command=test ! -f %[1]s/%%f && cp %%p %[1]s/%%f", archive))
	home := ownHome(t)
	base, err := s.Server.Standby(t.Context(), home, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	base.Stop() // what it has by now is the copy of before

	conn := ownerOf(t, s)
	write := func(from, to int) {
		for n := from; n <= to; n++ {
			execute(t, conn, fmt.Sprintf(`insert into plant.skills (id, name, category) values (gen_random_uuid(), 'Skill %d', 'technical')`, n))
		}
	}
	write(1, 20)
	moment := scalar[time.Time](t, conn, `select clock_timestamp()`)
	write(21, 40)
	last := scalar[string](t, conn, `select pg_walfile_name(pg_switch_wal())`)
	eventually(t, "the log is archived", func() bool {
		_, err := os.Stat(filepath.Join(archive, last))
		return err == nil
	})
	s.Server.Kill() // nothing comes from it any more

	restored := restoreTo(t, home, archive, moment)
	var got []string
	rows, err := restored.Query(t.Context(), `select name from plant.skills where name ~ '^Skill \d+$' order by length(name), name`)
	if err == nil {
		got, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for n := 1; n <= 20; n++ {
		want = append(want, fmt.Sprintf("Skill %d", n))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	execute(t, restored, `insert into plant.skills (id, name, category) values (gen_random_uuid(), 'Written after', 'technical')`)
}

// restoreTo starts the copy of a home with the archived log, up to a moment, and connects when it takes writes.
func restoreTo(t *testing.T, home, archive string, moment time.Time) *pgx.Conn {
	t.Helper()
	server, err := postgres.Start(t.Context(), home, io.Discard, "primary_conninfo=", "restore_command=cp "+archive+"/%f %p",
		"recovery_target_time="+moment.UTC().Format("2006-01-02 15:04:05.999999")+"+00", "recovery_target_action=promote")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn := connect(t, server.OwnerURL)
	eventually(t, "it takes writes", func() bool { return !scalar[bool](t, conn, `select pg_is_in_recovery()`) })
	return conn
}
