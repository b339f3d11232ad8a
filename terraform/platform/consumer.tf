# The consumer: runs every minute, and whenever a training's task has changed, so that a slot that
# comes free is filled at once.
resource "aws_lambda_function" "consumer" {
  #checkov:skip=CKV_AWS_50:Its logs and metrics tell what a tick did; it calls nothing that traces
  #checkov:skip=CKV_AWS_117:It speaks to AWS's APIs only; a network of ours would add a NAT gateway and no safety
  #checkov:skip=CKV_AWS_173:Nothing in its environment is secret
  #checkov:skip=CKV_AWS_272:The package is built and deployed by one hand; nobody else signs it
  function_name                  = local.consumer
  description                    = "Takes training requests off the queue, launches them under the cap, follows them to their end"
  role                           = aws_iam_role.consumer.arn
  filename                       = var.lambda_zip
  source_code_hash               = filebase64sha256(var.lambda_zip)
  handler                        = "queue_consumer.handler.handle"
  runtime                        = "python3.12"
  memory_size                    = 512
  timeout                        = 55 # it is called every minute
  reserved_concurrent_executions = var.consumer_reserved_concurrency

  environment {
    variables = local.environment
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.undeliverable.arn
  }

  logging_config {
    log_format = "Text" # the handler writes JSON itself
    log_group  = aws_cloudwatch_log_group.consumer.name
  }

  lifecycle {
    precondition {
      condition     = length(local.model_types) > 0
      error_message = "There is no */model_type.json in ${local.model_types_folder}."
    }

    precondition {
      condition     = length(local.unknown_defaults) == 0
      error_message = "default_hyperparameters names what no model type has: ${join(", ", local.unknown_defaults)}."
    }

    precondition {
      condition     = local.environment_bytes <= 4096
      error_message = "The consumer's environment would have ${local.environment_bytes} bytes, and a Lambda function's may have 4096: there are too many model types or hyperparameters."
    }
  }

  depends_on = [aws_iam_role_policy.consumer]
}

locals {
  consumer = "${var.name}-consumer"

  # All that the consumer needs to know; with it the command line can use the platform too.
  environment = {
    TRAINSHED_ENGINE                = "aws"
    TRAINSHED_QUEUE_URL             = aws_sqs_queue.requests.url
    TRAINSHED_DEAD_LETTER_QUEUE_URL = aws_sqs_queue.dead_letters.url
    TRAINSHED_TABLE                 = aws_dynamodb_table.registry.name
    TRAINSHED_FEEDBACK_TABLE        = aws_dynamodb_table.feedback.name
    TRAINSHED_ARTIFACT_BUCKET       = aws_s3_bucket.this["artifacts"].id
    TRAINSHED_DATASET_BUCKET        = aws_s3_bucket.this["datasets"].id
    TRAINSHED_CLUSTER               = aws_ecs_cluster.this.name
    TRAINSHED_TASK_FAMILY_PREFIX    = local.family_prefix
    TRAINSHED_SUBNETS               = join(",", local.task_subnets)
    TRAINSHED_SECURITY_GROUPS       = aws_security_group.training.id
    TRAINSHED_CAPACITY_PROVIDERS    = join(",", local.capacity_providers)
    TRAINSHED_ASSIGN_PUBLIC_IP      = local.assign_public_ip ? "1" : "0"
    TRAINSHED_TRAINING_LOG_GROUP    = aws_cloudwatch_log_group.training.name
    TRAINSHED_CAP                   = tostring(var.cap)
    TRAINSHED_CATALOGUE             = jsonencode(local.catalogue)
  }

  # Bytes, not characters: every four characters of base64 are three bytes.
  environment_bytes = sum([for name, value in local.environment : length(name) + floor(length(base64encode(value)) * 3 / 4)])
}

resource "aws_lambda_function_event_invoke_config" "consumer" {
  function_name                = aws_lambda_function.consumer.function_name
  maximum_event_age_in_seconds = 300
  maximum_retry_attempts       = 1
}

locals {
  consumer_rules = {
    schedule = {
      description = "A tick every minute"
      schedule    = "rate(1 minute)"
      pattern     = null
    }
    tasks = {
      description = "A training's task runs or has stopped"
      schedule    = null
      pattern = jsonencode({
        source      = ["aws.ecs"]
        detail-type = ["ECS Task State Change"]
        detail = {
          clusterArn = [aws_ecs_cluster.this.arn]
          group      = [{ prefix = "family:${local.family_prefix}" }]
          lastStatus = ["RUNNING", "STOPPED"]
        }
      })
    }
  }
}

resource "aws_cloudwatch_event_rule" "consumer" {
  for_each = local.consumer_rules

  name                = "${local.consumer}-${each.key}"
  description         = each.value.description
  schedule_expression = each.value.schedule
  event_pattern       = each.value.pattern
}

resource "aws_cloudwatch_event_target" "consumer" {
  for_each = aws_cloudwatch_event_rule.consumer

  rule      = each.value.name
  target_id = "consumer"
  arn       = aws_lambda_function.consumer.arn

  dead_letter_config {
    arn = aws_sqs_queue.undeliverable.arn
  }
}

resource "aws_lambda_permission" "consumer" {
  for_each = aws_cloudwatch_event_rule.consumer

  statement_id  = "rule-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.consumer.function_name
  principal     = "events.amazonaws.com"
  source_arn    = each.value.arn
}
