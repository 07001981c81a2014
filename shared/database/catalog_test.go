package database_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/database/dbtest"
)

// A21: what the catalog says of tables, roles and functions. A new table of the schema fails this test until it is
// protected and listed.
func TestA21_PrivilegesAndPolicies(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	list := func(sql string) []string {
		t.Helper()
		return dbtest.Scalar[[]string](t, db, `select coalesce(array_agg(line order by line collate "C"), '{}') from (`+sql+`) lines (line)`)
	}
	tests := []struct {
		name, sql string
		want      []string
	}{
		{
			"privileges of the functions' group", `
			select table_name || ' ' || string_agg(privilege_type, ',' order by privilege_type) from information_schema.role_table_grants
			where grantee = 'plant_app' group by table_name`,
			[]string{
				"agent_search SELECT", "agent_skills SELECT", "agent_statistics SELECT", "agents INSERT,SELECT", "idempotency_keys DELETE,INSERT,SELECT", "industries SELECT",
				"job_role_skills SELECT", "job_roles SELECT", "search_words SELECT", "skills SELECT", "teams SELECT",
			},
		},
		{
			"columns that it may change", `
			select table_name || '.' || column_name from information_schema.column_privileges where grantee = 'plant_app' and privilege_type = 'UPDATE'`,
			[]string{
				"agents.allowed_durations", "agents.currency", "agents.deleted_at", "agents.description", "agents.exclusive", "agents.external_id", "agents.hourly_rate",
				"agents.job_role_id", "agents.languages", "agents.name", "agents.owner", "agents.owner_issuer", "agents.skill_ids", "agents.specialization", "agents.status",
				"agents.tags", "agents.team_id", "agents.trial_days", "agents.updated_at", "agents.version",
			},
		},
		{"tables with an owner and without forced row-level security", `
			select distinct c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname in ('owner', 'subject')
			where c.relnamespace = 'plant'::regnamespace and c.relkind = 'r' and not (c.relrowsecurity and c.relforcerowsecurity)`, nil},
		{"forced tables without a policy for their owner", `
			select c.relname from pg_class c where c.relforcerowsecurity and not exists (
				select from pg_policy p where p.polrelid = c.oid and c.relowner = any (p.polroles) and pg_get_expr(p.polqual, c.oid) = 'true' and pg_get_expr(p.polwithcheck, c.oid) = 'true')`, nil},
		{"tables that the functions' group or a login owns", `
			select c.relname from pg_class c join pg_roles r on r.oid = c.relowner
			where c.relnamespace = 'plant'::regnamespace and (r.rolname = 'plant_app' or pg_has_role(r.oid, 'plant_app', 'member') and not r.rolsuper)`, nil},
		{"attributes of the group", `
			select 'too much' from pg_roles where rolname = 'plant_app' and (rolcanlogin or rolsuper or rolbypassrls or rolcreatedb or rolcreaterole or rolreplication)`, nil},
		{"roles that the group is a member of", `select roleid::regrole::text from pg_auth_members where member = 'plant_app'::regrole`, nil},
		{"definer functions that pin no search_path", `
			select p.proname from pg_proc p where p.pronamespace = 'plant'::regnamespace and p.prosecdef
				and not exists (select from unnest(p.proconfig) c where c like 'search_path=%, pg_temp')`, nil},
		{"definer functions that others may call", `
			select p.proname from pg_proc p where p.pronamespace = 'plant'::regnamespace and p.prosecdef
				and (p.proacl is null or has_function_privilege('plant_app', p.oid, 'execute'))`, nil},
		{"views that look with their owner's eyes", `
			select relname from pg_class where relnamespace = 'plant'::regnamespace and relkind in ('v', 'm')
				and not coalesce('security_invoker=true' = any (reloptions), false)`, nil},
		{"rights of everybody on the schemas", `
			select n.nspname || ' ' || a.privilege_type from pg_namespace n cross join lateral aclexplode(n.nspacl) a
			where n.nspname in ('plant', 'public') and (a.grantee = 0 or a.grantee = 'plant_app'::regrole and a.privilege_type = 'CREATE')`, nil},
	}
	for _, test := range tests {
		want := test.want
		if want == nil {
			want = []string{}
		}
		if diff := cmp.Diff(want, list(test.sql)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}
