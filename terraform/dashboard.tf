locals {
  run_filter      = "resource.type=\"cloud_run_revision\" resource.labels.service_name=monitoring.regex.full_match(\"${join("|", keys(var.functions))}\")"
  database_filter = "resource.type=\"cloudsql_database\" resource.labels.database_id=monitoring.regex.full_match(\"${var.project}:${var.database_instance}.*\")"
  redis_filter    = "resource.type=\"redis_instance\" resource.labels.instance_id=\"${google_redis_instance.plant.id}\""

  # Each chart's lines: what is measured, and how it is brought together.
  charts = [
    { title = "Requests per second", unit = "1/s", lines = [
      { filter = "metric.type=\"run.googleapis.com/request_count\" ${local.run_filter}", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["resource.labels.service_name"] },
    ] },
    { title = "Latency at the load balancer", unit = "ms", lines = [
      for percentile in ["50", "95", "99"] :
      { filter = "metric.type=\"loadbalancing.googleapis.com/https/total_latencies\" ${local.balancer_filter}", aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_${percentile}", by = [] }
    ] },
    { title = "Latency of the functions, p95", unit = "ms", lines = [
      { filter = "metric.type=\"run.googleapis.com/request_latencies\" ${local.run_filter}", aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_95", by = ["resource.labels.service_name"] },
    ] },
    { title = "Answers by status", unit = "1/s", lines = [
      { filter = "metric.type=\"loadbalancing.googleapis.com/https/request_count\" ${local.balancer_filter}", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["metric.labels.response_code_class"] },
    ] },
    { title = "Instances", unit = "1", lines = [
      { filter = "metric.type=\"run.googleapis.com/container/instance_count\" ${local.run_filter}", aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = ["resource.labels.service_name"] },
    ] },
    { title = "Memory of the functions", unit = "1", lines = [
      { filter = "metric.type=\"run.googleapis.com/container/memory/utilizations\" ${local.run_filter}", aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_99", by = ["resource.labels.service_name"] },
    ] },
    { title = "Connections (${local.connections} at most by the functions, ${var.database_max_connections} in all)", unit = "1", lines = [
      { filter = "metric.type=\"cloudsql.googleapis.com/database/postgresql/num_backends\" ${local.database_filter}", aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = ["resource.labels.database_id"] },
    ] },
    { title = "Database: CPU, memory, disk", unit = "1", lines = [
      for what in ["cpu", "memory", "disk"] :
      { filter = "metric.type=\"cloudsql.googleapis.com/database/${what}/utilization\" ${local.database_filter}", aligner = "ALIGN_MEAN", reducer = "REDUCE_MAX", by = ["resource.labels.database_id"] }
    ] },
    { title = "Replica: behind the primary", unit = "s", lines = [
      { filter = "metric.type=\"cloudsql.googleapis.com/database/replication/replica_lag\" ${local.database_filter}", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = [] },
    ] },
    { title = "Redis: memory", unit = "1", lines = [
      { filter = "metric.type=\"redis.googleapis.com/stats/memory/usage_ratio\" ${local.redis_filter}", aligner = "ALIGN_MEAN", reducer = "REDUCE_MAX", by = [] },
    ] },
    { title = "Redis: commands per second", unit = "1/s", lines = [
      { filter = "metric.type=\"redis.googleapis.com/commands/calls\" ${local.redis_filter}", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = [] },
    ] },
    { title = "Scheduled work that was done", unit = "1", lines = [
      for job in keys(local.jobs) :
      { filter = "metric.type=\"logging.googleapis.com/user/plant/${job}\" resource.type=\"cloud_scheduler_job\"", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = [] }
    ] },
  ]
}

resource "google_monitoring_dashboard" "plant" {
  dashboard_json = jsonencode({
    displayName = "Plant"
    mosaicLayout = {
      columns = 12
      tiles = [
        for i, chart in local.charts : {
          xPos   = i % 3 * 4
          yPos   = floor(i / 3) * 4
          width  = 4
          height = 4
          widget = {
            title = chart.title
            xyChart = {
              yAxis = { label = chart.unit, scale = "LINEAR" }
              dataSets = [
                for line in chart.lines : {
                  plotType = "LINE"
                  timeSeriesQuery = {
                    timeSeriesFilter = {
                      filter = line.filter
                      aggregation = {
                        alignmentPeriod    = "60s"
                        perSeriesAligner   = line.aligner
                        crossSeriesReducer = line.reducer
                        groupByFields      = line.by
                      }
                    }
                  }
                }
              ]
            }
          }
        }
      ]
    }
  })

  depends_on = [google_logging_metric.scheduled]
}
