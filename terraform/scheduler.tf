# Work that nobody asks for. Each job calls its function's own URL, which only this project's scheduler and the load balancer
# reach, and the load balancer answers 404 there; the function knows the job by the account in its token.

locals {
  scheduler_email  = "plant-scheduler@${var.project}.iam.gserviceaccount.com"
  service_audience = "plant-services"

  jobs = {
    index    = { deadline = "180s", description = "Embeds what is new or stale", function = "search", schedule = "* * * * *" }
    rollup   = { deadline = "180s", description = "Makes partitions ahead, and drops old ones", function = "metrics", schedule = "*/15 * * * *" }
    sequence = { deadline = "60s", description = "Gives amendments their places, and signs a checkpoint", function = "agents", schedule = "* * * * *" }
  }
}

resource "google_service_account" "scheduler" {
  account_id   = "plant-scheduler"
  display_name = "Plant's scheduled work"

  depends_on = [google_project_service.api]
}

resource "google_cloud_scheduler_job" "job" {
  for_each = local.jobs

  name             = "plant-${each.key}"
  attempt_deadline = each.value.deadline
  description      = each.value.description
  region           = var.region
  schedule         = each.value.schedule
  time_zone        = "Etc/UTC"

  http_target {
    http_method = "POST"
    uri         = "${google_cloudfunctions2_function.function[each.value.function].service_config[0].uri}/internal/${each.key}"

    oidc_token {
      audience              = local.service_audience
      service_account_email = google_service_account.scheduler.email
    }
  }

  retry_config {
    max_backoff_duration = "30s"
    min_backoff_duration = "5s"
    retry_count          = 2
  }
}
