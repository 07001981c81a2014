# The service level as callers see it: at the load balancer.

locals {
  balancer_filter = "resource.type=\"https_lb_rule\" resource.labels.url_map_name=\"${google_compute_url_map.plant.name}\""

  slos = {
    availability = { goal = 0.999, name = "99.9 % of requests are answered, and not by 5xx" }
    latency      = { goal = 0.95, name = "95 % of requests are answered within 500 ms" }
  }

  # How fast the budget of errors burns, over how long a window: at 14.4 it would be spent in two days, at 6 in five.
  burn_rates = {
    fast = { minutes = 60, rate = 14.4, severity = "CRITICAL" }
    slow = { minutes = 360, rate = 6, severity = "WARNING" }
  }
}

resource "google_monitoring_custom_service" "plant" {
  service_id   = "plant"
  display_name = "Plant"

  depends_on = [google_project_service.api]
}

resource "google_monitoring_slo" "availability" {
  service             = google_monitoring_custom_service.plant.service_id
  display_name        = local.slos.availability.name
  goal                = local.slos.availability.goal
  rolling_period_days = 28
  slo_id              = "availability"

  request_based_sli {
    good_total_ratio {
      bad_service_filter   = "metric.type=\"loadbalancing.googleapis.com/https/request_count\" ${local.balancer_filter} metric.labels.response_code_class=500"
      total_service_filter = "metric.type=\"loadbalancing.googleapis.com/https/request_count\" ${local.balancer_filter}"
    }
  }
}

resource "google_monitoring_slo" "latency" {
  service             = google_monitoring_custom_service.plant.service_id
  display_name        = local.slos.latency.name
  goal                = local.slos.latency.goal
  rolling_period_days = 28
  slo_id              = "latency"

  request_based_sli {
    distribution_cut {
      distribution_filter = "metric.type=\"loadbalancing.googleapis.com/https/total_latencies\" ${local.balancer_filter}"
      range {
        max = 500 # ms
      }
    }
  }
}

resource "google_monitoring_alert_policy" "burn_rate" {
  for_each = {
    for pair in setproduct(keys(local.slos), keys(local.burn_rates)) : "${pair[0]}-${pair[1]}" => { burn = local.burn_rates[pair[1]], slo = pair[0] }
  }

  display_name          = "Plant: the error budget of ${each.value.slo} burns ${each.value.burn.rate} times too fast"
  combiner              = "AND"
  notification_channels = local.notification_channels
  severity              = each.value.burn.severity

  # The long window tells that it matters, the short one that it still goes on.
  dynamic "conditions" {
    for_each = [each.value.burn.minutes, each.value.burn.minutes / 12]
    content {
      display_name = "over ${conditions.value} minutes"
      condition_threshold {
        comparison      = "COMPARISON_GT"
        duration        = "0s"
        filter          = "select_slo_burn_rate(\"${each.value.slo == "latency" ? google_monitoring_slo.latency.name : google_monitoring_slo.availability.name}\", \"${conditions.value * 60}s\")"
        threshold_value = each.value.burn.rate
      }
    }
  }

  documentation {
    content = "Look at the dashboard Plant, then at the troubleshooting table of terraform/README.md."
  }
}
