output "address" {
  description = "Where the domain's DNS record has to point."
  value       = google_compute_global_address.balancer.address
}

output "database_host" {
  description = "The database's private address, in reach of the build pool."
  value       = google_sql_database_instance.plant.private_ip_address
}

output "database_instance" {
  description = "PROJECT:REGION:NAME of the database."
  value       = "${var.project}:${var.region}:${var.database_instance}"
}

output "deploy_account" {
  description = "What migrations, and the pipeline, run as."
  value       = google_service_account.deploy.id
}

output "functions" {
  description = "The functions' names, which are those of their Cloud Run services."
  value       = sort(keys(var.functions))
}

output "migrated" {
  description = "Whether the schema was there when this was applied."
  value       = var.database_migrated
}

output "packages_bucket" {
  description = "The bucket of packages and former releases."
  value       = google_storage_bucket.packages.name
}

output "pool" {
  description = "The build pool inside the network."
  value       = google_cloudbuild_worker_pool.plant.id
}

output "project" {
  description = "The project's id."
  value       = var.project
}

output "region" {
  description = "Where everything runs that has a region."
  value       = var.region
}

output "routes" {
  description = "What the URL map leads where, in its order: a test compares it with the table of the functions."
  value = concat(
    [for rule in local.patterns : { to = rule.function, templates = rule.templates }],
    [for rule in local.static_rules : { to = "site", templates = rule.templates }],
  )
}

output "site_bucket" {
  description = "The bucket of the portals' static files."
  value       = google_storage_bucket.site.name
}

output "url" {
  description = "Where the API is."
  value       = "https://${var.domain}"
}
