package infrastructure

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Violation is something in a plan that is never to be applied.
type Violation struct {
	Rule    string // its name, as in Rules
	Address string // of the resource
	Detail  string // what is wrong, and what to write instead
}

// String says it in one line.
func (v Violation) String() string { return v.Address + ": " + v.Detail + " (" + v.Rule + ")" }

// Plan is what terraform show -json tells of a plan, as far as it is judged.
type Plan struct {
	ResourceChanges []Change `json:"resource_changes"`
	Configuration   struct {
		RootModule struct {
			Resources []struct {
				Address     string `json:"address"`
				Expressions struct {
					Member struct {
						References []string `json:"references"`
					} `json:"member"`
				} `json:"expressions"`
			} `json:"resources"`
		} `json:"root_module"`
	} `json:"configuration"`
}

// Change is what a plan makes of one resource.
type Change struct {
	Address string `json:"address"`
	Type    string `json:"type"`
	Change  struct {
		After values `json:"after"` // nil where it is deleted
	} `json:"change"`
}

// values are a block's arguments.
type values map[string]any

func (v values) text(name string) string {
	text, _ := v[name].(string)
	return text
}

func (v values) is(name string) bool {
	is, _ := v[name].(bool)
	return is
}

// block returns the first block of a name; one that is not there has no arguments.
func (v values) block(name string) values {
	list, _ := v[name].([]any)
	if len(list) == 0 {
		return nil
	}
	first, _ := list[0].(map[string]any)
	return first
}

// judge says what is wrong with a resource, or nothing.
type judge func(plan *Plan, c Change) string

// Rules are all of them, by name; row T6 of the reliability catalogue.
var Rules = map[string]judge{
	"public-database":     publicDatabase,
	"unencrypted":         unencrypted,
	"unprotected":         unprotected,
	"no-backups":          noBackups,
	"open-ingress":        openIngress,
	"open-invoker":        openInvoker,
	"wide-permission":     widePermission,
	"secret-in-the-plain": plainSecret,
}

// Judge returns all that is wrong with a plan, given as terraform show -json writes it.
func Judge(text []byte) ([]Violation, error) {
	var plan Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	var found []Violation
	for _, c := range plan.ResourceChanges {
		if c.Change.After == nil {
			continue
		}
		for name, rule := range Rules {
			if detail := rule(&plan, c); detail != "" {
				found = append(found, Violation{Rule: name, Address: c.Address, Detail: detail})
			}
		}
	}
	slices.SortFunc(found, func(a, b Violation) int { return strings.Compare(a.String(), b.String()) })
	return found, nil
}

const database = "google_sql_database_instance"

func publicDatabase(_ *Plan, c Change) string {
	if c.Type != database {
		return ""
	}
	address := c.Change.After.block("settings").block("ip_configuration")
	public, said := address["ipv4_enabled"].(bool)
	switch {
	case !said || public:
		return "the database has a public address: ipv4_enabled = false"
	case address.text("private_network") == "" && address["private_network"] != nil, address.block("authorized_networks") != nil:
		return "the database lets other networks in: only private_network"
	}
	return ""
}

// unencrypted is about whatever carries passwords and data: the database, Redis, and what callers speak.
func unencrypted(_ *Plan, c Change) string {
	after := c.Change.After
	switch c.Type {
	case database:
		mode := after.block("settings").block("ip_configuration").text("ssl_mode")
		if mode != "ENCRYPTED_ONLY" && mode != "TRUSTED_CLIENT_CERTIFICATE_REQUIRED" {
			return `the database takes connections without TLS: ssl_mode = "ENCRYPTED_ONLY"`
		}
	case "google_redis_instance":
		if after.text("transit_encryption_mode") != "SERVER_AUTHENTICATION" || !after.is("auth_enabled") {
			return "Redis takes connections without TLS, or from everybody: transit_encryption_mode and auth_enabled"
		}
	case "google_compute_ssl_policy":
		if version := after.text("min_tls_version"); version != "TLS_1_2" && version != "TLS_1_3" {
			return `callers may speak what is broken: min_tls_version = "TLS_1_2"`
		}
	}
	return ""
}

func unprotected(_ *Plan, c Change) string {
	if c.Type != database {
		return ""
	}
	if !c.Change.After.is("deletion_protection") || !c.Change.After.block("settings").is("deletion_protection_enabled") {
		return "one apply could delete the database: deletion_protection and deletion_protection_enabled"
	}
	return ""
}

func noBackups(_ *Plan, c Change) string {
	if c.Type != database || c.Change.After["master_instance_name"] != nil { // a replica's primary has them
		return ""
	}
	backups := c.Change.After.block("settings").block("backup_configuration")
	if !backups.is("enabled") || !backups.is("point_in_time_recovery_enabled") {
		return "what is lost cannot be had back: enabled and point_in_time_recovery_enabled"
	}
	return ""
}

const (
	function    = "google_cloudfunctions2_function"
	safeIngress = "ALLOW_INTERNAL_AND_GCLB"
)

func openIngress(_ *Plan, c Change) string {
	if c.Type == function && !slices.Contains([]string{safeIngress, "ALLOW_INTERNAL_ONLY"}, c.Change.After.block("service_config").text("ingress_settings")) {
		return `everybody reaches the function past the load balancer: ingress_settings = "` + safeIngress + `"`
	}
	return ""
}

var invokerResource = regexp.MustCompile(`^google_(cloud_run_service|cloud_run_v2_service|cloudfunctions2_function)_iam_(member|binding)$`)

// everybody reports whether a grant is to everyone, with an account or without.
func everybody(after values) bool {
	members, _ := after["members"].([]any)
	for _, member := range append(slices.Clone(members), after["member"]) {
		if member == "allUsers" || member == "allAuthenticatedUsers" {
			return true
		}
	}
	return false
}

// openInvoker lets everybody call only what is reached through the load balancer.
func openInvoker(plan *Plan, c Change) string {
	after := c.Change.After
	if !invokerResource.MatchString(c.Type) || !everybody(after) {
		return ""
	}
	for _, other := range plan.ResourceChanges {
		if other.Type != function || other.Change.After == nil {
			continue
		}
		name := other.Change.After.text("name")
		named := slices.Contains([]string{after.text("name"), after.text("service"), after.text("cloud_function")}, name)
		if named && other.Change.After.block("service_config").text("ingress_settings") == safeIngress {
			return ""
		}
	}
	return "everybody may call a service whose ingress is not known to be " + safeIngress
}

// deployer is the one account that may administer anything.
const deployer = "google_service_account.deploy"

// impersonation is of roles that make whoever has them in a project any of its accounts, or let them say who is.
var impersonation = []string{
	"roles/iam.serviceAccountAdmin", "roles/iam.serviceAccountKeyAdmin", "roles/iam.serviceAccountOpenIdTokenCreator",
	"roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountUser", "roles/iam.workloadIdentityUser",
}

func widePermission(plan *Plan, c Change) string {
	after := c.Change.After
	role := after.text("role")
	if role == "" {
		return ""
	}
	// Who knows an object's name may read it; objectViewer lists them all too.
	storageReader := strings.HasPrefix(c.Type, "google_storage_bucket_iam_") && role == "roles/storage.legacyObjectReader"
	switch {
	case role == "roles/owner" || role == "roles/editor" || role == "roles/viewer":
		return role + " is everything at once: give the roles that are needed"
	case everybody(after) && role != "roles/run.invoker" && !storageReader:
		return role + " is given to everybody"
	case !strings.HasPrefix(c.Type, "google_project_iam_"):
		return ""
	case slices.Contains(impersonation, role):
		return role + " becomes every account of the project, and may what they may: give roles/iam.serviceAccountUser on the accounts that are needed"
	case role == "roles/resourcemanager.projectIamAdmin" && after.block("condition") == nil:
		return role + " without a condition gives itself every other role"
	case strings.HasSuffix(strings.ToLower(role), "admin") && !givenTo(plan, c.Address, deployer):
		return role + " administers the whole project: only " + deployer + " does"
	case role == "roles/secretmanager.secretAccessor":
		return role + " reads every secret: give it on the secrets that are needed"
	}
	return ""
}

// givenTo reports whether a grant's member is an account of the configuration.
func givenTo(plan *Plan, address, account string) bool {
	resource, _, _ := strings.Cut(address, "[")
	for _, r := range plan.Configuration.RootModule.Resources {
		if r.Address == resource {
			return slices.Contains(r.Expressions.Member.References, account)
		}
	}
	return false
}

var (
	secretName = regexp.MustCompile(`(^|_)(KEY|PASSWORD|SECRET|TOKEN|CREDENTIALS)$`)
	urlLogin   = regexp.MustCompile(`://[^/@]*:[^/@]+@`)
)

func plainSecret(_ *Plan, c Change) string {
	after := c.Change.After
	switch c.Type {
	case "google_secret_manager_secret_version":
		if after["secret_data"] != nil {
			return "the value would be in the plan and the state: secret_data_wo, of an ephemeral value"
		}
	case "google_sql_user":
		if after["password"] != nil {
			return "the password would be in the plan and the state: password_wo, of an ephemeral value"
		}
	case "random_password":
		return `the value would be in the state: ephemeral "random_password"`
	case function:
		variables, _ := after.block("service_config")["environment_variables"].(map[string]any)
		for name, value := range variables {
			text, _ := value.(string)
			if secretName.MatchString(name) && text != "" && !strings.HasPrefix(text, "secret://") || urlLogin.MatchString(text) {
				return name + " holds a secret: refer to it as secret://projects/…"
			}
		}
	}
	return ""
}
