terraform {
  required_version = ">= 1.11" # write-only arguments

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.32, < 8.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }

  # The bucket is named when the folder is initialised: -backend-config=bucket=PROJECT-terraform. See README.md.
  backend "gcs" {
    prefix = "plant"
  }
}

provider "google" {
  project = var.project
  region  = var.region

  # Budgets are asked for in the name of a project.
  billing_project       = var.project
  user_project_override = true

  default_labels = {
    application = "plant"
    environment = var.environment
  }
}
