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
				"agent_skills SELECT", "agent_statistics SELECT", "agents INSERT,SELECT",
				"amendment_salts SELECT", "amendments SELECT", "checkpoints INSERT,SELECT", "embedding_models INSERT,SELECT", "hires SELECT", "idempotency_keys DELETE,INSERT,SELECT",
				"industries INSERT,SELECT", "job_role_skills SELECT", "job_roles INSERT,SELECT", "job_rollups SELECT", "reviews SELECT", "search_documents SELECT", "search_frequencies SELECT",
				"search_pending DELETE,INSERT,SELECT", "search_postings SELECT", "search_starts SELECT", "search_texts SELECT", "search_vectors DELETE,INSERT,SELECT", "search_words SELECT", "skills INSERT,SELECT", "teams INSERT,SELECT", "tree_hashes SELECT",
			},
		},
		{
			"columns that it may change", `
			select table_name || '.' || column_name from information_schema.column_privileges where grantee = 'plant_app' and privilege_type = 'UPDATE'`,
			[]string{
				"agents.allowed_durations", "agents.card", "agents.currency", "agents.deleted_at", "agents.description", "agents.exclusive", "agents.external_id", "agents.hourly_rate",
				"agents.job_role_id", "agents.languages", "agents.name", "agents.owner", "agents.owner_issuer", "agents.skill_ids", "agents.specialization", "agents.status",
				"agents.tags", "agents.team_id", "agents.trial_days", "agents.updated_at", "agents.version",
				"embedding_models.begun_at", "embedding_models.learnt", "embedding_models.name", "embedding_models.state", "embedding_models.texts",
				"hires.status", "hires.updated_at", "hires.version",
				"industries.deleted_at", "industries.description", "industries.name", "industries.updated_at", "industries.version",
				"job_roles.certification_evidence_url", "job_roles.certification_expires_at", "job_roles.certification_issuer", "job_roles.certification_level",
				"job_roles.certified_at", "job_roles.certified_by", "job_roles.certified_by_issuer", "job_roles.deleted_at", "job_roles.description", "job_roles.industry",
				"job_roles.name", "job_roles.required_skills", "job_roles.seniority_level", "job_roles.specializations", "job_roles.updated_at", "job_roles.version",
				"reviews.hidden", "reviews.reply", "reviews.updated_at", "reviews.version",
				"search_pending.seq", "search_vectors.digest", "search_vectors.vector",
				"skills.category", "skills.certification_evidence_url", "skills.certification_expires_at", "skills.certification_issuer", "skills.certification_level",
				"skills.certified_at", "skills.certified_by", "skills.certified_by_issuer", "skills.deleted_at", "skills.description", "skills.name",
				"skills.updated_at", "skills.version",
				"teams.agent_ids", "teams.deleted_at", "teams.description", "teams.job_role_id", "teams.name", "teams.updated_at", "teams.version",
			},
		},
		{
			"columns that it may give, of tables that it gives no others of", `
			select t.attrelid::regclass || '.' || t.attname from pg_attribute t cross join lateral aclexplode(t.attacl) a
			where t.attrelid in (select oid from pg_class where relnamespace = 'plant'::regnamespace) and a.privilege_type = 'INSERT'`,
			[]string{
				"plant.hires.agent_id", "plant.hires.customer", "plant.hires.customer_issuer", "plant.hires.duration", "plant.hires.id",
				"plant.reviews.hire_id", "plant.reviews.id", "plant.reviews.rating", "plant.reviews.text",
			},
		},
		{"tables with an owner and without forced row-level security", `
			select distinct c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname in ('owner', 'owner_issuer', 'issuer', 'subject', 'customer', 'partner')
			where c.relnamespace = 'plant'::regnamespace and c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)`, nil},
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
				and (p.proacl is null or has_function_privilege('plant_app', p.oid, 'execute'))`, []string{"count_frequencies", "drop_event_day", "lapsed_trials", "make_event_days", "record_job_events", "sequence_amendments", "settle_lapsed", "trials_over"}},
		{"views that look with their owner's eyes", `
			select relname from pg_class where relnamespace = 'plant'::regnamespace and relkind in ('v', 'm')
				and not coalesce('security_invoker=true' = any (reloptions), false)`, nil},
		{
			"policies", `
			select c.relname || ' ' || p.polname || ' ' || case p.polcmd when '*' then 'all' when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' end
				|| ' to ' || (select string_agg(case when r = c.relowner then 'the owner' else r::regrole::text end, ',') from unnest(p.polroles) r)
			from pg_policy p join pg_class c on c.oid = p.polrelid`,
			[]string{
				"agents changers update to plant_app", "agents creators insert to plant_app", "agents owner all to the owner", "agents readers select to plant_app",
				"amendment_salts owner all to the owner", "amendment_salts readers select to plant_app",
				"hires changers update to plant_app", "hires creators insert to plant_app", "hires owner all to the owner", "hires readers select to plant_app",
				"idempotency_keys callers all to plant_app", "idempotency_keys owner all to the owner",
				"industries changers update to plant_app", "industries creators insert to plant_app", "industries owner all to the owner", "industries readers select to plant_app",
				"job_roles changers update to plant_app", "job_roles creators insert to plant_app", "job_roles owner all to the owner", "job_roles readers select to plant_app",
				"reviews changers update to plant_app", "reviews creators insert to plant_app", "reviews owner all to the owner", "reviews readers select to plant_app",
				"skills changers update to plant_app", "skills creators insert to plant_app", "skills owner all to the owner", "skills readers select to plant_app",
				"teams changers update to plant_app", "teams creators insert to plant_app", "teams owner all to the owner", "teams readers select to plant_app",
			},
		},
		{"policies of writes that let through whom they do not know", `
			select c.relname || ' ' || p.polname from pg_policy p join pg_class c on c.oid = p.polrelid
			where c.relowner <> all (p.polroles) and p.polcmd <> 'r'
				and coalesce(pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)) !~ 'caller_role\(\)|NULLIF\(current_setting'`, nil},
		{"rights of others than the owner and the group", `
			select c.relname || ' ' || a.privilege_type from pg_class c cross join lateral aclexplode(c.relacl) a
			where c.relnamespace = 'plant'::regnamespace and a.grantee not in (c.relowner, 'plant_app'::regrole)
			union all
			select c.relname || '.' || t.attname || ' ' || a.privilege_type from pg_class c join pg_attribute t on t.attrelid = c.oid cross join lateral aclexplode(t.attacl) a
			where c.relnamespace = 'plant'::regnamespace and (a.grantee <> 'plant_app'::regrole or a.privilege_type not in ('INSERT', 'UPDATE'))
			union all
			select p.proname || ' ' || a.privilege_type from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
			where p.pronamespace = 'plant'::regnamespace and a.grantee not in (p.proowner, 'plant_app'::regrole)`, nil},
		{"rights that can be given on", `
			select c.relname from pg_class c cross join lateral aclexplode(c.relacl) a
			where c.relnamespace = 'plant'::regnamespace and a.grantee = 'plant_app'::regrole and a.is_grantable`, nil},
		{"rights that whatever is made later would have", `select defaclobjtype::text from pg_default_acl`, nil},
		{"tables and functions that another than the owner owns", `
			select c.relname from pg_class c where c.relnamespace = 'plant'::regnamespace and c.relowner <> current_user::regrole
			union all
			select p.proname from pg_proc p where p.pronamespace = 'plant'::regnamespace and p.proowner <> current_user::regrole`, nil},
		{"functions that the group may call", `
			select p.proname from pg_proc p where p.pronamespace = 'plant'::regnamespace and has_function_privilege('plant_app', p.oid, 'execute')`, []string{"amended_row", "amendment_text", "amendment_time", "caller_owns", "caller_role", "canonical", "count_frequencies", "drop_event_day", "lapsed_trials", "make_event_days", "plain", "record_job_events", "search_place", "sequence_amendments", "settle_lapsed", "slot_duration", "trials_over"}},
		{"definer functions that look into the temporary schema before the last", `
			select p.proname from pg_proc p cross join lateral unnest(p.proconfig) c
			where p.pronamespace = 'plant'::regnamespace and p.prosecdef and c like 'search_path=%' and c !~ '^search_path=(plant|public|pg_catalog)(, (plant|public|pg_catalog))*, pg_temp$'`, nil},
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
