# A function that may do everything.

resource "google_project_iam_member" "bad" {
  member  = "serviceAccount:plant-agents@example.iam.gserviceaccount.com"
  project = "example"
  role    = "roles/editor"
}
