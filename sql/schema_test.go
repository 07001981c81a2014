package sql_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/database/dbtest"
	plantsql "github.com/waooaw/plant/sql"
)

// catalogue lists everything that migrations make, one line each, as the server says it: names, types, defaults,
// constraints, indexes, bodies, triggers, policies, owners and privileges. It names no number that differs from run to
// run, such as the place that a dropped column has left behind.
const catalogue = `
	select coalesce(array_agg(line order by line collate "C"), '{}') from (
		select 'schema ' || nspname || ' ' || coalesce(array_to_string(array(select a::text from unnest(nspacl) a order by a::text), ' '), '')
		from pg_namespace where nspname in ('plant', 'public')
		union all
		select 'relation ' || c.oid::regclass || ' ' || relkind::text || ' rls ' || relrowsecurity::text || relforcerowsecurity || ' of ' || relowner::regrole || ' '
			|| coalesce(array_to_string(array(select a::text from unnest(relacl) a order by a::text), ' '), '') || ' ' || coalesce(reloptions::text, '')
		from pg_class c where relnamespace = to_regnamespace('plant')
		union all
		select 'column ' || attrelid::regclass || ' ' || row_number() over (partition by attrelid order by attnum) || ' ' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull || ' ' || attgenerated::text || ' '
			|| coalesce(pg_get_expr(adbin, adrelid), '') || ' ' || attcollation::regcollation || ' '
			|| coalesce(array_to_string(array(select a::text from unnest(attacl) a order by a::text), ' '), '')
		from pg_attribute a left join pg_attrdef on adrelid = attrelid and adnum = attnum
		where attnum > 0 and not attisdropped and attrelid in (select oid from pg_class where relnamespace = to_regnamespace('plant'))
		union all
		select 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || ' ' || convalidated
		from pg_constraint where connamespace = to_regnamespace('plant')
		union all
		select 'index ' || indexdef from pg_indexes where schemaname = 'plant'
		union all
		select 'function ' || pg_get_functiondef(oid) || ' of ' || proowner::regrole || ' ' || coalesce(array_to_string(array(select a::text from unnest(proacl) a order by a::text), ' '), '')
		from pg_proc where pronamespace = to_regnamespace('plant')
		union all
		select 'trigger ' || pg_get_triggerdef(t.oid) || ' ' || tgenabled::text from pg_trigger t where not tgisinternal
			and tgrelid in (select oid from pg_class where relnamespace = to_regnamespace('plant'))
		union all
		select 'policy ' || polrelid::regclass || ' ' || polname || ' ' || polcmd::text || ' ' || polpermissive || ' ' || polroles::regrole[]::text || ' '
			|| coalesce(pg_get_expr(polqual, polrelid), '') || ' ' || coalesce(pg_get_expr(polwithcheck, polrelid), '') from pg_policy
		union all
		select 'type ' || oid::regtype from pg_type where typnamespace = to_regnamespace('plant')
		union all
		select 'comment ' || classoid::regclass || ' ' || description from pg_description
			where objoid in (select oid from pg_class where relnamespace = to_regnamespace('plant') union all select oid from pg_proc where pronamespace = to_regnamespace('plant'))
		union all
		select 'extension ' || extname from pg_extension
		union all
		select 'public ' || c.oid::regclass from pg_class c where relnamespace = to_regnamespace('public')
		union all
		select 'defaults ' || defaclacl::text from pg_default_acl
	) lines (line)`

// D14: taking a migration back leaves what there was before it, from every version on, and applying it again leaves what
// it left the first time.
func TestD14_EveryMigrationIsTakenBackWhole(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	conn := connect(t, d)
	latest := versionOf(t, conn)
	fresh := dbtest.Scalar[[]string](t, d, catalogue)
	if len(fresh) < 100 {
		t.Fatalf("the catalogue has %d lines", len(fresh))
	}
	migrateTo(t, conn, 0)
	snapshots := map[int32][]string{0: dbtest.Scalar[[]string](t, d, catalogue)}
	for version := int32(1); version <= latest; version++ {
		migrateTo(t, conn, version)
		snapshots[version] = dbtest.Scalar[[]string](t, d, catalogue)
		if cmp.Equal(snapshots[version], snapshots[version-1]) {
			t.Errorf("migration %d changes nothing that the catalogue shows", version)
		}
	}
	if diff := cmp.Diff(fresh, snapshots[latest]); diff != "" {
		t.Errorf("down to 0 and up again: %s", diff)
	}
	for from := latest; from >= 1; from-- {
		for _, to := range []int32{from - 1, from, 0, from} { // one step and back, all the way and back
			migrateTo(t, conn, to)
			if diff := cmp.Diff(snapshots[to], dbtest.Scalar[[]string](t, d, catalogue)); diff != "" {
				t.Errorf("from %d to %d: %s", from, to, diff)
			}
		}
		migrateTo(t, conn, from-1)
	}
}

// Rows outlive every migration that is taken back and does not hold them, and searching them works after it is applied
// again: what is derived of them is made anew.
func TestMigrate_KeepsRows(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	conn := connect(t, d)
	if err := plantsql.LoadDemo(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	const agents, words = `select count(*) from plant.agents`, `select count(distinct word) from plant.search_words`
	before, beforeWords := dbtest.Scalar[int](t, d, agents), dbtest.Scalar[int](t, d, words)
	migrateTo(t, conn, 4)
	if got := dbtest.Scalar[int](t, d, agents); got != before {
		t.Errorf("%d agents are left of %d", got, before)
	}
	migrateTo(t, conn, plantsql.Latest)
	if got := dbtest.Scalar[int](t, d, agents); got != before {
		t.Errorf("%d agents are left of %d", got, before)
	}
	if got := dbtest.Scalar[int](t, d, words); got != beforeWords || got == 0 {
		t.Errorf("%d words, want %d as before", got, beforeWords)
	}
}

// The demo data are a catalogue that a newcomer can look around in, and follow the rules of the schema's derived parts.
func TestLoadDemo_IsAWholeCatalogue(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	conn := connect(t, d)
	if err := plantsql.LoadDemo(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	for sql, least := range map[string]int{
		`select count(*) from plant.agents`:    60,
		`select count(*) from plant.skills`:    40,
		`select count(*) from plant.job_roles`: 15,
		`select min(n) from (select count(a.id) n from plant.industries i left join plant.agents a on a.industry = i.slug group by i.slug) by_industry`: 15,
		`select count(distinct status) from plant.agents`:                                     2,
		`select count(*) from plant.agents where skill_ids <> '{}'`:                           50,
		`select count(*) from plant.agent_statistics where reviews > 0`:                       20,
		`select count(*) from plant.teams`:                                                    4,
		`select count(*) from plant.hires`:                                                    200,
		`select min(n) from (select count(*) n from plant.hires group by status) by_status`:   20,
		`select min(n) from (select count(*) n from plant.reviews group by rating) by_rating`: 5,
		`select count(*) from plant.reviews where reply is not null`:                          20,
		`select count(*) from plant.hires where created_at > now() - interval '7 days'`:       10,
		`select count(*) from plant.skills where certified_at is not null`:                    2,
		`select count(*) from plant.skills where certification_expires_at < now()`:            1,
		`select count(*) from plant.job_roles where certified_at is not null`:                 1,
	} {
		if got := dbtest.Scalar[int](t, d, sql); got < least {
			t.Errorf("%s: got %d, want at least %d", sql, got, least)
		}
	}
	for _, wrong := range []string{
		`select count(*) from plant.agents a where not exists (select from plant.agent_statistics s where s.agent_id = a.id)`,
		`select count(*) from plant.search_texts t where not exists (select from plant.search_documents d where d.id = t.id and d.name = lower(t.name)) or not exists (select from plant.search_pending p where p.id = t.id)`,
		`select count(*) from plant.agents a where array(select skill_id from plant.agent_skills k where k.agent_id = a.id order by 1) <> array(select unnest(a.skill_ids) order by 1)`,
		`select count(*) from plant.agents where deleted_at is not null or version <> 1`,
		`select count(*) from plant.hires where not created_at between now() - interval '91 days' and now() or greatest(activated_at, ended_at, updated_at) > now()`,
		`select count(*) from plant.hires where version <> 1 + (activated_at is not null)::int + (ended_at < trial_ends_at or ended_at > activated_at)::int`,
		`select count(*) from plant.reviews where created_at > now() or replied_at not between created_at and now()`,
		`select count(*) from (select from plant.reviews group by agent_id, text having count(*) > 1) twice_of_one_agent`,
		`select count(*) from plant.agent_statistics s where (s.hires, s.active_hires, s.open_trials, s.trials_ended, s.trials_retained, s.reviews, s.rating_sum) <> (
			(select count(*) from plant.hires h where h.agent_id = s.agent_id), (select count(*) from plant.hires h where h.agent_id = s.agent_id and status = 'active'),
			(select count(*) from plant.hires h where h.agent_id = s.agent_id and status = 'trial'), (select count(*) from plant.hires h where h.agent_id = s.agent_id and status <> 'trial'),
			(select count(*) from plant.hires h where h.agent_id = s.agent_id and activated_at is not null),
			(select count(*) from plant.reviews r where r.agent_id = s.agent_id), (select coalesce(sum(rating), 0) from plant.reviews r where r.agent_id = s.agent_id))`,
		`select count(*) from plant.teams where deleted_at is not null or version <> 1`,
		`select count(*) from plant.teams t where array(select id from plant.agents where team_id = t.id order by 1) <> array(select unnest(t.agent_ids) order by 1)`,
		`select count(*) from plant.job_roles j where array(select skill_id from plant.job_role_skills where job_role_id = j.id order by 1) <> array(select unnest(j.required_skills) order by 1)`,
	} {
		if got := dbtest.Scalar[int](t, d, wrong); got != 0 {
			t.Errorf("%s: %d", wrong, got)
		}
	}
	// What somebody has changed stays as it is, and what they have deleted too.
	d.Exec(t, `update plant.teams set deleted_at = now()`)
	d.Exec(t, `update plant.hires set status = case status when 'trial' then 'cancelled' else 'ended' end where status in ('trial', 'active')`)
	d.Exec(t, `update plant.agents set deleted_at = now() where industry = 'sales'`)
	hires := dbtest.Scalar[string](t, d, `select md5(string_agg(h::text, ' ' order by id)) from plant.hires h`)
	d.Exec(t, `update plant.job_roles set deleted_at = now() where name = 'Proposal specialist'`)
	d.Exec(t, `update plant.agents set name = 'Mine' where id = (select min(id::text)::uuid from plant.agents)`)
	if err := plantsql.LoadDemo(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if got := dbtest.Scalar[int](t, d, `select count(*) from plant.agents where name = 'Mine'`); got != 1 {
		t.Error("loading the demo data again has undone a change")
	}
	if got := dbtest.Scalar[string](t, d, `select md5(string_agg(h::text, ' ' order by id)) from plant.hires h`); got != hires {
		t.Error("loading the demo data again has changed hires")
	}
	if got := dbtest.Scalar[int](t, d, `select count(*) from plant.teams where deleted_at is null`); got != 0 {
		t.Errorf("loading the demo data again brought %d teams back", got)
	}
}

// Where the demo data were loaded ten days ago, loading them adds what is missing since, as if all were loaded now, and
// figures stay exact.
func TestLoadDemo_GoesOn(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	conn := connect(t, d)
	now := dbtest.Scalar[time.Time](t, d, `select now()`)
	if err := plantsql.LoadDemo(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("demo/070_events.sql")
	if err != nil {
		t.Fatal(err)
	}
	load := func(when string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), strings.ReplaceAll(string(script), "now()", when)); err != nil {
			t.Fatal(err)
		}
	}
	const (
		events = `select count(*) || ' ' || md5(string_agg(e::text, ' ' order by agent_id, event_id, occurred_at)) from plant.job_events e
			where occurred_at between $1::timestamptz - interval '88 days' and $1`
		rollups = `select count(*) || ' ' || md5(string_agg(r::text, ' ' order by agent_id, grain, starts_at)) from plant.job_rollups r`
	)
	want := dbtest.Scalar[string](t, d, events, now)
	d.Exec(t, `truncate plant.job_events, plant.jobs, plant.job_rollups`)
	load("(now() - interval '10 days')")
	if got := dbtest.Scalar[string](t, d, events, now); got == want || strings.HasPrefix(got, "0 ") {
		t.Errorf("ten days ago there were %s", got)
	}
	for range 2 {
		load("now()")
		if got := dbtest.Scalar[string](t, d, events, now); got != want {
			t.Errorf("there are %s events, want %s", got, want)
		}
	}
	rolled := dbtest.Scalar[string](t, d, rollups)
	d.Exec(t, `select plant.rebuild_job_rollups()`)
	if got := dbtest.Scalar[string](t, d, rollups); got != rolled {
		t.Errorf("rollups were %s, and are %s when they are made anew", rolled, got)
	}
	for sql, least := range map[string]int{
		`select count(*) from plant.job_events`: 40_000,
		`select count(*) from plant.jobs`:       20_000,
		`select count(distinct agent_id) from plant.job_events where occurred_at > now() - interval '3 days'`:     40,
		`select count(*) from plant.agents a where not exists (select from plant.jobs j where j.agent_id = a.id)`: 3,
		`select count(*) from (` + lastWeeks + `) w where recent > 1.1 * earlier`:                                 5,
		`select count(*) from (` + lastWeeks + `) w where recent < 0.9 * earlier`:                                 5,
	} {
		if got := dbtest.Scalar[int](t, d, sql); got < least {
			t.Errorf("%s: got %d, want at least %d", sql, got, least)
		}
	}
}

// lastWeeks is the jobs of each agent in the last two weeks, and in the two before.
const lastWeeks = `select sum(jobs) filter (where starts_at >= date_trunc('day', now()) - interval '14 days') as recent,
	sum(jobs) filter (where starts_at < date_trunc('day', now()) - interval '14 days') as earlier
	from plant.job_rollups where grain = 'day' and starts_at >= date_trunc('day', now()) - interval '28 days' and starts_at < date_trunc('day', now()) group by agent_id`

func TestStatusOf(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	conn := connect(t, d)
	status, err := plantsql.StatusOf(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if int(status.Version) != len(status.Names) || status.Latest() != status.Version {
		t.Errorf("got %+v, want every migration applied", status)
	}
	migrateTo(t, conn, 1)
	if got, err := plantsql.StatusOf(t.Context(), conn); err != nil || got.Version != 1 || !cmp.Equal(got.Names, status.Names) || got.Latest() != status.Latest() {
		t.Errorf("got %+v, %v, want version 1 of the same", got, err)
	}
	// A database that was never migrated is at 0.
	d.Exec(t, `drop table public.schema_version`)
	if got, err := plantsql.StatusOf(t.Context(), conn); err != nil || got.Version != 0 {
		t.Errorf("got %+v, %v, want version 0", got, err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := plantsql.StatusOf(t.Context(), conn); err == nil {
		t.Error("a connection that is closed: no error")
	}
	if err := plantsql.Migrate(t.Context(), conn, plantsql.Latest); err == nil {
		t.Error("a connection that is closed: no error")
	}
}
