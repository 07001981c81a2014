# A password in a variable, which is in the plan and the state, and in what the platform shows of the function.

variable "password" {
  type    = string
  default = "correct horse battery staple"
}

resource "google_cloudfunctions2_function" "bad" {
  name     = "agents"
  location = "asia-south1"

  service_config {
    ingress_settings = "ALLOW_INTERNAL_AND_GCLB"

    environment_variables = {
      CLOUDSQL_PASSWORD = var.password
    }
  }
}
