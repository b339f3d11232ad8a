resource "aws_ecs_service" "this" {
  #checkov:skip=CKV_AWS_333:Without NAT a server needs an address to fetch its image with; nothing but its load balancer gets in
  name                               = local.name
  cluster                            = data.aws_ecs_cluster.this.arn
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = var.min_servers
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  availability_zone_rebalancing      = "ENABLED"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 120
  propagate_tags                     = "SERVICE"
  enable_ecs_managed_tags            = true

  network_configuration {
    subnets          = local.platform.task_subnets
    security_groups  = [aws_security_group.server.id]
    assign_public_ip = local.platform.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "serving"
    container_port   = local.port
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  lifecycle {
    ignore_changes = [desired_count] # it is the autoscaling's
  }

  depends_on = [aws_lb_listener.this, aws_iam_role_policy.execution, aws_iam_role_policy.serving]
}

resource "aws_ecs_task_definition" "this" {
  family                   = "${var.platform}-serving-${substr(sha256(local.model), 0, 8)}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.serving.arn

  container_definitions = jsonencode([
    {
      name                   = "serving"
      image                  = "${data.aws_ecr_repository.serving.repository_url}:${var.image_tag}"
      essential              = true
      cpu                    = var.cpu
      memory                 = var.memory
      user                   = "1000:1000"
      readonlyRootFilesystem = true
      stopTimeout            = 60
      portMappings           = [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
      mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
      environment            = [for name, value in local.environment : { name = name, value = value }]
      linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this.name
          awslogs-region        = local.region
          awslogs-stream-prefix = "serving"
        }
      }
    }
  ])

  volume {
    name = "tmp"
  }
}

locals {
  environment = merge({
    AWS_DEFAULT_REGION        = local.region
    TRAINSHED_ENGINE          = "aws"
    TRAINSHED_ARTIFACT        = local.artifact
    TRAINSHED_ARTIFACT_DIGEST = local.digest
    TRAINSHED_ARTIFACT_BUCKET = local.platform.artifact_bucket
    TRAINSHED_FEEDBACK_TABLE  = local.platform.feedback_table
    TRAINSHED_PORT            = tostring(local.port)
    TRAINSHED_WORKERS         = tostring(var.workers)
    },
    nonsensitive(var.api_key != null) ? { TRAINSHED_API_KEY_SHA256 = sha256(var.api_key) } : {}
  )
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch's own key: the logs hold no secrets
  #checkov:skip=CKV_AWS_338:Kept for as long as the platform keeps its own
  name              = "/${var.platform}/serving/${local.name}"
  retention_in_days = local.platform.log_retention_days
}
