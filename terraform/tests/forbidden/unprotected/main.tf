# A database that one apply could delete.

resource "google_sql_database_instance" "bad" {
  database_version    = "POSTGRES_17"
  deletion_protection = false
  region              = "asia-south1"

  settings {
    deletion_protection_enabled = false
    tier                        = "db-custom-1-3840"

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
    }

    ip_configuration {
      ipv4_enabled    = false
      private_network = "projects/example/global/networks/plant"
      ssl_mode        = "ENCRYPTED_ONLY"
    }
  }
}
