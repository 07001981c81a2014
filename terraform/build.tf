# Two accounts: one that the platform builds functions as, and one that deploys all of this.

resource "google_artifact_registry_repository" "functions" {
  repository_id = "plant-functions"
  description   = "What the platform builds of Plant's functions"
  format        = "DOCKER"
  location      = var.region

  cleanup_policies {
    id     = "keep-ten"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "7776000s" # 90 days
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_service_account" "build" {
  account_id   = "plant-build"
  display_name = "Builds Plant's functions"

  depends_on = [google_project_service.api]
}

resource "google_artifact_registry_repository_iam_member" "build" {
  location   = var.region
  member     = google_service_account.build.member
  repository = google_artifact_registry_repository.functions.name
  role       = "roles/artifactregistry.writer"
}

resource "google_project_iam_member" "build" {
  for_each = {
    "roles/logging.logWriter" = null
    # The platform copies an archive into a bucket of its own, whose name it chooses.
    "roles/storage.objectViewer" = join(" || ", [
      "resource.name.startsWith('projects/_/buckets/gcf-v2-')",
      "resource.name.startsWith('projects/_/buckets/${google_storage_bucket.packages.name}/')",
    ])
  }

  member  = google_service_account.build.member
  project = var.project
  role    = each.key

  dynamic "condition" {
    for_each = each.value == null ? [] : [each.value]
    content {
      expression = condition.value
      title      = "only archives of functions"
    }
  }
}

# The database has only a private address: what migrates it runs here.
resource "google_cloudbuild_worker_pool" "plant" {
  name     = "plant"
  location = var.region

  network_config {
    peered_network = google_compute_network.plant.id
  }

  worker_config {
    disk_size_gb   = 100
    machine_type   = "e2-standard-4"
    no_external_ip = false # what is tested and built downloads Go modules
  }

  depends_on = [google_service_networking_connection.services]
}

resource "google_service_account" "deploy" {
  account_id   = "plant-deploy"
  display_name = "Deploys Plant"

  depends_on = [google_project_service.api]
}

locals {
  # What terraform apply does, service by service. Nothing here reads secrets but for the owner's password, below.
  deploy_roles = [
    "roles/artifactregistry.admin",
    "roles/cloudbuild.builds.editor",
    "roles/cloudbuild.workerPoolOwner",
    "roles/cloudbuild.workerPoolUser",
    "roles/cloudfunctions.admin",
    "roles/cloudscheduler.admin",
    "roles/cloudsql.admin",
    "roles/compute.loadBalancerAdmin",
    "roles/compute.networkAdmin",
    "roles/compute.securityAdmin",
    "roles/iam.serviceAccountViewer", # reads accounts, and who may act as them; a person makes and changes them
    "roles/logging.configWriter",
    "roles/logging.logWriter",
    "roles/monitoring.admin",
    "roles/redis.admin",
    "roles/run.admin",
    "roles/serviceusage.serviceUsageAdmin",
    "roles/storage.admin",
  ]
  # Secrets are made and filled, but not read.
  deploy_secret_roles = ["roles/secretmanager.secretVersionManager", "roles/secretmanager.viewer"]

  # What the deploying account may give to others: what is given here, and nothing else.
  granted_roles = sort(distinct(concat(local.roles, flatten(values(local.roles_of)), [
    "roles/cloudsql.client", "roles/cloudsql.instanceUser", "roles/logging.logWriter", "roles/storage.objectViewer",
  ])))
}

resource "google_project_iam_member" "deploy" {
  for_each = toset(concat(local.deploy_roles, local.deploy_secret_roles))

  member  = google_service_account.deploy.member
  project = var.project
  role    = each.key
}

# Functions, builds and jobs run as accounts that whoever deploys them has to be allowed to act as: as these, and no other of
# the project. Itself is what the trigger and migrations run as.
resource "google_service_account_iam_member" "deploy" {
  for_each = merge({ for name, account in google_service_account.function : name => account.name }, {
    build     = google_service_account.build.name
    deploy    = google_service_account.deploy.name
    scheduler = google_service_account.scheduler.name
  })

  member             = google_service_account.deploy.member
  role               = "roles/iam.serviceAccountUser"
  service_account_id = each.value
}

resource "google_project_iam_member" "deploy_grants" {
  member  = google_service_account.deploy.member
  project = var.project
  role    = "roles/resourcemanager.projectIamAdmin"

  condition {
    expression = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([${join(", ", formatlist("'%s'", local.granted_roles))}])"
    title      = "only what Plant's functions are given"
  }
}

resource "google_secret_manager_secret_iam_member" "deploy_owner" {
  member    = google_service_account.deploy.member
  role      = "roles/secretmanager.secretAccessor"
  secret_id = google_secret_manager_secret.plant["database-owner"].id
}

resource "google_cloudbuild_trigger" "deploy" {
  count = var.build_repository == "" ? 0 : 1

  name            = "plant-${var.environment}"
  description     = "Tests main and deploys it to ${var.environment}"
  filename        = "terraform/cloudbuild.yaml"
  location        = var.region
  service_account = google_service_account.deploy.id

  substitutions = {
    _ENVIRONMENT = var.environment
    _POOL        = google_cloudbuild_worker_pool.plant.id
  }

  approval_config {
    approval_required = var.approve_deployments
  }

  repository_event_config {
    repository = var.build_repository
    push {
      branch = "^main$"
    }
  }
}
