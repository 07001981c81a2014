package infrastructure

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// T6: what the fixtures leave open of each rule.
func TestT6_Judge(t *testing.T) {
	t.Parallel()
	const safe = `{"address":"f","type":"google_cloudfunctions2_function","change":{"after":{"name":"agents","service_config":[{"ingress_settings":"ALLOW_INTERNAL_AND_GCLB","environment_variables":{%s}}]}}}`
	grant := func(kind, role, member, more string) string {
		return `{"address":"g","type":"` + kind + `","change":{"after":{"name":"agents","role":"` + role + `","member":"` + member + `"` + more + `}}}`
	}
	tests := map[string]struct {
		resources, references string
		want                  []string
	}{
		"nothing":                              {``, ``, nil},
		"a deletion":                           {`{"address":"d","type":"google_sql_database_instance","change":{"after":null}}`, ``, nil},
		"a database without settings":          {`{"address":"d","type":"google_sql_database_instance","change":{"after":{}}}`, ``, []string{"no-backups", "public-database", "unencrypted", "unprotected"}},
		"a replica needs no backups":           {`{"address":"d","type":"google_sql_database_instance","change":{"after":{"master_instance_name":"p","deletion_protection":true,"settings":[{"deletion_protection_enabled":true,"ip_configuration":[{"ipv4_enabled":false,"private_network":"n","ssl_mode":"ENCRYPTED_ONLY"}]}]}}}`, ``, nil},
		"a database with authorised networks":  {`{"address":"d","type":"google_sql_database_instance","change":{"after":{"master_instance_name":"p","deletion_protection":true,"settings":[{"deletion_protection_enabled":true,"ip_configuration":[{"ipv4_enabled":false,"private_network":"n","ssl_mode":"ENCRYPTED_ONLY","authorized_networks":[{"value":"0.0.0.0/0"}]}]}]}}}`, ``, []string{"public-database"}},
		"Redis without TLS":                    {`{"address":"r","type":"google_redis_instance","change":{"after":{"auth_enabled":true,"transit_encryption_mode":"DISABLED"}}}`, ``, []string{"unencrypted"}},
		"old TLS":                              {`{"address":"s","type":"google_compute_ssl_policy","change":{"after":{"min_tls_version":"TLS_1_0"}}}`, ``, []string{"unencrypted"}},
		"a function that says no ingress":      {`{"address":"f","type":"google_cloudfunctions2_function","change":{"after":{"service_config":[{}]}}}`, ``, []string{"open-ingress"}},
		"everybody, through the load balancer": {fill(safe, ``) + `,` + grant("google_cloud_run_v2_service_iam_member", "roles/run.invoker", "allUsers", ""), ``, nil},
		"everybody, by a binding":              {`{"address":"g","type":"google_cloud_run_service_iam_binding","change":{"after":{"service":"x","role":"roles/run.invoker","members":["allAuthenticatedUsers"]}}}`, ``, []string{"open-invoker"}},
		"everybody reads a bucket":             {grant("google_storage_bucket_iam_member", "roles/storage.legacyObjectReader", "allUsers", ""), ``, nil},
		"everybody lists a bucket":             {grant("google_storage_bucket_iam_member", "roles/storage.objectViewer", "allUsers", ""), ``, []string{"wide-permission"}},
		"everybody writes a bucket":            {grant("google_storage_bucket_iam_member", "roles/storage.objectAdmin", "allUsers", ""), ``, []string{"wide-permission"}},
		"an administrator":                     {grant("google_project_iam_member", "roles/cloudsql.admin", "serviceAccount:x", ""), `{"address":"g","expressions":{"member":{"references":["google_service_account.function"]}}}`, []string{"wide-permission"}},
		"the deploying administrator":          {grant("google_project_iam_member", "roles/cloudsql.admin", "serviceAccount:x", ""), `{"address":"g","expressions":{"member":{"references":["google_service_account.deploy.member","google_service_account.deploy"]}}}`, nil},
		"who becomes any account":              {grant("google_project_iam_member", "roles/iam.serviceAccountUser", "serviceAccount:x", ""), `{"address":"g","expressions":{"member":{"references":["google_service_account.deploy"]}}}`, []string{"wide-permission"}},
		"who lets others become any":           {grant("google_project_iam_member", "roles/iam.serviceAccountAdmin", "serviceAccount:x", ""), `{"address":"g","expressions":{"member":{"references":["google_service_account.deploy"]}}}`, []string{"wide-permission"}},
		"who becomes one account":              {grant("google_service_account_iam_member", "roles/iam.serviceAccountUser", "serviceAccount:x", ""), ``, nil},
		"who may give any role":                {grant("google_project_iam_member", "roles/resourcemanager.projectIamAdmin", "serviceAccount:x", ""), `{"address":"g","expressions":{"member":{"references":["google_service_account.deploy"]}}}`, []string{"wide-permission"}},
		"who may give some roles":              {grant("google_project_iam_member", "roles/resourcemanager.projectIamAdmin", "serviceAccount:x", `,"condition":[{"expression":"e"}]`), `{"address":"g","expressions":{"member":{"references":["google_service_account.deploy"]}}}`, nil},
		"who reads all secrets":                {grant("google_project_iam_member", "roles/secretmanager.secretAccessor", "serviceAccount:x", ""), ``, []string{"wide-permission"}},
		"a secret's value":                     {`{"address":"v","type":"google_secret_manager_secret_version","change":{"after":{"secret_data":"x"}}}`, ``, []string{"secret-in-the-plain"}},
		"a login's password":                   {`{"address":"u","type":"google_sql_user","change":{"after":{"password":"x"}}}`, ``, []string{"secret-in-the-plain"}},
		"a password in the state":              {`{"address":"p","type":"random_password","change":{"after":{"length":8}}}`, ``, []string{"secret-in-the-plain"}},
		"a password in a URL":                  {fill(safe, `"REDIS_URL":"redis://:hunter2@10.0.0.1:6379"`), ``, []string{"secret-in-the-plain"}},
		"references to secrets":                {fill(safe, `"CURSOR_KEY":"secret://projects/p/secrets/s/versions/latest","AUDIT_OLD_KEYS":"plant+1+A","AUDIT_KEY":""`), ``, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := Judge([]byte(`{"resource_changes":[` + test.resources + `],"configuration":{"root_module":{"resources":[` + test.references + `]}}}`))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, violation := range found {
				got = append(got, violation.Rule)
			}
			if diff := cmp.Diff(test.want, got, cmp.Transformer("sorted", sorted)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := Judge([]byte(`no plan`)); err == nil {
		t.Error("what is no plan was judged")
	}
}

func fill(format, variables string) string { return strings.Replace(format, "%s", variables, 1) }

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
