// Package cloud tests Plant as it runs on Google Cloud: what scripts/package makes is built as the platform builds it, and
// the processes that come of it reach Secret Manager, Cloud SQL and Cloud Trace as localgoogle answers for them.
package cloud
