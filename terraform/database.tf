locals {
  # Whether reads of the public go to the replica: it has to be as near as the database.
  read_from_replica = var.database_replica_region == var.region

  # Of 7.5 GiB a quarter is shared_buffers by default. Indexes of vectors are built in maintenance_work_mem.
  database_flags = {
    "cloudsql.iam_authentication"         = "on"
    "maintenance_work_mem"                = "524288"
    "max_connections"                     = tostring(var.database_max_connections)
    "max_parallel_maintenance_workers"    = "2"
    "idle_in_transaction_session_timeout" = "60000"
  }

  # A service account's login is its address without .gserviceaccount.com.
  logins = { for name in keys(var.functions) : name => "plant-${name}@${var.project}.iam" }

  # What all functions together may open, at most.
  connections = sum([for f in var.functions : f.max_instances]) * var.database_pool
}

resource "google_sql_database_instance" "plant" {
  name                = var.database_instance
  database_version    = var.database_version
  deletion_protection = true
  region              = var.region

  settings {
    availability_type           = var.database_availability
    connector_enforcement       = "NOT_REQUIRED" # scripts/migrate logs in with a password, over TLS
    deletion_protection_enabled = true
    disk_autoresize             = true
    disk_size                   = 20
    disk_type                   = "PD_SSD"
    edition                     = "ENTERPRISE"
    retain_backups_on_delete    = true
    tier                        = var.database_tier

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      start_time                     = "03:00"
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = 30
        retention_unit   = "COUNT"
      }
    }

    dynamic "database_flags" {
      for_each = local.database_flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }

    insights_config {
      query_insights_enabled  = true
      query_plans_per_minute  = 5
      query_string_length     = 4500
      record_application_tags = true
      record_client_address   = false # it is somebody's
    }

    ip_configuration {
      enable_private_path_for_google_cloud_services = false
      ipv4_enabled                                  = false
      private_network                               = google_compute_network.plant.id
      ssl_mode                                      = "ENCRYPTED_ONLY"
    }

    maintenance_window {
      day          = 7
      hour         = 21
      update_track = "stable"
    }
  }

  lifecycle {
    ignore_changes = [settings[0].disk_size] # it grows

    precondition {
      condition     = local.connections <= var.database_max_connections - 20
      error_message = "All functions together may open ${local.connections} connections (instances × database_pool); database_max_connections − 20 is ${var.database_max_connections - 20}."
    }
  }

  depends_on = [google_service_networking_connection.services]
}

resource "google_sql_database_instance" "replica" {
  count = var.database_replica_region == "" ? 0 : 1

  name                 = "${var.database_instance}-replica"
  database_version     = var.database_version
  deletion_protection  = true
  master_instance_name = google_sql_database_instance.plant.name
  region               = var.database_replica_region

  settings {
    availability_type           = "ZONAL"
    deletion_protection_enabled = true
    disk_autoresize             = true
    disk_type                   = "PD_SSD"
    edition                     = "ENTERPRISE"
    tier                        = var.database_tier

    # A standby refuses queries where it allows fewer connections than the primary.
    dynamic "database_flags" {
      for_each = local.database_flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }

    insights_config {
      query_insights_enabled = true
    }

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.plant.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }
  }
}

resource "google_sql_database" "plant" {
  name     = "plant"
  instance = google_sql_database_instance.plant.name
}

# The owner migrates, and nobody else logs in with a password.
resource "google_sql_user" "owner" {
  name                = "plant_owner"
  deletion_policy     = "ABANDON" # it owns the schema
  instance            = google_sql_database_instance.plant.name
  password_wo         = ephemeral.random_password.database_owner.result
  password_wo_version = var.secrets_generation
}

# A function logs in as its service account, without a password, and may what plant_app may.
resource "google_sql_user" "function" {
  for_each = var.functions

  name           = local.logins[each.key]
  database_roles = var.database_migrated ? ["plant_app"] : null
  instance       = google_sql_database_instance.plant.name
  type           = "CLOUD_IAM_SERVICE_ACCOUNT"

  depends_on = [google_service_account.function]
}

resource "google_project_iam_member" "function_database" {
  for_each = {
    for pair in setproduct(keys(var.functions), ["roles/cloudsql.client", "roles/cloudsql.instanceUser"]) :
    "${pair[0]} ${pair[1]}" => { function = pair[0], role = pair[1] }
  }

  member  = google_service_account.function[each.value.function].member
  project = var.project
  role    = each.value.role
}
