# Three roles, each with what its bearer does and no more: the consumer, a training, and ECS's agent
# that starts a training.

locals {
  artifacts   = aws_s3_bucket.this["artifacts"].arn
  checkpoints = "${local.artifacts}/models/*/checkpoints/*"
  datasets    = aws_s3_bucket.this["datasets"].arn

  runs_pushed_images = length(var.retrain_on_push) > 0
}

data "aws_iam_policy_document" "assumed_by" {
  for_each = toset(["ec2", "ecs-tasks", "lambda"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "consumer" {
  name               = local.consumer
  assume_role_policy = data.aws_iam_policy_document.assumed_by["lambda"].json
}

resource "aws_iam_role_policy" "consumer" {
  name   = "consumer"
  role   = aws_iam_role.consumer.id
  policy = data.aws_iam_policy_document.consumer.json
}

data "aws_iam_policy_document" "consumer" {
  statement {
    sid       = "TakeRequests"
    actions   = ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.requests.arn]
  }

  statement {
    sid       = "BuryLetters"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn, aws_sqs_queue.undeliverable.arn]
  }

  statement {
    sid       = "KeepRecords"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.registry.arn]
  }

  statement {
    sid       = "FindRecords"
    actions   = ["dynamodb:Query"]
    resources = ["${aws_dynamodb_table.registry.arn}/index/*"]
  }

  statement {
    sid       = "VerifyArtifacts"
    actions   = ["s3:GetObject"]
    resources = ["${local.artifacts}/models/*"]
  }

  statement {
    sid       = "TakeCheckpointsAway" # of a model that has ended
    actions   = ["s3:DeleteObject"]
    resources = [local.checkpoints]
  }

  statement {
    sid       = "SeeThatAFileIsMissing" # without it S3 says 403 instead of 404
    actions   = ["s3:ListBucket"]
    resources = [local.artifacts]
  }

  statement {
    sid     = "LaunchTrainings"
    actions = ["ecs:RunTask"]
    resources = flatten([
      for definition in aws_ecs_task_definition.training : concat(
        [definition.arn_without_revision, "${definition.arn_without_revision}:*"],
        local.runs_pushed_images ? ["${definition.arn_without_revision}_*"] : [],
      )
    ])

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
    }
  }

  statement {
    sid       = "TagThemAtLaunch"
    actions   = ["ecs:TagResource"]
    resources = [local.tasks]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }

  # A pushed image needs a task definition with it in it; trainshed/aws/pushed_image.py makes it.
  # Neither action knows resources. What is registered has to have the platform's tag, which may be
  # given to the families of pushed images alone (ECS checks that by its setting
  # tagResourceAuthorization, which is on unless an account has switched it off); and it gets no role
  # but the two of a training, as only these may be handed on.
  dynamic "statement" {
    for_each = local.runs_pushed_images ? [1] : []

    content {
      sid       = "LookUpDefinitions"
      actions   = ["ecs:DescribeTaskDefinition"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = local.runs_pushed_images ? [1] : []

    content {
      sid       = "DefinePushedImages"
      actions   = ["ecs:RegisterTaskDefinition"]
      resources = ["*"]

      condition {
        test     = "StringEquals"
        variable = "aws:RequestTag/Platform"
        values   = [var.name]
      }
    }
  }

  dynamic "statement" {
    for_each = local.runs_pushed_images ? [1] : []

    content {
      sid       = "TagTheirDefinitions"
      actions   = ["ecs:TagResource"]
      resources = [for definition in aws_ecs_task_definition.training : "${definition.arn_without_revision}_*"]

      condition {
        test     = "StringEquals"
        variable = "ecs:CreateAction"
        values   = ["RegisterTaskDefinition"]
      }
    }
  }

  statement {
    sid       = "FollowAndStopThem"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = [local.tasks]
  }

  statement {
    sid       = "FindThem" # ListTasks can be narrowed down by the cluster only
    actions   = ["ecs:ListTasks"]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
    }
  }

  statement {
    sid       = "HandTheirRolesOn"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.training.arn, aws_iam_role.execution.arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.consumer.arn}:*"]
  }
}

locals {
  tasks = "arn:${local.partition}:ecs:${local.region}:${local.account}:task/${var.name}/*"
}

resource "aws_iam_role" "training" {
  name               = "${var.name}-training"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["ecs-tasks"].json
}

resource "aws_iam_role_policy" "training" {
  name   = "training"
  role   = aws_iam_role.training.id
  policy = data.aws_iam_policy_document.training.json
}

data "aws_iam_policy_document" "training" {
  statement {
    sid       = "WriteArtifacts"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${local.artifacts}/models/*"]
  }

  statement {
    sid       = "ReplaceCheckpoints" # their tag is what lets them expire
    actions   = ["s3:DeleteObject", "s3:PutObjectTagging"]
    resources = [local.checkpoints]
  }

  statement {
    sid       = "ReadDataSets"
    actions   = ["s3:GetObject"]
    resources = ["${local.datasets}/*"]
  }

  statement {
    sid       = "SeeThatAFileIsMissing"
    actions   = ["s3:ListBucket"]
    resources = [local.artifacts, local.datasets]
  }

  statement {
    sid       = "ClaimAndReport"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.registry.arn]
  }
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["ecs-tasks"].json
}

resource "aws_iam_role_policy" "execution" {
  name   = "execution"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "LogInToRegistry" # the action knows no resources
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [for key, repository in aws_ecr_repository.this : repository.arn if startswith(key, "training-")]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.training.arn}:*"]
  }
}
