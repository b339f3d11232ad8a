locals {
  queues = {
    # By name, not by reference: the queues and their policies name each other.
    requests      = "${var.name}-requests"
    dead_letters  = "${var.name}-dead-letters"
    undeliverable = "${var.name}-undeliverable"
  }
  queue_arns = { for key, name in local.queues : key => "arn:${local.partition}:sqs:${local.region}:${local.account}:${name}" }
}

resource "aws_sqs_queue" "requests" {
  name                       = local.queues.requests
  message_retention_seconds  = 14 * 24 * 3600
  visibility_timeout_seconds = 60
  receive_wait_time_seconds  = 1
  max_message_size           = 65536 # a dead letter carries its reason too, and must fit as well
  sqs_managed_sse_enabled    = true
  policy                     = data.aws_iam_policy_document.requests.json

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = local.queues.dead_letters
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
  policy                    = data.aws_iam_policy_document.queue_tls_only["dead_letters"].json

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns.requests]
  })
}

# Events that reached no consumer, or that it failed on: nothing is lost with them, for the next tick
# looks at everything, but somebody should know. And events that could queue no retraining: those are
# lost unless somebody queues it by hand.
resource "aws_sqs_queue" "undeliverable" {
  name                      = local.queues.undeliverable
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
  policy                    = data.aws_iam_policy_document.undeliverable.json
}

data "aws_iam_policy_document" "requests" {
  source_policy_documents = [data.aws_iam_policy_document.queue_tls_only["requests"].json]

  dynamic "statement" {
    for_each = length(local.retrain) > 0 ? [1] : []

    content {
      sid       = "Retraining"
      actions   = ["sqs:SendMessage"]
      resources = [local.queue_arns.requests]

      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }

      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = [for rule in aws_cloudwatch_event_rule.retrain : rule.arn]
      }
    }
  }
}

data "aws_iam_policy_document" "undeliverable" {
  source_policy_documents = [data.aws_iam_policy_document.queue_tls_only["undeliverable"].json]

  statement {
    sid       = "EventsThatReachNobody"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arns.undeliverable]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for rule in concat(values(aws_cloudwatch_event_rule.consumer), values(aws_cloudwatch_event_rule.retrain)) : rule.arn]
    }
  }
}

data "aws_iam_policy_document" "queue_tls_only" {
  for_each = local.queue_arns

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"]
    resources = [each.value]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}
