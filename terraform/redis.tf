# Redis counts requests for all instances together. Nothing is lost with it: each instance counts on its own meanwhile.

resource "google_redis_instance" "plant" {
  name                    = "plant"
  auth_enabled            = true
  authorized_network      = google_compute_network.plant.id
  connect_mode            = "PRIVATE_SERVICE_ACCESS"
  memory_size_gb          = var.redis_memory_gb
  redis_version           = "REDIS_7_2"
  region                  = var.region
  tier                    = var.redis_tier
  transit_encryption_mode = "SERVER_AUTHENTICATION"

  redis_configs = {
    maxmemory-policy = "volatile-ttl"
  }

  maintenance_policy {
    weekly_maintenance_window {
      day = "SUNDAY"
      start_time {
        hours = 22
      }
    }
  }

  depends_on = [google_service_networking_connection.services]
}
