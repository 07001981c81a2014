# For showing and trying: small, and nothing is kept warm.
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
