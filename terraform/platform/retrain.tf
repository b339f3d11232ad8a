# Retraining: a new training image or a new object of data queues the requests that are listed for it.
# EventBridge does it alone. The request stands here, and an event only says which image or which
# object it was; the request's trigger, which it becomes, makes one model of all its deliveries.
locals {
  retrain = merge(
    {
      for type, requests in var.retrain_on_push : "push-${replace(type, "_", "-")}" => {
        source      = "retrain_on_push.${type}"
        description = "A new training image of the model type ${type}"
        pattern = {
          source      = ["aws.ecr"]
          detail-type = ["ECR Image Action"]
          account     = [local.account]
          region      = [local.region]
          detail = {
            action-type     = ["PUSH"]
            result          = ["SUCCESS"]
            repository-name = ["${local.family_prefix}${replace(type, "_", "-")}"]
            image-digest    = [{ prefix = "sha256:" }]
            image-tag       = [{ anything-but = [""] }] # the parts of an image have none
          }
        }
        paths   = { digest = "$.detail.image-digest" }
        trigger = "{\"kind\":\"push\",\"repository\":\"${local.family_prefix}${replace(type, "_", "-")}\",\"digest\":<digest>}"
        # The repository says the model type; one that the request gives as well is told of as a problem.
        requests = [for request in requests : merge(request, { model_type = type }, can(request.model_type) ? { "a model_type of its own" = true } : {})]
      }
    },
    {
      for key, requests in var.retrain_on_data : "data-${substr(sha256(key), 0, 8)}" => {
        source      = "retrain_on_data[${jsonencode(key)}]"
        description = substr("New data: ${key}", 0, 500)
        pattern = {
          source      = ["aws.s3"]
          detail-type = ["Object Created"]
          account     = [local.account]
          region      = [local.region]
          detail = {
            bucket = { name = [local.buckets.datasets] }
            # In JSON, for Terraform wants both to be of one type.
            object = { key = [jsondecode(endswith(key, "/") ? jsonencode({ prefix = key }) : jsonencode(key))] }
          }
        }
        paths    = { key = "$.detail.object.key", version = "$.detail.object.version-id" }
        trigger  = "{\"kind\":\"object\",\"bucket\":\"${local.buckets.datasets}\",\"key\":<key>,\"version\":<version>}"
        requests = [for request in requests : merge({ model_type = "ner", dataset = "s3://${local.buckets.datasets}/${key}" }, request)]
      }
    },
  )

  retrain_targets = merge([
    for rule, retrain in local.retrain : {
      # In lists, for two may have one name, which is told of as a problem.
      for request in retrain.requests : "${rule}/${try(tostring(request.name), "")}" => {
        rule  = rule
        paths = retrain.paths
        # Not by jsonencode, which would not leave the blanks for EventBridge as they are; and in the
        # request it makes sure that there are none.
        template = "${trimsuffix(jsonencode(request), "}")},\"trigger\":${retrain.trigger}}"
      }...
    }
  ]...)
}

resource "aws_cloudwatch_event_rule" "retrain" {
  for_each = local.retrain

  name          = "${var.name}-${each.key}"
  description   = each.value.description
  event_pattern = jsonencode(each.value.pattern)

  lifecycle {
    precondition {
      condition     = length(local.retrain_problems[each.key]) == 0
      error_message = "${each.value.source}: ${join("; ", local.retrain_problems[each.key])}."
    }
  }
}

resource "aws_cloudwatch_event_target" "retrain" {
  for_each = local.retrain_targets

  rule      = aws_cloudwatch_event_rule.retrain[each.value[0].rule].name
  target_id = element(split("/", each.key), 1)
  arn       = aws_sqs_queue.requests.arn

  input_transformer {
    input_paths    = each.value[0].paths
    input_template = each.value[0].template
  }

  dead_letter_config {
    arn = aws_sqs_queue.undeliverable.arn
  }
}

# Without it S3 tells EventBridge nothing.
resource "aws_s3_bucket_notification" "datasets" {
  count = length(var.retrain_on_data) > 0 ? 1 : 0

  bucket      = aws_s3_bucket.this["datasets"].id
  eventbridge = true
}
