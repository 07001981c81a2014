resource "google_billing_budget" "plant" {
  billing_account = var.billing_account
  display_name    = "Plant ${var.environment}"

  amount {
    specified_amount {
      units = tostring(var.budget)
    }
  }

  budget_filter {
    projects = ["projects/${google_storage_bucket.packages.project_number}"] # the API knows projects by their numbers
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

# The pipeline refreshes the budget with everything else. It sees the account's costs for that, and no more.
resource "google_billing_account_iam_member" "deploy" {
  billing_account_id = var.billing_account
  member             = google_service_account.deploy.member
  role               = "roles/billing.costsManager"
}
