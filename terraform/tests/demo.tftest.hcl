# Plans and applies what demo.tfvars says. The variables are its lines: a test compares them.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  manifest = "tests/packages/manifest.json"

  environment     = "demo"
  project         = "waooaw-plant-demo"
  domain          = "api.demo.waooaw.com"
  portal_domains  = ["demo.waooaw.com"]
  billing_account = "000000-000000-000000"
  budget          = 150
  alert_emails    = ["plant-demo@waooaw.com"]

  approve_deployments           = false
  audit_lock                    = false
  audit_retention_days          = 30
  certify_needs_second_governor = false
  database_availability         = "ZONAL"
  database_max_connections      = 100
  database_tier                 = "db-custom-1-3840"
  redis_tier                    = "BASIC"
  trace_ratio                   = 0.1

  functions = {
    agents  = { max_instances = 5 }
    metrics = { max_instances = 3 }
    search  = { max_instances = 5 }
  }

  issuers = [
    { issuer = "https://login.demo.waooaw.com" },
  ]
}

run "plan" {
  command = plan

  assert {
    condition     = alltrue([for f in google_cloudfunctions2_function.function : f.service_config[0].min_instance_count == 0])
    error_message = "Nothing is kept warm here."
  }
  assert {
    condition     = google_logging_project_bucket_config.checkpoints.locked == false
    error_message = "What is for showing can be taken away again."
  }
  assert {
    condition     = length(google_sql_database_instance.replica) == 0
    error_message = "There is a replica that nobody asked for."
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
