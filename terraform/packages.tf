locals {
  manifest        = jsondecode(file(var.manifest))
  manifest_folder = dirname(var.manifest)
}

# What scripts/package has made, and what was deployed before, for scripts/rollback. No rule deletes by age: the release that
# runs may be the oldest there is.
resource "google_storage_bucket" "packages" {
  name                        = "${var.project}-plant-packages-${var.region}" # a lost region's is still there when another takes over
  location                    = var.region
  public_access_prevention    = "enforced"
  uniform_bucket_level_access = true

  versioning {
    enabled = true
  }

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket_object" "package" {
  for_each = local.manifest.functions

  name   = each.value.archive # it holds the archive's hash
  bucket = google_storage_bucket.packages.name
  source = "${local.manifest_folder}/${each.value.archive}"
}
