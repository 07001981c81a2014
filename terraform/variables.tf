variable "alert_emails" {
  description = "Who is told when an alert fires or the budget is spent."
  type        = list(string)

  validation {
    condition     = length(var.alert_emails) > 0
    error_message = "Somebody has to be told."
  }
}

variable "approve_deployments" {
  description = "Whether somebody has to approve each run of the pipeline."
  type        = bool
  default     = true
}

variable "audit_lock" {
  description = "Locks the bucket of audit checkpoints: nobody can shorten its retention or delete it any more, ever."
  type        = bool
  default     = true
}

variable "audit_old_keys" {
  description = "Verifier keys of audit keys that were in use before, as scripts/rotate-secret audit-key prints them. Without the last one nothing is signed."
  type        = list(string)
  default     = []
}

variable "audit_retention_days" {
  description = "How long audit checkpoints are kept."
  type        = number
  default     = 3650
}

variable "billing_account" {
  description = "The billing account of the project, three groups of six letters and digits with dashes between."
  type        = string
}

variable "budget" {
  description = "What a month may cost, in the billing account's currency, before somebody is told."
  type        = number
}

variable "build_repository" {
  description = "The repository whose main branch is deployed: projects/P/locations/R/connections/C/repositories/R. Without one there is no trigger."
  type        = string
  default     = ""
}

variable "canary" {
  description = "Leaves the traffic as it is. scripts/deploy --canary sets it, having pinned the traffic to the revisions that serve: else it follows the latest, which is the new one."
  type        = bool
  default     = false
}

variable "certify_needs_second_governor" {
  description = "Whether who made or changed a skill or a job role may not certify it."
  type        = bool
  default     = true
}

variable "database_availability" {
  description = "REGIONAL keeps a standby in another zone; ZONAL costs half."
  type        = string
  default     = "REGIONAL"

  validation {
    condition     = contains(["REGIONAL", "ZONAL"], var.database_availability)
    error_message = "It is REGIONAL or ZONAL."
  }
  validation {
    condition     = var.environment != "prod" || var.database_availability == "REGIONAL"
    error_message = "Production has a standby in another zone: REGIONAL."
  }
}

variable "database_instance" {
  description = "The name of the Cloud SQL instance. A restored one has another, which nobody can take again for a week."
  type        = string
  default     = "plant"
}

variable "database_max_connections" {
  description = "max_connections of the instance: at least 20 more than all functions together may open."
  type        = number
}

variable "database_migrated" {
  description = "Whether the schema is there. scripts/deploy says false the first time: without the schema there is no plant_app, which the functions' logins are members of."
  type        = bool
  default     = true
}

variable "database_pool" {
  description = "How many connections one instance of a function may open."
  type        = number
  default     = 4
}

variable "database_replica_region" {
  description = "Where a read replica is. In the functions' own region it answers reads; in another it waits for this one's failure. Without one there is none."
  type        = string
  default     = ""
}

variable "database_tier" {
  description = "The machine of the Cloud SQL instance: db-custom-CPUS-MEGABYTES."
  type        = string
}

variable "database_version" {
  description = "PostgreSQL 15 or newer."
  type        = string
  default     = "POSTGRES_17"
}

variable "domain" {
  description = "The API's host name, whose DNS record points to the output address."
  type        = string
}

variable "embedding" {
  description = "What makes the vectors of texts, for agents and search alike: EMBEDDING_PROVIDER and what else it wants."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.embedding) : startswith(name, "EMBEDDING_")])
    error_message = "Only variables EMBEDDING_… belong here."
  }
}

variable "environment" {
  description = "demo, uat or prod."
  type        = string

  validation {
    condition     = contains(["demo", "uat", "prod"], var.environment)
    error_message = "There are demo, uat and prod."
  }
}

variable "functions" {
  description = "How each function runs. Environment adds variables to those that it is told anyway."
  type = map(object({
    concurrency   = optional(number, 80)
    cpu           = optional(string, "1")
    environment   = optional(map(string), {})
    max_instances = number
    memory        = optional(string, "512Mi")
    min_instances = optional(number, 0)
  }))

  validation {
    condition     = contains(keys(var.functions), "agents")
    error_message = "There is no agents, which answers what no other function does."
  }
  validation {
    condition     = toset(keys(var.functions)) == toset(keys(jsondecode(file(var.manifest)).functions))
    error_message = "These are not the functions that scripts/package has made: see the manifest."
  }
}

variable "functions_cidr" {
  description = "The functions' addresses inside the network, a /23 or larger. Another region needs others: the subnet of a lost one is still there."
  type        = string
  default     = "10.8.0.0/23"

  validation {
    condition     = can(cidrhost(var.functions_cidr, 511))
    error_message = "It is a range of 512 addresses or more, such as 10.8.0.0/23."
  }
}

variable "issuers" {
  description = "Whose tokens users may bring. The roles are in role_claim, the owner is owner_claim."
  type = list(object({
    algorithms  = optional(list(string))
    audiences   = optional(list(string))
    issuer      = string
    jwks_url    = optional(string)
    owner_claim = optional(string)
    role_claim  = optional(string)
  }))
}

variable "manifest" {
  description = "The manifest that scripts/package has made; the archives and static files lie beside it."
  type        = string
  default     = "../.dist/manifest.json"
}

variable "portal_domains" {
  description = "Host names of the portals, whose files are in the site's bucket and whose scripts may call the API."
  type        = list(string)
  default     = []
}

variable "project" {
  description = "The project's id. Each environment has its own."
  type        = string
}

variable "redis_memory_gb" {
  description = "Memory of Redis, in GiB."
  type        = number
  default     = 1
}

variable "redis_tier" {
  description = "STANDARD_HA has a standby in another zone; BASIC has none."
  type        = string
  default     = "STANDARD_HA"

  validation {
    condition     = contains(["BASIC", "STANDARD_HA"], var.redis_tier)
    error_message = "It is BASIC or STANDARD_HA."
  }
  validation {
    condition     = var.environment != "prod" || var.redis_tier == "STANDARD_HA"
    error_message = "Production has a standby in another zone: STANDARD_HA."
  }
}

variable "region" {
  description = "Where everything runs that has a region."
  type        = string
  default     = "asia-south1"
}

variable "runtime" {
  description = "The Go that the platform builds and runs the functions with."
  type        = string
  default     = "go126"
}

variable "secrets_generation" {
  description = "One more makes new values of all secrets that are made here. Functions read them when they start: restart all of them after the apply, as README.md says. For a single secret there is scripts/rotate-secret, which does."
  type        = number
  default     = 1
}

variable "trace_ratio" {
  description = "The share of requests that are traced; 0 is none."
  type        = number
  default     = 0.01
}

variable "waf_preview" {
  description = "Whether the OWASP rules only log what they would refuse. Look at the log for a week before it is false."
  type        = bool
  default     = true
}
