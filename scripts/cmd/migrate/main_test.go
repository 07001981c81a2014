package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/postgres"
	"github.com/waooaw/plant/shared/database/dbtest"
	plantsql "github.com/waooaw/plant/sql"
)

func TestTargetOf(t *testing.T) {
	t.Parallel()
	status := plantsql.Status{Version: 2, Names: []string{"001.sql", "002.sql", "003.sql"}}
	tests := map[string]struct {
		want  int32
		fails bool
	}{
		"":              {want: 3},
		"up":            {want: 3},
		"status":        {want: 2},
		"down":          {want: 1},
		"to 0":          {want: 0},
		"to 3":          {want: 3},
		"to 4":          {fails: true},
		"to -1":         {fails: true},
		"to 2147483648": {fails: true},
		"to x":          {fails: true},
		"to":            {fails: true},
		"down down":     {fails: true},
		"sideways":      {fails: true},
	}
	for args, test := range tests {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			got, err := targetOf(strings.Fields(args), status)
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("got %d, %v, want %d", got, err, test.want)
			}
		})
	}
	if got, err := targetOf([]string{"down"}, plantsql.Status{}); got != 0 || err != nil {
		t.Errorf("down from nothing: got %d, %v, want 0", got, err)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), dbtest.New(t).OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	marks := func(args ...string) string {
		t.Helper()
		var out strings.Builder
		if err := migrate(t.Context(), conn, args, &out); err != nil {
			t.Fatal(err)
		}
		var marks strings.Builder
		for line := range strings.Lines(out.String()) {
			marks.WriteString(line[:len("[x]")])
		}
		return marks.String()
	}
	all := marks("status")
	allButOne := strings.TrimSuffix(all, "[x]") + "[ ]"
	for _, step := range []struct{ args, want string }{
		{"down", allButOne}, {"status", allButOne}, {"up", all}, {"to 1", "[x]" + strings.Repeat("[ ]", len(all)/len("[x]")-1)}, {"", all},
	} {
		if diff := cmp.Diff(step.want, marks(strings.Fields(step.args)...)); diff != "" {
			t.Errorf("migrate %s: %s", step.args, diff)
		}
	}
}

func TestRun(t *testing.T) {
	d := dbtest.New(t)
	t.Setenv("DATABASE_URL", d.OwnerURL)
	var out strings.Builder
	if err := run(t.Context(), []string{"status"}, &out); err != nil || !strings.Contains(out.String(), "[x] 001_access.sql") {
		t.Errorf("got %v, %s", err, &out)
	}
	if err := run(t.Context(), []string{"sideways"}, &out); err == nil {
		t.Error("nonsense: no error")
	}
}

// Without a database that runs, one of the home is started, and stopped afterwards.
func TestRun_StartsAServer(t *testing.T) {
	home := t.TempDir()
	t.Setenv("DATABASE_URL", "")
	t.Setenv("PLANT_HOME", home)
	t.Cleanup(func() {
		if target, err := os.Readlink(filepath.Join(home, "postgres")); err == nil { // where the server's user cannot pass through the home
			_ = os.RemoveAll(filepath.Dir(target))
		}
	})
	for _, step := range []struct{ args, first string }{{"up", "[x]"}, {"to 0", "[ ]"}, {"status", "[ ]"}} {
		var out strings.Builder
		if err := run(t.Context(), strings.Fields(step.args), &out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), step.first+" 001_access.sql") {
			t.Errorf("%s: got %s", step.args, &out)
		}
		if left := postgres.RunningURL(home); left != "" {
			t.Errorf("%s: the server still runs", step.args)
		}
	}
	// One that runs already is used, and left running.
	server, err := postgres.Start(t.Context(), home, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	var out strings.Builder
	if err := run(t.Context(), nil, &out); err != nil || postgres.RunningURL(home) != server.OwnerURL {
		t.Errorf("got %v, %q", err, postgres.RunningURL(home))
	}
}

// What cannot be reached, and a schema that is newer than these migrations, are errors that keep the password to
// themselves.
func TestRun_Fails(t *testing.T) { //nolint:paralleltest // it sets the environment
	d := dbtest.New(t)
	d.Exec(t, `update public.schema_version set version = 99`)
	for _, address := range []string{"postgres://x:marker@127.0.0.1:1/none", "postgres://x:marker@host:notaport/none", d.OwnerURL} {
		t.Setenv("DATABASE_URL", address)
		var out strings.Builder
		if err := run(t.Context(), []string{"up"}, &out); err == nil || strings.Contains(err.Error()+out.String(), "marker") {
			t.Errorf("%s: got %v, %s", address, err, &out)
		}
	}
}
