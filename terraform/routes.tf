# Which function answers which path, made from the table that the local gateway reads.

locals {
  # A rule a pattern, in the table's order. A ** takes the empty rest as well; else one trailing slash does not matter.
  patterns = flatten([
    for route in jsondecode(file("${path.module}/../shared/routes/routes.json")) : [
      for pattern in route.patterns : {
        function  = route.function
        pattern   = pattern
        templates = endswith(pattern, "/**") ? [pattern] : [pattern, "${pattern}/"]
        # A path that the pattern matches, for the map's own tests.
        example = replace(replace(pattern, "**", "deep/er"), "*", "x")
      }
    ]
  ])

  # What the bucket answers: the documents at the root, and the folders of the static files.
  static_files   = sort([for name in keys(local.manifest.static_files) : name if !strcontains(name, "/")])
  static_folders = sort(distinct([for name in keys(local.manifest.static_files) : split("/", name)[0] if strcontains(name, "/")]))

  static_rules = concat(
    [for name in local.static_files : { templates = ["/${name}"], example = "/${name}" }],
    [for name in local.static_folders : { templates = ["/${name}", "/${name}/**"], example = "/${name}/x" }],
  )

  # The URL map checks itself before it is taken. At most 100 tests: a rule each, and the default.
  map_tests = concat(
    [for p in local.patterns : { path = p.example, service = google_compute_backend_service.function[p.function].id }],
    [for r in local.static_rules : { path = r.example, service = google_compute_backend_bucket.site.id }],
    [{ path = "/api/v1/agents", service = google_compute_backend_service.function["agents"].id }],
    [for domain in var.portal_domains : { host = domain, path = "/", service = google_compute_backend_bucket.site.id }],
  )
}

resource "google_compute_url_map" "plant" {
  name            = "plant"
  default_service = google_compute_backend_service.function["agents"].id

  host_rule {
    hosts        = [var.domain]
    path_matcher = "api"
  }

  dynamic "host_rule" {
    for_each = length(var.portal_domains) > 0 ? [var.portal_domains] : []
    content {
      hosts        = host_rule.value
      path_matcher = "portals"
    }
  }

  path_matcher {
    name            = "api"
    default_service = google_compute_backend_service.function["agents"].id

    # Work of the scheduler's, which calls the functions themselves.
    route_rules {
      priority = 0
      service  = google_compute_backend_service.function["agents"].id

      match_rules {
        path_template_match = "/internal"
      }
      match_rules {
        path_template_match = "/internal/**"
      }

      route_action {
        fault_injection_policy {
          abort {
            http_status = 404
            percentage  = 100
          }
        }
      }
    }

    dynamic "route_rules" {
      for_each = local.patterns
      content {
        priority = 100 + route_rules.key
        service  = google_compute_backend_service.function[route_rules.value.function].id

        dynamic "match_rules" {
          for_each = route_rules.value.templates
          content {
            path_template_match = match_rules.value
          }
        }
      }
    }

    dynamic "route_rules" {
      for_each = local.static_rules
      content {
        priority = 1000 + route_rules.key
        service  = google_compute_backend_bucket.site.id

        dynamic "match_rules" {
          for_each = route_rules.value.templates
          content {
            path_template_match = match_rules.value
          }
        }
      }
    }
  }

  dynamic "path_matcher" {
    for_each = length(var.portal_domains) > 0 ? ["portals"] : []
    content {
      name            = path_matcher.value
      default_service = google_compute_backend_bucket.site.id
    }
  }

  dynamic "test" {
    for_each = local.map_tests
    content {
      host    = lookup(test.value, "host", var.domain)
      path    = test.value.path
      service = test.value.service
    }
  }

  lifecycle {
    precondition {
      condition     = length(local.map_tests) <= 100
      error_message = "A URL map has at most 100 tests, and there would be ${length(local.map_tests)}: join patterns of routes.json by **."
    }
    precondition {
      condition     = alltrue([for p in local.patterns : contains(keys(var.functions), p.function)])
      error_message = "routes.json names a function that is not in the variable functions."
    }
    precondition {
      condition     = alltrue([for p in local.patterns : length(regexall("\\*+", p.pattern)) <= 5])
      error_message = "A pattern of routes.json has more than 5 wildcards."
    }
  }
}
