resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:CloudWatch cannot publish to a topic under SNS's own key, and an alarm's text is no secret
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  # The consumer writes its metrics with its log; queue_consumer/metrics.py says which there are.
  namespace = "Trainshed"
}

resource "aws_cloudwatch_metric_alarm" "letters" {
  for_each = {
    dead-letters  = { queue = aws_sqs_queue.dead_letters.name, about = "Training requests that could not be dealt with; trainshed dead-letters says why" }
    undeliverable = { queue = aws_sqs_queue.undeliverable.name, about = "Events that the consumer did not get or failed on" }
  }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.about
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = each.value.queue }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "oldest_pending" {
  alarm_name          = "${var.name}-oldest-pending"
  alarm_description   = "A model has waited for its training for more than ${var.oldest_pending_minutes} minutes"
  namespace           = local.namespace
  metric_name         = "oldest_pending_seconds"
  dimensions          = { cluster = aws_ecs_cluster.this.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_pending_minutes * 60
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "failure_rate" {
  alarm_name          = "${var.name}-failure-rate"
  alarm_description   = "More than ${var.failure_rate_percent} % of the last hour's trainings have failed"
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.failure_rate_percent
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "rate"
    label       = "Failed, in percent"
    return_data = true
    # Those that fail now may have been launched an hour ago: never more than all.
    expression = "IF(FILL(failures, 0) > FILL(launches, 0), 100, 100 * FILL(failures, 0) / FILL(launches, 0))"
  }

  dynamic "metric_query" {
    for_each = toset(["failures", "launches"])

    content {
      id = metric_query.key

      metric {
        namespace   = local.namespace
        metric_name = metric_query.key
        dimensions  = { cluster = aws_ecs_cluster.this.name }
        stat        = "Sum"
        period      = 3600
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "consumer_errors" {
  alarm_name          = "${var.name}-consumer-errors"
  alarm_description   = "The consumer has failed three times in five minutes"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.consumer.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "consumer_silent" {
  alarm_name          = "${var.name}-consumer-silent"
  alarm_description   = "The consumer has not run for ten minutes: nothing is launched and nothing is followed"
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = aws_lambda_function.consumer.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}
