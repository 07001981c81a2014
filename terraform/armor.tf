# What does not even reach a function. Limits of one caller are the functions' own: here only addresses are known.

locals {
  # OWASP's core rules, each set at its least suspicious level.
  waf_rules = {
    "lfi-v33-stable"              = 1000
    "rce-v33-stable"              = 1010
    "rfi-v33-stable"              = 1020
    "sqli-v33-stable"             = 1030
    "xss-v33-stable"              = 1040
    "protocolattack-v33-stable"   = 1050
    "scannerdetection-v33-stable" = 1060
    "sessionfixation-v33-stable"  = 1070
  }

  # Free text, which may look like anything: who describes a SQL tutor says "select … from".
  text_fields = [
    "company_type", "description", "evidence_url", "name", "prefix", "query", "specialization", "specializations", "tags", "text",
  ]

  max_body_bytes = 2097152 # the functions answer 413 above 1 MiB; far above it nothing reaches them
}

resource "google_compute_security_policy" "plant" {
  name        = "plant"
  description = "In front of Plant's functions"
  type        = "CLOUD_ARMOR"

  advanced_options_config {
    json_parsing                 = "STANDARD"
    log_level                    = "NORMAL" # verbose would log what people wrote
    request_body_inspection_size = "64KB"
  }

  rule {
    action      = "deny(404)"
    description = "Scheduled work is for the scheduler, however the path is written"
    priority    = 100
    match {
      expr {
        expression = "request.path.urlDecode().lower().matches('^/+internal(/|$)')"
      }
    }
  }

  rule {
    action      = "deny(403)"
    description = "No body is that long"
    priority    = 200
    match {
      expr {
        expression = "has(request.headers['content-length']) && int(request.headers['content-length']) > ${local.max_body_bytes}"
      }
    }
  }

  dynamic "rule" {
    for_each = local.waf_rules
    content {
      action      = "deny(403)"
      description = "OWASP: ${rule.key}"
      preview     = var.waf_preview
      priority    = rule.value
      match {
        expr {
          expression = "evaluatePreconfiguredWaf('${rule.key}', {'sensitivity': 1})"
        }
      }
      preconfigured_waf_config {
        exclusion {
          target_rule_set = rule.key
          dynamic "request_query_param" {
            for_each = local.text_fields
            content {
              operator = "EQUALS"
              value    = request_query_param.value
            }
          }
        }
      }
    }
  }

  rule {
    action      = "throttle"
    description = "Writes of one address"
    priority    = 2000
    match {
      expr {
        expression = "!(request.method == 'GET' || request.method == 'HEAD' || request.method == 'OPTIONS')"
      }
    }
    rate_limit_options {
      conform_action = "allow"
      enforce_on_key = "IP"
      exceed_action  = "deny(429)"
      rate_limit_threshold {
        count        = 1200
        interval_sec = 60
      }
    }
  }

  rule {
    action      = "rate_based_ban"
    description = "All of one address; who goes far beyond is kept out for ten minutes"
    priority    = 2100
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    rate_limit_options {
      ban_duration_sec = 600
      conform_action   = "allow"
      enforce_on_key   = "IP"
      exceed_action    = "deny(429)"
      ban_threshold {
        count        = 12000
        interval_sec = 60
      }
      rate_limit_threshold {
        count        = 3000 # as RATE_LIMIT_ADDRESS is
        interval_sec = 60
      }
    }
  }

  rule {
    action      = "allow"
    description = "Everything else"
    priority    = 2147483647
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  depends_on = [google_project_service.api]
}
