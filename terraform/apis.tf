locals {
  apis = [
    "aiplatform", "artifactregistry", "billingbudgets", "cloudbuild", "cloudfunctions", "cloudresourcemanager",
    "cloudscheduler", "compute", "iam", "logging", "monitoring", "redis", "run", "secretmanager", "servicenetworking",
    "sqladmin", "storage", "telemetry",
  ]
}

resource "google_project_service" "api" {
  for_each = toset(local.apis)

  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false # others of the project may use it
}
