# No value of a secret is in the plan or the state: ephemeral values go to write-only arguments. A function is told where a
# secret is, as secret://…/versions/latest, and reads it when it starts: to change one, no function has to be built anew.

locals {
  secrets = {
    audit-key      = ["agents"] # made by scripts/rotate-secret: it is an Ed25519 key in a form that only Plant makes
    cache-key      = ["agents", "search"]
    cursor-key     = keys(var.functions)
    database-owner = []                   # for migrations
    embedding-key  = ["agents", "search"] # of a provider that wants one: scripts/rotate-secret embedding-key reads it
    redis-ca       = keys(var.functions)
    redis-url      = keys(var.functions)
  }
  secret_references = { for name in keys(local.secrets) : name => "secret://projects/${var.project}/secrets/plant-${name}/versions/latest" }
}

ephemeral "random_password" "cache_key" {
  length  = 64
  special = false
}

ephemeral "random_password" "cursor_key" {
  length  = 64
  special = false
}

ephemeral "random_password" "database_owner" {
  length  = 48
  special = false # it is part of a URL
}

resource "google_secret_manager_secret" "plant" {
  for_each = local.secrets

  secret_id = "plant-${each.key}"

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_iam_member" "function" {
  for_each = merge([
    for name, functions in local.secrets : { for function in functions : "${function} ${name}" => { function = function, secret = name } }
  ]...)

  member    = google_service_account.function[each.value.function].member
  role      = "roles/secretmanager.secretAccessor"
  secret_id = google_secret_manager_secret.plant[each.value.secret].id
}

resource "google_secret_manager_secret_version" "cache_key" {
  secret                 = google_secret_manager_secret.plant["cache-key"].id
  secret_data_wo         = ephemeral.random_password.cache_key.result
  secret_data_wo_version = var.secrets_generation

  lifecycle {
    create_before_destroy = true # a function that starts meanwhile finds one
  }
}

resource "google_secret_manager_secret_version" "cursor_key" {
  secret                 = google_secret_manager_secret.plant["cursor-key"].id
  secret_data_wo         = ephemeral.random_password.cursor_key.result
  secret_data_wo_version = var.secrets_generation

  lifecycle {
    create_before_destroy = true # a function that starts meanwhile finds one
  }
}

resource "google_secret_manager_secret_version" "database_owner" {
  secret                 = google_secret_manager_secret.plant["database-owner"].id
  secret_data_wo         = ephemeral.random_password.database_owner.result
  secret_data_wo_version = var.secrets_generation

  lifecycle {
    create_before_destroy = true
  }

  # The value is another in each run: what ends between the two would leave a secret that opens nothing.
  depends_on = [google_sql_user.owner]
}

# Whoever has the AUTH string and is inside the network can change counters of requests, no more. The provider itself reads
# it into the state, from which it is passed on here.
resource "google_secret_manager_secret_version" "redis_url" {
  secret                 = google_secret_manager_secret.plant["redis-url"].id
  secret_data_wo         = "rediss://:${google_redis_instance.plant.auth_string}@${google_redis_instance.plant.host}:${google_redis_instance.plant.port}/0"
  secret_data_wo_version = var.secrets_generation

  # The former version stays, so that there always is one. create_before_destroy would ask the same of Redis, whose name is taken.
  deletion_policy = "ABANDON"

  lifecycle {
    replace_triggered_by = [google_redis_instance.plant.auth_string, google_redis_instance.plant.host]
  }
}

# Redis's certificate is of an authority of its own. That is no secret, but too long, and known too late, for a variable.
resource "google_secret_manager_secret_version" "redis_ca" {
  secret                 = google_secret_manager_secret.plant["redis-ca"].id
  secret_data_wo         = join("\n", google_redis_instance.plant.server_ca_certs[*].cert)
  secret_data_wo_version = var.secrets_generation
  deletion_policy        = "ABANDON"

  lifecycle {
    replace_triggered_by = [google_redis_instance.plant.host] # another Redis has another authority
  }
}
