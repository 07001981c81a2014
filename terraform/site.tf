# Static files: the reference, the documents and the problems' pages that scripts/package makes, and those of the portals,
# which put theirs beside them.

resource "google_storage_bucket" "site" {
  name                        = "${var.project}-plant-site-${var.region}" # a lost region's is still there when another takes over
  location                    = var.region
  uniform_bucket_level_access = true

  versioning {
    enabled = true
  }

  website {
    main_page_suffix = "index.html"
    not_found_page   = "404.html"
  }

  depends_on = [google_project_service.api]
}

# Everybody reads a file whose name they know, and nobody lists them: portals put theirs here before they are announced. Of one
# who may not list, the API may say 403 rather than 404 where there is no such file.
resource "google_storage_bucket_iam_member" "site_reader" {
  bucket = google_storage_bucket.site.name
  member = "allUsers"
  role   = "roles/storage.legacyObjectReader"
}

resource "google_storage_bucket_object" "site" {
  for_each = local.manifest.static_files

  name          = each.key
  bucket        = google_storage_bucket.site.name
  cache_control = each.value.cache_control
  content_type  = each.value.content_type
  source        = "${local.manifest_folder}/${each.value.path}"
}

resource "google_compute_backend_bucket" "site" {
  name                    = "plant-site"
  bucket_name             = google_storage_bucket.site.name
  compression_mode        = "AUTOMATIC"
  custom_response_headers = concat(local.transport_headers, [for name, value in local.manifest.static_headers : "${name}: ${value}"])
  enable_cdn              = true

  cdn_policy {
    cache_mode = "USE_ORIGIN_HEADERS"
  }
}
