# What is refused before anything is made.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  alert_emails             = ["somebody@example.com"]
  billing_account          = "000000-000000-000000"
  budget                   = 1
  database_max_connections = 60
  database_tier            = "db-custom-1-3840"
  domain                   = "api.example.com"
  environment              = "uat"
  issuers                  = []
  manifest                 = "tests/packages/manifest.json"
  project                  = "example"

  functions = {
    agents  = { max_instances = 4 }
    metrics = { max_instances = 3 }
    search  = { max_instances = 3 }
  }
}

run "as_many_connections_as_there_may_be" {
  command = plan
}

run "one_connection_too_many" {
  command = plan
  variables {
    database_max_connections = 59
  }
  expect_failures = [google_sql_database_instance.plant]
}

run "production_without_a_standby" {
  command = plan
  variables {
    database_availability = "ZONAL"
    environment           = "prod"
    redis_tier            = "BASIC"
  }
  expect_failures = [var.database_availability, var.redis_tier]
}

run "a_function_that_was_not_packaged" {
  command = plan
  variables {
    functions = {
      agents  = { max_instances = 1 }
      metrics = { max_instances = 1 }
      search  = { max_instances = 1 }
      trading = { max_instances = 1 }
    }
  }
  expect_failures = [var.functions]
}

run "an_environment_that_there_is_not" {
  command = plan
  variables {
    environment = "production"
  }
  expect_failures = [var.environment]
}

# The first time there is no plant_app yet that logins could be members of.
run "the_first_time" {
  command = plan
  variables {
    database_migrated = false
  }
  assert {
    condition     = alltrue([for user in google_sql_user.function : user.database_roles == null])
    error_message = "A login is a member of what is not there yet."
  }
}

run "a_replica_nearby_answers_reads" {
  command = plan
  variables {
    database_replica_region = "asia-south1"
  }
  assert {
    condition     = google_cloudfunctions2_function.function["agents"].service_config[0].environment_variables.CLOUDSQL_READ_INSTANCE == "example:asia-south1:plant-replica"
    error_message = "The functions do not know the replica."
  }
}

run "a_replica_far_away_waits" {
  command = plan
  variables {
    database_replica_region = "asia-south2"
  }
  assert {
    condition     = !contains(keys(google_cloudfunctions2_function.function["agents"].service_config[0].environment_variables), "CLOUDSQL_READ_INSTANCE") && google_sql_database_instance.replica[0].region == "asia-south2"
    error_message = "Reads go to another region."
  }
}

run "a_canary_leaves_the_traffic_as_it_is" {
  command = plan
  variables {
    canary = true
  }
  assert {
    condition     = alltrue([for f in google_cloudfunctions2_function.function : f.service_config[0].all_traffic_on_latest_revision == false])
    error_message = "The platform moves the traffic by itself."
  }
}

run "a_trigger_where_there_is_a_repository" {
  command = plan
  variables {
    build_repository = "projects/example/locations/asia-south1/connections/github/repositories/plant"
  }
  assert {
    condition     = google_cloudbuild_trigger.deploy[0].filename == "terraform/cloudbuild.yaml" && google_cloudbuild_trigger.deploy[0].approval_config[0].approval_required
    error_message = "The trigger runs something else, or without approval."
  }
}
