data "aws_iam_policy_document" "assumed_by_tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# What the DAG does, and nothing else.
resource "aws_iam_role" "airflow" {
  name               = local.name
  assume_role_policy = data.aws_iam_policy_document.assumed_by_tasks.json
}

resource "aws_iam_role_policy" "airflow" {
  name   = "airflow"
  role   = aws_iam_role.airflow.id
  policy = data.aws_iam_policy_document.airflow.json
}

data "aws_iam_policy_document" "airflow" {
  statement {
    sid       = "AskForTrainings"
    actions   = ["sqs:SendMessage"]
    resources = [local.platform.queue_arn]
  }

  statement {
    sid       = "SeeWhatBecameOfThem"
    actions   = ["dynamodb:GetItem"]
    resources = ["arn:${local.partition}:dynamodb:${local.region}:${local.account}:table/${local.platform.table}"]
  }

  statement {
    sid       = "ReadTheirScores"
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::${local.platform.artifact_bucket}/models/*/metrics.json"]
  }

  statement {
    sid     = "SeeWhetherThereIsData" # and, of artifacts, that a file is missing: without it S3 says 403 instead of 404
    actions = ["s3:ListBucket"]
    resources = [
      "arn:${local.partition}:s3:::${local.platform.artifact_bucket}",
      "arn:${local.partition}:s3:::${local.platform.dataset_bucket}",
    ]
  }

  statement {
    sid       = "SeeWhatIsServed"
    actions   = ["ssm:GetParameter"]
    resources = ["arn:${local.partition}:ssm:${local.region}:${local.account}:parameter${local.served}/*"]
  }
}

# The logs of the DAG's tasks, which Airflow itself writes and shows.
resource "aws_iam_role_policy" "logs" {
  name   = "logs"
  role   = aws_iam_role.airflow.id
  policy = data.aws_iam_policy_document.logs.json
}

data "aws_iam_policy_document" "logs" {
  statement {
    sid       = "WriteAndShowLogs"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.tasks.arn}:*"]
  }

  statement {
    sid       = "FindTheLogGroup" # the log handler looks for it before it writes
    actions   = ["logs:DescribeLogGroups"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:*"]
  }
}

resource "aws_iam_role" "execution" {
  name               = "${local.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_tasks.json
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
    sid       = "PullTheImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [data.aws_ecr_repository.airflow.arn]
  }

  statement {
    sid       = "HandTheSecretsOn"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.secret_arn, aws_db_instance.this.master_user_secret[0].secret_arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }
}
