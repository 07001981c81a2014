# A function that everybody reaches past the load balancer.

resource "google_cloudfunctions2_function" "bad" {
  name     = "agents"
  location = "asia-south1"

  service_config {
    ingress_settings = "ALLOW_ALL"
  }
}
