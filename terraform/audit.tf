# What shows that nothing was changed behind everybody's back lies where who can change the database cannot reach.

locals {
  checkpoint_log = "plant-checkpoints"
}

resource "google_logging_project_bucket_config" "checkpoints" {
  bucket_id      = "plant-checkpoints"
  description    = "Signed checkpoints of Plant's amendments"
  location       = var.region
  locked         = var.audit_lock
  project        = var.project
  retention_days = var.audit_retention_days

  depends_on = [google_project_service.api]
}

resource "google_logging_project_sink" "checkpoints" {
  name                   = "plant-checkpoints"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.checkpoints.id}"
  filter                 = "logName=\"projects/${var.project}/logs/${local.checkpoint_log}\""
  unique_writer_identity = true
}

# Who reads a secret leaves a trace. There is an alert on people: see alerts.tf.
resource "google_project_iam_audit_config" "secrets" {
  project = var.project
  service = "secretmanager.googleapis.com"

  audit_log_config {
    log_type = "ADMIN_READ"
  }
  audit_log_config {
    log_type = "DATA_READ"
  }
  audit_log_config {
    log_type = "DATA_WRITE"
  }
}
