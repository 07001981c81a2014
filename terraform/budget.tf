resource "google_billing_budget" "plant" {
  billing_account = var.billing_account
  display_name    = "Plant ${var.environment}"

  amount {
    specified_amount {
      units = tostring(var.budget)
    }
  }

  budget_filter {
    projects = ["projects/${var.project}"]
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]
    content {
      threshold_percent = threshold_rules.value
    }
  }
  threshold_rules {
    spend_basis       = "FORECASTED_SPEND"
    threshold_percent = 1.2
  }

  all_updates_rule {
    monitoring_notification_channels = local.notification_channels
  }
}
