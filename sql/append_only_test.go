package sql_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waooaw/plant/shared/database/dbtest"
)

// Whatever a session is set to, what it changes is recorded in the one form, and nothing in its own schema stands between.
func TestD10_SessionSettings(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	app := asApp(t, d)
	for _, sql := range []string{
		`set timezone = 'Asia/Kathmandu'`, `set datestyle = 'German'`, `set intervalstyle = 'iso_8601'`, `set bytea_output = 'escape'`, `set extra_float_digits = -15`,
		`set standard_conforming_strings = off`, `set search_path = pg_temp, pg_catalog, plant`, `set lc_numeric = 'C'`, `set quote_all_identifiers = on`, `set row_security = on`,
		`create temp table amendments (like plant.amendments)`, `create temp table amendment_salts (like plant.amendment_salts)`,
		`create function pg_temp.sha256(bytea) returns bytea language sql as 'select $1'`, `create function pg_temp.canonical(jsonb) returns text language sql as 'select ''{}'''`,
		`create function pg_temp.now() returns timestamptz language sql as 'select ''2000-01-01Z''::timestamptz'`,
	} {
		exec(t, app, sql)
	}
	before := dbtest.Scalar[int](t, d, `select count(*) from plant.amendments`)
	by(t, app, "partner", "ada",
		strings.ReplaceAll(createAgent(1), `\`, ``), updateAgent(1, "deleted_at = pg_catalog.now()"))
	if got := dbtest.Scalar[int](t, d, `select count(*) from plant.amendments where at > '2001-01-01' and change like '%2%+00:00%'`); got != before+2 {
		t.Errorf("%d amendments after two changes, of %d before", got, before)
	}
	newAuditor(t).holds(t, connect(t, d))
}

// D10: the functions' login cannot touch what was recorded, nor keep from being recorded; the owner has to remove a guard
// first.
func TestD10_AppendOnly(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	fill(t, d, 3)
	owner, app := connect(t, d), asApp(t, d)
	auditor := newAuditor(t)
	auditor.sign(t, owner)
	exec(t, owner, `insert into plant.checkpoints (size, note) values (1, 'a note')`)
	const insufficientPrivilege, checkViolation = "42501", "23514"
	const values = ` (entity_type, entity_id, version, action, actor_issuer, actor_role, actor, change, at, previous_hash, hash)
		select 'agent', gen_random_uuid(), 1, 'create', 'i', 'r', 'a', '{}', now(), hash, hash from plant.amendments limit 1`
	tests := []struct {
		who  *pgx.Conn
		sql  string
		code string
	}{
		{app, `insert into plant.amendments` + values, insufficientPrivilege},
		{app, `insert into plant.tree_hashes select level, n + 1000, hash from plant.tree_hashes`, insufficientPrivilege},
		{app, `insert into plant.amendment_salts (pseudonym, issuer, subject, salt) values ('p', 'i', 's', 'x')`, insufficientPrivilege},
		{app, `update plant.amendments set seq = seq`, insufficientPrivilege},
		{app, `update plant.amendments set change = '{}'`, insufficientPrivilege},
		{app, `update plant.tree_hashes set hash = hash`, insufficientPrivilege},
		{app, `update plant.checkpoints set note = 'another'`, insufficientPrivilege},
		{app, `update plant.amendment_salts set subject = 'eve'`, insufficientPrivilege},
		{app, `delete from plant.amendments`, insufficientPrivilege},
		{app, `delete from plant.tree_hashes`, insufficientPrivilege},
		{app, `delete from plant.checkpoints`, insufficientPrivilege},
		{app, `delete from plant.amendment_salts`, insufficientPrivilege},
		{app, `truncate plant.amendments`, insufficientPrivilege},
		{app, `truncate plant.tree_hashes`, insufficientPrivilege},
		{app, `truncate plant.checkpoints`, insufficientPrivilege},
		{app, `truncate plant.agents cascade`, insufficientPrivilege},
		{app, `delete from plant.agents`, insufficientPrivilege},
		{app, `alter table plant.amendments disable trigger all`, insufficientPrivilege},
		{app, `alter table plant.agents disable trigger _amended`, insufficientPrivilege},
		{app, `alter table plant.amendments owner to plant_app`, insufficientPrivilege},
		{app, `alter table plant.amendments add column x int`, insufficientPrivilege},
		{app, `drop trigger append_only on plant.amendments`, insufficientPrivilege},
		{app, `drop table plant.amendments`, insufficientPrivilege},
		{app, `create trigger mine before insert on plant.amendments for each row execute function suppress_redundant_updates_trigger()`, insufficientPrivilege},
		{app, `create rule mine as on insert to plant.amendments do instead nothing`, insufficientPrivilege},
		{app, `create function plant.sha256(bytea) returns bytea language sql as 'select $1'`, insufficientPrivilege},
		{app, `alter function plant.amended() security invoker`, insufficientPrivilege},
		{app, `set session_replication_role = replica`, insufficientPrivilege},
		{app, `lock table plant.amendments in exclusive mode`, insufficientPrivilege},
		{app, `select plant.amend('agent', gen_random_uuid(), 1, 'create', null, '{}', '{}')`, insufficientPrivilege},
		{app, `select plant.pseudonym_of('i', 's')`, insufficientPrivilege},
		{app, `select plant.amended()`, insufficientPrivilege},
		{app, `select setval(pg_get_serial_sequence('plant.amendments', 'id'), 1)`, insufficientPrivilege},
		{app, `update plant.agents set version = version + 2`, checkViolation},
		{app, `update plant.agents set version = version - 1 where version > 1`, checkViolation},
		{app, strings.NewReplacer("(id,", "(version, id,", "values (", "values (2, ").Replace(createAgent(9)), checkViolation},
		{owner, `update plant.amendments set change = '{}'`, insufficientPrivilege},
		{owner, `update plant.amendments set seq = seq + 1000`, insufficientPrivilege},
		{owner, `update plant.amendments set seq = null`, insufficientPrivilege},
		{owner, `update plant.amendments set at = at`, insufficientPrivilege},
		{owner, `delete from plant.amendments`, insufficientPrivilege},
		{owner, `truncate plant.amendments`, insufficientPrivilege},
		{owner, `update plant.tree_hashes set hash = hash`, insufficientPrivilege},
		{owner, `delete from plant.tree_hashes`, insufficientPrivilege},
		{owner, `truncate plant.tree_hashes`, insufficientPrivilege},
		{owner, `update plant.checkpoints set note = 'another'`, insufficientPrivilege},
		{owner, `delete from plant.checkpoints`, insufficientPrivilege},
		{owner, `truncate plant.checkpoints`, insufficientPrivilege},
		{owner, `truncate plant.agents cascade`, insufficientPrivilege},
		{owner, `truncate plant.skills cascade`, insufficientPrivilege},
		{owner, `update plant.agents set version = version + 2`, checkViolation},
		{owner, `update plant.industries set id = gen_random_uuid(), version = version + 1`, checkViolation},
	}
	for _, test := range tests {
		err := pgx.BeginFunc(t.Context(), test.who, func(tx pgx.Tx) error {
			caller(t, tx, "governor", "grace")
			_, err := tx.Exec(t.Context(), test.sql)
			return err
		})
		refused, _ := errors.AsType[*pgconn.PgError](err)
		if refused == nil || refused.Code != test.code {
			t.Errorf("%s by %s: got %v, want %s", test.sql, test.who.Config().User, err, test.code)
		}
	}
	if report, err := auditor.verify(exported(t, owner)); err != nil || report.Last != report.Signed {
		t.Errorf("after all of that: %+v, %v", report, err)
	}
	// What everyone may do: have the places given.
	if size := scalar[int64](t, app, `select size from plant.sequence_amendments(true, 100)`); size == 0 {
		t.Error("there is nothing")
	}
}

// Who changes a row by hand, or does not know of amendments, is recorded as who they are; and what did not happen is not.
func TestAmendments_ByHand(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	owner, app := connect(t, d), asApp(t, d)
	by(t, app, "partner", "ada", createAgent(1))
	login := scalar[string](t, owner, `select session_user::text`)
	exec(t, owner, `update plant.agents set name = 'By hand'`)
	exec(t, owner, `update plant.agents set version = version + 1`) // nothing else
	tx, err := app.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	caller(t, tx, "partner", "ada")
	exec(t, tx, updateAgent(1, "name = 'Undone'"))
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, owner, `delete from plant.agents`)
	got := scalar[[]string](t, owner, `
		select array_agg(concat_ws(' ', m.version, m.action, m.actor_issuer, m.actor_role, s.subject,
			case when m.action in ('create', 'remove') then (select count(*) from jsonb_object_keys(m.change::jsonb))::text else m.change end) order by m.version)
		from plant.amendments m left join plant.amendment_salts s on s.pseudonym = m.actor where m.entity_type = 'agent'`)
	want := []string{
		"1 create https://issuer.example partner ada 17", `2 update postgresql login ` + login + ` {"name":["Agent 1","By hand"]}`,
		"3 update postgresql login " + login + " {}", "4 remove postgresql login " + login + " 17",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// There is no way back for what is gone under the same id: its versions have begun already.
	if _, err := owner.Exec(t.Context(), createAgent(1)); err == nil {
		t.Error("a second beginning is taken")
	}
	newAuditor(t).holds(t, owner)
}
