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
