# Plans and applies what uat.tfvars says. The variables are its lines: a test compares them.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  manifest = "tests/packages/manifest.json"

  environment     = "uat"
  project         = "waooaw-plant-uat"
  domain          = "api.uat.waooaw.com"
  portal_domains  = ["uat.waooaw.com"]
  billing_account = "000000-000000-000000"
  budget          = 300
  alert_emails    = ["plant-uat@waooaw.com"]

  approve_deployments      = false
  audit_lock               = false
  audit_retention_days     = 90
  database_max_connections = 120
  database_tier            = "db-custom-1-3840"
  redis_tier               = "STANDARD_HA"
  trace_ratio              = 0.1

  embedding = { EMBEDDING_LOCATION = "asia-south1", EMBEDDING_PROVIDER = "vertex" }

  functions = {
    agents  = { max_instances = 8 }
    metrics = { max_instances = 6 }
    search  = { max_instances = 8 }
  }

  issuers = [
    { issuer = "https://login.uat.waooaw.com" },
  ]
}

run "plan" {
  command = plan

  assert {
    condition     = google_sql_database_instance.plant.settings[0].availability_type == "REGIONAL" && google_redis_instance.plant.tier == "STANDARD_HA"
    error_message = "What passes here has to pass in production: the database and Redis have standbys."
  }
}

run "apply" {
  # Role S is known by account and audience: both sides have to say the same.
  assert {
    condition = alltrue([
      for f in google_cloudfunctions2_function.function : alltrue([
        for job in google_cloud_scheduler_job.job : job.http_target[0].oidc_token[0].audience == f.service_config[0].environment_variables.AUTH_SERVICE_AUDIENCE
      ]) && jsondecode(f.service_config[0].environment_variables.AUTH_SERVICES)[0].email == "${google_service_account.scheduler.account_id}@${var.project}.iam.gserviceaccount.com"
    ])
    error_message = "The functions would not know the scheduler's tokens."
  }
  assert {
    condition     = output.url == "https://${var.domain}"
    error_message = "The output url is not that of the domain."
  }
  assert {
    condition     = length(google_compute_url_map.plant.test) == length(local.patterns) + length(local.static_rules) + 1 + length(var.portal_domains)
    error_message = "The URL map tests each rule, and the default."
  }
}
