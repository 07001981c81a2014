# As production, at half its size: what passes here passes there.
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
