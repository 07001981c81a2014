# What the provider would compute, where an argument of another resource has to have its form.

mock_resource "google_service_account" {
  defaults = {
    email  = "plant-mock@plant-mock.iam.gserviceaccount.com"
    id     = "projects/plant-mock/serviceAccounts/plant-mock@plant-mock.iam.gserviceaccount.com"
    member = "serviceAccount:plant-mock@plant-mock.iam.gserviceaccount.com"
    name   = "projects/plant-mock/serviceAccounts/plant-mock@plant-mock.iam.gserviceaccount.com"
  }
}

mock_resource "google_cloudfunctions2_function" {
  defaults = {
    service_config = {
      uri = "https://mock-uc.a.run.app"
    }
  }
}

mock_resource "google_redis_instance" {
  defaults = {
    auth_string     = "mock-auth-string"
    host            = "10.16.0.4"
    id              = "projects/plant-mock/locations/mock/instances/plant"
    port            = 6378
    server_ca_certs = []
  }
}

mock_resource "google_sql_database_instance" {
  defaults = {
    private_ip_address = "10.16.0.3"
  }
}
