# Everybody may call a service that the load balancer does not lead to.

resource "google_cloudfunctions2_function" "agents" {
  name     = "agents"
  location = "asia-south1"

  service_config {
    ingress_settings = "ALLOW_INTERNAL_ONLY"
  }
}

resource "google_cloud_run_v2_service_iam_member" "bad" {
  name     = google_cloudfunctions2_function.agents.name
  location = "asia-south1"
  member   = "allUsers"
  role     = "roles/run.invoker"
}
