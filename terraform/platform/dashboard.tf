locals {
  graphs = [
    { title = "Trainings", stat = "Maximum", metrics = [for name in ["queued", "pending", "running", "slots_free"] : [local.namespace, name, "cluster", aws_ecs_cluster.this.name]] },
    { title = "Launches and ends", stat = "Sum", metrics = [for name in ["launches", "completed", "failures"] : [local.namespace, name, "cluster", aws_ecs_cluster.this.name]] },
    { title = "Oldest pending, in seconds", stat = "Maximum", metrics = [[local.namespace, "oldest_pending_seconds", "cluster", aws_ecs_cluster.this.name]] },
    {
      title   = "Queues", stat = "Maximum",
      metrics = [for name in values(local.queues) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name]]
    },
    {
      title   = "Consumer", stat = "Sum",
      metrics = [for metric in ["Invocations", "Errors", "Throttles"] : ["AWS/Lambda", metric, "FunctionName", local.consumer]]
    },
    {
      title   = "Consumer's duration, in milliseconds", stat = "p99",
      metrics = [["AWS/Lambda", "Duration", "FunctionName", local.consumer]]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for index, graph in local.graphs : {
        type   = "metric"
        x      = index % 2 * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = graph.title
          metrics = graph.metrics
          stat    = graph.stat
          period  = 60
          region  = local.region
          view    = "timeSeries"
        }
      }
    ]
  })
}
