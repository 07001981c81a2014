# The functions reach the database and Redis inside this network, and Google's APIs and identity providers outside of it.

resource "google_compute_network" "plant" {
  name                    = "plant"
  auto_create_subnetworks = false

  depends_on = [google_project_service.api]
}

resource "google_compute_subnetwork" "functions" {
  name                     = "plant-functions"
  ip_cidr_range            = var.functions_cidr # an instance takes two addresses, and twice as many while revisions change
  network                  = google_compute_network.plant.id
  private_ip_google_access = true
  region                   = var.region

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
  }
}

# Cloud SQL, Redis and the build pool live in Google's network, at addresses of this range.
resource "google_compute_global_address" "services" {
  name          = "plant-services"
  address       = "10.16.0.0"
  address_type  = "INTERNAL"
  network       = google_compute_network.plant.id
  prefix_length = 20
  purpose       = "VPC_PEERING"
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.plant.id
  reserved_peering_ranges = [google_compute_global_address.services.name]
  service                 = "servicenetworking.googleapis.com"

  depends_on = [google_project_service.api]
}
