# Plans and applies what prod.tfvars says. The variables are its lines: a test compares them.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  manifest = "tests/packages/manifest.json"

  environment     = "prod"
  project         = "waooaw-plant-prod"
  domain          = "api.waooaw.com"
  portal_domains  = ["www.waooaw.com", "partners.waooaw.com"]
  billing_account = "000000-000000-000000"
  budget          = 500
  alert_emails    = ["plant-oncall@waooaw.com"]

  database_max_connections = 240 # twice what the functions may open, for while revisions change, and 20
  database_tier            = "db-custom-2-7680"

  embedding = { EMBEDDING_LOCATION = "asia-south1", EMBEDDING_PROVIDER = "vertex" }

  functions = {
    agents  = { max_instances = 12, min_instances = 1 }
    metrics = { max_instances = 6 }
    search  = { max_instances = 9, min_instances = 1 }
  }

  issuers = [
    { issuer = "https://login.waooaw.com" },
  ]
}

run "plan" {
  command = plan

  assert {
    condition     = google_cloudfunctions2_function.function["agents"].service_config[0].min_instance_count == 1 && google_cloudfunctions2_function.function["search"].service_config[0].min_instance_count == 1
    error_message = "The hot functions are kept warm."
  }
  assert {
    condition     = google_sql_database_instance.plant.settings[0].availability_type == "REGIONAL" && google_redis_instance.plant.tier == "STANDARD_HA"
    error_message = "The database and Redis have standbys."
  }
  assert {
    condition     = google_logging_project_bucket_config.checkpoints.locked && google_logging_project_bucket_config.checkpoints.retention_days >= 365
    error_message = "Checkpoints cannot be taken away."
  }
  assert {
    condition = alltrue([
      for name in ["agents", "search"] : alltrue([
        google_cloudfunctions2_function.function[name].service_config[0].environment_variables.EMBEDDING_PROVIDER == "vertex",
        startswith(google_cloudfunctions2_function.function[name].service_config[0].environment_variables.CACHE_KEY, "secret://"),
        contains(keys(google_project_iam_member.function), "${name} roles/aiplatform.user"),
        contains(keys(google_secret_manager_secret_iam_member.function), "${name} cache-key"),
      ])
    ])
    error_message = "What is written and what is asked are embedded by different models, or not at all."
  }
  assert {
    condition     = 2 * local.connections <= var.database_max_connections - 20
    error_message = "While revisions change both may run at their most."
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
