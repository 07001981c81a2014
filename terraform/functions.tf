locals {
  # Every value is a plain string, known before anything is made: a variable that comes of another resource would make the
  # plan of a function inconsistent, and its build start anew.
  environment = {
    AUTH_ISSUERS                  = jsonencode([for issuer in var.issuers : { for name, value in issuer : name => value if value != null }])
    AUTH_SERVICES                 = jsonencode([{ issuer = "https://accounts.google.com", email = local.scheduler_email }])
    AUTH_SERVICE_AUDIENCE         = local.service_audience
    CERTIFY_NEEDS_SECOND_GOVERNOR = tostring(var.certify_needs_second_governor)
    CLIENT_ADDRESS_FROM_RIGHT     = "2" # the load balancer adds the client's address, and its own
    CLOUDSQL_DATABASE             = "plant"
    CLOUDSQL_INSTANCE             = "${var.project}:${var.region}:${var.database_instance}"
    CLOUDSQL_READ_INSTANCE        = local.read_from_replica ? "${var.project}:${var.region}:${var.database_instance}-replica" : ""
    CORS_ORIGINS                  = join(",", [for domain in var.portal_domains : "https://${domain}"])
    CURSOR_KEY                    = local.secret_references["cursor-key"]
    DATABASE_MAX_CONNS            = tostring(var.database_pool)
    GOOGLE_CLOUD_PROJECT          = var.project
    OTEL_EXPORTER_OTLP_ENDPOINT   = var.trace_ratio > 0 ? "https://telemetry.googleapis.com" : ""
    PUBLIC_URL                    = "https://${var.domain}"
    REDIS_CA                      = local.secret_references["redis-ca"]
    REDIS_URL                     = local.secret_references["redis-url"]
    TRACE_RATIO                   = tostring(var.trace_ratio)
  }
  # Search embeds what is asked, and agents what was just written: with the same model, or the vectors have nothing to do with
  # each other.
  embedding = merge({ CACHE_KEY = local.secret_references["cache-key"] }, var.embedding)

  environment_of = {
    agents = merge(local.embedding, {
      AUDIT_KEY      = local.secret_references["audit-key"]
      AUDIT_LOG      = local.checkpoint_log
      AUDIT_OLD_KEYS = join(",", var.audit_old_keys)
    })
    search = local.embedding
  }

  environments = {
    for name, function in var.functions :
    name => merge(local.environment, { CLOUDSQL_USER = local.logins[name] }, lookup(local.environment_of, name, {}), function.environment)
  }

  # Seconds. The function itself ends every request sooner, but for an export of all amendments, whose reader may be slow.
  timeouts = { agents = 1800 }

  # What a function may in the project, beside its own secrets and the database.
  roles_of = {
    agents  = ["roles/aiplatform.user", "roles/logging.logWriter"] # embeddings; checkpoints go to Cloud Logging through its API
    metrics = []
    search  = ["roles/aiplatform.user"]
  }
  roles = ["roles/serviceusage.serviceUsageConsumer", "roles/telemetry.tracesWriter"]
}

resource "google_service_account" "function" {
  for_each = var.functions

  account_id   = "plant-${each.key}"
  display_name = "Plant's function ${each.key}"

  depends_on = [google_project_service.api]
}

resource "google_project_iam_member" "function" {
  for_each = merge([
    for name in keys(var.functions) : { for role in concat(local.roles, lookup(local.roles_of, name, [])) : "${name} ${role}" => { function = name, role = role } }
  ]...)

  member  = google_service_account.function[each.value.function].member
  project = var.project
  role    = each.value.role
}

resource "google_cloudfunctions2_function" "function" {
  for_each = var.functions

  name        = each.key
  description = "Plant: ${each.key}"
  location    = var.region

  build_config {
    docker_repository = google_artifact_registry_repository.functions.id
    entry_point       = local.manifest.functions[each.key].entry_point
    runtime           = var.runtime
    service_account   = google_service_account.build.id

    # Everything is in the archive, and nothing is downloaded.
    environment_variables = {
      GOFLAGS     = "-trimpath"
      GOPROXY     = "off"
      GOTOOLCHAIN = "local"
    }

    source {
      storage_source {
        bucket = google_storage_bucket.packages.name
        object = google_storage_bucket_object.package[each.key].name
      }
    }
  }

  service_config {
    all_traffic_on_latest_revision   = !var.canary
    available_cpu                    = each.value.cpu
    available_memory                 = each.value.memory
    direct_vpc_egress                = "VPC_EGRESS_PRIVATE_RANGES_ONLY"
    environment_variables            = { for name, value in local.environments[each.key] : name => value if value != "" }
    ingress_settings                 = "ALLOW_INTERNAL_AND_GCLB"
    max_instance_count               = each.value.max_instances
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = each.value.min_instances
    service_account_email            = google_service_account.function[each.key].email
    timeout_seconds                  = lookup(local.timeouts, each.key, 60)

    direct_vpc_network_interface {
      network    = google_compute_network.plant.name
      subnetwork = google_compute_subnetwork.functions.name
    }
  }

  # What a first request needs is there before the function is.
  depends_on = [
    google_artifact_registry_repository_iam_member.build,
    google_project_iam_member.build,
    google_project_iam_member.function,
    google_project_iam_member.function_database,
    google_secret_manager_secret_iam_member.function,
    google_secret_manager_secret_version.cache_key,
    google_secret_manager_secret_version.cursor_key,
    google_secret_manager_secret_version.redis_ca,
    google_secret_manager_secret_version.redis_url,
    google_sql_user.function,
  ]
}

# The load balancer has no Google token to show. What keeps others out is the ingress, Cloud Armor, and the function itself,
# which checks the caller's token.
resource "google_cloud_run_v2_service_iam_member" "function_invoker" {
  for_each = var.functions

  name     = google_cloudfunctions2_function.function[each.key].name
  location = var.region
  member   = "allUsers"
  role     = "roles/run.invoker"
}
