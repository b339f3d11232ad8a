# A task definition per model type. What differs between two trainings of one type comes with the
# launch, so that nothing has to be registered per training.
resource "aws_ecs_task_definition" "training" {
  for_each = local.model_types

  family                   = "${local.family_prefix}${local.hyphened[each.key]}"
  requires_compatibilities = [local.gpu ? "EC2" : "FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.training.arn

  container_definitions = jsonencode([
    merge(
      {
        name                   = "training"
        image                  = "${aws_ecr_repository.this["training-${local.hyphened[each.key]}"].repository_url}:${var.image_tag}"
        essential              = true
        cpu                    = each.value.cpu
        memory                 = each.value.memory
        user                   = "1000:1000"
        readonlyRootFilesystem = true
        # The longest that Fargate gives: a checkpoint has to be written and uploaded in it.
        stopTimeout = 120
        mountPoints = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
        environment = [for name, value in local.training_environment : { name = name, value = value }]
        logConfiguration = {
          logDriver = "awslogs"
          options = {
            awslogs-group         = aws_cloudwatch_log_group.training.name
            awslogs-region        = local.region
            awslogs-stream-prefix = "training"
          }
        }
        linuxParameters = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
      },
      local.gpu ? { resourceRequirements = [{ type = "GPU", value = "1" }] } : {},
    )
  ])

  volume {
    name = "tmp"
  }

  dynamic "ephemeral_storage" {
    for_each = local.gpu ? [] : [var.training_disk_gib]

    content {
      size_in_gib = ephemeral_storage.value
    }
  }

  lifecycle {
    precondition {
      condition     = can(regex("^[a-z][a-z0-9_]{0,30}$", each.key))
      error_message = "The model type \"${each.key}\" is not named as one: at most 31 lower-case letters, digits and underscores, a letter first."
    }

    precondition {
      condition     = local.gpu || try(contains(local.fargate_memory[each.value.cpu], each.value.memory), false)
      error_message = "Fargate has no task with the cpu ${each.value.cpu} and the memory ${each.value.memory} of the model type \"${each.key}\"."
    }
  }
}

locals {
  family_prefix = "${var.name}-training-"

  training_environment = {
    AWS_DEFAULT_REGION           = local.region
    TRAINSHED_ALLOW_DOWNLOADS    = var.allow_downloads ? "1" : "0"
    TRAINSHED_ARTIFACT_BUCKET    = aws_s3_bucket.this["artifacts"].id
    TRAINSHED_CHECKPOINT_SECONDS = tostring(var.checkpoint_seconds)
    TRAINSHED_DATASET_BUCKET     = aws_s3_bucket.this["datasets"].id
    TRAINSHED_ENGINE             = "aws"
    TRAINSHED_TABLE              = aws_dynamodb_table.registry.name
  }
}
