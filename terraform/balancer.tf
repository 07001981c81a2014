locals {
  # Everything is https, and stays so.
  transport_headers = ["Strict-Transport-Security: max-age=31536000; includeSubDomains"]
}

resource "google_compute_global_address" "balancer" {
  name = "plant"

  depends_on = [google_project_service.api]
}

resource "google_compute_region_network_endpoint_group" "function" {
  for_each = var.functions

  name                  = "plant-${each.key}"
  network_endpoint_type = "SERVERLESS"
  region                = var.region

  cloud_run {
    service = google_cloudfunctions2_function.function[each.key].name
  }
}

resource "google_compute_backend_service" "function" {
  for_each = var.functions

  name                    = "plant-${each.key}"
  custom_response_headers = local.transport_headers
  enable_cdn              = true
  load_balancing_scheme   = "EXTERNAL_MANAGED"
  protocol                = "HTTPS"
  security_policy         = google_compute_security_policy.plant.id

  backend {
    group = google_compute_region_network_endpoint_group.function[each.key].id
  }

  # Only what a function calls public is kept, for as long as it says; whoever shows a token asks the function itself.
  cdn_policy {
    cache_mode       = "USE_ORIGIN_HEADERS"
    negative_caching = false

    bypass_cache_on_request_headers {
      header_name = "Authorization"
    }

    # What CORS answers depends on Origin, which the cache looks at because of Vary.
    cache_key_policy {
      include_host         = true
      include_protocol     = true
      include_query_string = true
    }
  }

  log_config {
    enable      = true
    sample_rate = 0.1 # the functions log every request; this is for what does not reach them
  }
}

resource "google_compute_ssl_policy" "plant" {
  name            = "plant"
  min_tls_version = "TLS_1_2"
  profile         = "RESTRICTED"

  depends_on = [google_project_service.api]
}

resource "google_compute_managed_ssl_certificate" "plant" {
  # A certificate with other names is another one, which is there before the former goes.
  name = "plant-${substr(sha256(join(",", local.certificate_domains)), 0, 8)}"

  managed {
    domains = local.certificate_domains
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [google_project_service.api]
}

locals {
  certificate_domains = concat([var.domain], var.portal_domains)
}

resource "google_compute_target_https_proxy" "plant" {
  name             = "plant"
  ssl_certificates = [google_compute_managed_ssl_certificate.plant.id]
  ssl_policy       = google_compute_ssl_policy.plant.id
  url_map          = google_compute_url_map.plant.id
}

resource "google_compute_global_forwarding_rule" "https" {
  name                  = "plant-https"
  ip_address            = google_compute_global_address.balancer.id
  load_balancing_scheme = "EXTERNAL_MANAGED"
  port_range            = "443"
  target                = google_compute_target_https_proxy.plant.id
}

resource "google_compute_url_map" "redirect" {
  name = "plant-redirect"

  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "PERMANENT_REDIRECT" # 308: a POST stays one
    strip_query            = false
  }

  depends_on = [google_project_service.api]
}

resource "google_compute_target_http_proxy" "redirect" {
  name    = "plant-redirect"
  url_map = google_compute_url_map.redirect.id
}

resource "google_compute_global_forwarding_rule" "http" {
  name                  = "plant-http"
  ip_address            = google_compute_global_address.balancer.id
  load_balancing_scheme = "EXTERNAL_MANAGED"
  port_range            = "80"
  target                = google_compute_target_http_proxy.redirect.id
}
