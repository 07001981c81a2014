locals {
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  # Measures that may not be above a threshold for long.
  alerts = {
    database-cpu = {
      name      = "the database's CPU is above 80 %"
      do        = "Query Insights says which statements; a larger database_tier is a restart of about a minute."
      filter    = "resource.type=\"cloudsql_database\" resource.labels.database_id=\"${var.project}:${var.database_instance}\" metric.type=\"cloudsql.googleapis.com/database/cpu/utilization\""
      aligner   = "ALIGN_MEAN"
      reducer   = "REDUCE_MAX"
      threshold = 0.8
      duration  = "600s"
    }
    database-connections = {
      name      = "nine tenths of the database's connections are in use"
      do        = "Something beside the functions is connected, or max_instances × database_pool was changed by hand."
      filter    = "resource.type=\"cloudsql_database\" resource.labels.database_id=\"${var.project}:${var.database_instance}\" metric.type=\"cloudsql.googleapis.com/database/postgresql/num_backends\""
      aligner   = "ALIGN_MAX"
      reducer   = "REDUCE_SUM"
      threshold = var.database_max_connections * 0.9
      duration  = "300s"
    }
    database-disk = {
      name      = "the database's disk is nearly full"
      do        = "It grows by itself: look whether it has reached a limit, and what fills it."
      filter    = "resource.type=\"cloudsql_database\" resource.labels.database_id=\"${var.project}:${var.database_instance}\" metric.type=\"cloudsql.googleapis.com/database/disk/utilization\""
      aligner   = "ALIGN_MEAN"
      reducer   = "REDUCE_MAX"
      threshold = 0.9
      duration  = "600s"
    }
    latency = {
      name      = "p99 is above 1 s"
      do        = "Server-Timing of slow answers says whether it is the database; then Query Insights, else instances at their maximum."
      filter    = "${local.balancer_filter} metric.type=\"loadbalancing.googleapis.com/https/total_latencies\""
      aligner   = "ALIGN_DELTA"
      reducer   = "REDUCE_PERCENTILE_99"
      threshold = 1000 # ms
      duration  = "600s"
    }
    redis-memory = {
      name      = "Redis's memory is above 90 %"
      do        = "Raise redis_memory_gb. Nothing is lost meanwhile: what ends soonest is forgotten first."
      filter    = "resource.type=\"redis_instance\" resource.labels.instance_id=\"${google_redis_instance.plant.id}\" metric.type=\"redis.googleapis.com/stats/memory/usage_ratio\""
      aligner   = "ALIGN_MEAN"
      reducer   = "REDUCE_MAX"
      threshold = 0.9
      duration  = "300s"
    }
  }

  # Log entries of which one is too many.
  log_alerts = {
    audit-broken = {
      name   = "the log of amendments is not the one that was signed"
      do     = "Somebody has changed amendments or the tree. Nothing more is signed. Export, verify by scripts/audit verify, and keep the checkpoint bucket's entries."
      filter = "resource.type=\"cloud_run_revision\" resource.labels.service_name=\"agents\" severity>=ERROR jsonPayload.message=\"the log of amendments is not the one that was signed\""
    }
    out-of-memory = {
      name   = "an instance ran out of memory"
      do     = "Raise memory of that function in the environment's tfvars, or lower its concurrency."
      filter = "resource.type=\"cloud_run_revision\" resource.labels.service_name=(${join(" OR ", formatlist("\"%s\"", keys(var.functions)))}) textPayload=~\"[Mm]emory limit of .* exceeded\""
    }
    secret-read-by-person = {
      name   = "somebody who is no service account has read a secret"
      do     = "Ask them. Where nobody knows of it, rotate the secret by scripts/rotate-secret, and look what else they did."
      filter = "protoPayload.serviceName=\"secretmanager.googleapis.com\" protoPayload.methodName=~\"AccessSecretVersion$\" NOT protoPayload.authenticationInfo.principalEmail=~\"gserviceaccount\\.com$\""
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alert_emails)

  display_name = each.key
  type         = "email"

  labels = {
    email_address = each.key
  }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "measure" {
  for_each = local.alerts

  display_name          = "Plant: ${each.value.name}"
  combiner              = "OR"
  notification_channels = local.notification_channels
  severity              = "WARNING"

  conditions {
    display_name = each.value.name
    condition_threshold {
      comparison      = "COMPARISON_GT"
      duration        = each.value.duration
      filter          = each.value.filter
      threshold_value = each.value.threshold

      aggregations {
        alignment_period     = "60s"
        cross_series_reducer = each.value.reducer
        per_series_aligner   = each.value.aligner
      }
    }
  }

  documentation {
    content = each.value.do
  }
}

resource "google_monitoring_alert_policy" "errors" {
  display_name          = "Plant: more than 1 % of requests fail"
  combiner              = "OR"
  notification_channels = local.notification_channels
  severity              = "CRITICAL"

  conditions {
    display_name = "5xx ÷ all, for 5 minutes"
    condition_threshold {
      comparison         = "COMPARISON_GT"
      denominator_filter = "${local.balancer_filter} metric.type=\"loadbalancing.googleapis.com/https/request_count\""
      duration           = "300s"
      filter             = "${local.balancer_filter} metric.type=\"loadbalancing.googleapis.com/https/request_count\" metric.labels.response_code_class=500"
      threshold_value    = 0.01

      aggregations {
        alignment_period     = "60s"
        cross_series_reducer = "REDUCE_SUM"
        per_series_aligner   = "ALIGN_RATE"
      }
      denominator_aggregations {
        alignment_period     = "60s"
        cross_series_reducer = "REDUCE_SUM"
        per_series_aligner   = "ALIGN_RATE"
      }
    }
  }

  documentation {
    content = "After a deployment: scripts/rollback. Else the functions' log says why, and /api/v1/agents/ready which dependency."
  }
}

resource "google_monitoring_alert_policy" "log" {
  for_each = local.log_alerts

  display_name          = "Plant: ${each.value.name}"
  combiner              = "OR"
  notification_channels = local.notification_channels
  severity              = "CRITICAL"

  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "300s"
    }
  }

  conditions {
    display_name = each.value.name
    condition_matched_log {
      filter = each.value.filter
    }
  }

  documentation {
    content = each.value.do
  }
}

# A checkpoint is written, where it is due, before the scheduler's call is answered: while no call succeeds, none advances.
resource "google_logging_metric" "scheduled" {
  for_each = local.jobs

  name        = "plant/${each.key}"
  description = "Calls of the scheduler for ${each.key} that were answered well"
  filter      = "resource.type=\"cloud_scheduler_job\" resource.labels.job_id=\"plant-${each.key}\" jsonPayload.\"@type\"=\"type.googleapis.com/google.cloud.scheduler.logging.AttemptFinished\" severity<WARNING"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "scheduled" {
  for_each = local.jobs

  display_name          = each.key == "sequence" ? "Plant: audit checkpoints do not advance" : "Plant: ${each.key} does not advance"
  combiner              = "OR"
  notification_channels = local.notification_channels
  severity              = each.key == "sequence" ? "CRITICAL" : "WARNING"

  conditions {
    display_name = "no call that was answered well"
    condition_absent {
      duration = each.key == "sequence" ? "900s" : "3600s"
      filter   = "resource.type=\"cloud_scheduler_job\" metric.type=\"logging.googleapis.com/user/${google_logging_metric.scheduled[each.key].name}\""

      aggregations {
        alignment_period     = "300s"
        cross_series_reducer = "REDUCE_SUM"
        per_series_aligner   = "ALIGN_DELTA"
      }
    }
  }

  documentation {
    content = "The job's log says what it was answered, and the function's log why: ${each.value.description}."
  }

  # Up to 10 minutes after it was made a metric is not found. The jobs come last: the first time, a quarter of an hour later.
  depends_on = [google_cloud_scheduler_job.job]
}

resource "google_monitoring_uptime_check_config" "ready" {
  for_each = var.functions

  display_name = "Plant: ${each.key} is ready"
  period       = "60s"
  timeout      = "10s"

  http_check {
    path         = "/api/v1/${each.key}/ready"
    port         = 443
    use_ssl      = true
    validate_ssl = true
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      host       = var.domain
      project_id = var.project
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "ready" {
  for_each = var.functions

  display_name          = "Plant: ${each.key} is not ready"
  combiner              = "OR"
  notification_channels = local.notification_channels
  severity              = "CRITICAL"

  conditions {
    display_name = "two regions or more say so for 3 minutes"
    condition_threshold {
      comparison      = "COMPARISON_GT"
      duration        = "180s"
      filter          = "resource.type=\"uptime_url\" metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" metric.labels.check_id=\"${google_monitoring_uptime_check_config.ready[each.key].uptime_check_id}\""
      threshold_value = 1

      aggregations {
        alignment_period     = "120s"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
      }
    }
  }

  documentation {
    content = "Call https://${var.domain}/api/v1/${each.key}/ready: it names what does not answer."
  }
}
