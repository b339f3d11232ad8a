# One task with all of Airflow: its containers share a network and a folder, so that the scheduler
# runs the DAG's tasks itself (LocalExecutor), and nothing has to be found or scaled. Nothing of it
# waits in a triggerer: the DAG's sensors give their place back between two looks.

locals {
  variable = jsonencode({
    artifact_bucket = local.platform.artifact_bucket
    queue_url       = local.platform.queue_url
    served          = local.served
    table           = local.platform.table
  })

  environment = {
    AIRFLOW_CONN_AWS_DEFAULT                   = "aws://" # the task's own role
    AIRFLOW_VAR_TRAINSHED                      = local.variable
    AIRFLOW__API__BASE_URL                     = local.url
    AIRFLOW__API__EXPOSE_CONFIG                = "false"
    AIRFLOW__CORE__AUTH_MANAGER                = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION = "false"
    AIRFLOW__CORE__EXECUTION_API_SERVER_URL    = "http://localhost:${local.port}/execution/"
    AIRFLOW__CORE__EXECUTOR                    = "LocalExecutor"
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN        = "postgresql+psycopg2://${aws_db_instance.this.username}@${aws_db_instance.this.endpoint}/${aws_db_instance.this.db_name}"
    AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER   = "cloudwatch://${aws_cloudwatch_log_group.tasks.arn}"
    AIRFLOW__LOGGING__REMOTE_LOGGING           = "true"
    AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID       = "aws_default"
    AWS_DEFAULT_REGION                         = local.region
    PGSSLMODE                                  = "require"
  }

  # The URL above has no password: PostgreSQL's client takes it from PGPASSWORD.
  secrets = {
    AIRFLOW__API_AUTH__JWT_SECRET = "jwt_secret"
    AIRFLOW__API__SECRET_KEY      = "api_secret"
    AIRFLOW__CORE__FERNET_KEY     = "fernet_key"
  }

  processes = {
    api-server    = { command = ["api-server", "--port", tostring(local.port), "--workers", "1"], check = null }
    dag-processor = { command = ["dag-processor"], check = "DagProcessorJob" }
    scheduler     = { command = ["scheduler"], check = "SchedulerJob" }
  }

  container = {
    image                  = "${data.aws_ecr_repository.airflow.repository_url}:${var.image_tag}"
    user                   = "1000:1000"
    readonlyRootFilesystem = true
    stopTimeout            = 60
    environment            = [for name, value in local.environment : { name = name, value = value }]
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "airflow"
      }
    }
  }

  from_secret = merge(
    { for variable, key in local.secrets : variable => "${var.secret_arn}:${key}::" },
    { PGPASSWORD = "${aws_db_instance.this.master_user_secret[0].secret_arn}:password::" },
  )
}

resource "aws_ecs_service" "this" {
  #checkov:skip=CKV_AWS_333:Without NAT it needs an address to fetch its image with; nothing but its load balancer gets in
  name                               = local.name
  cluster                            = data.aws_ecs_cluster.this.arn
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = 1
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  deployment_minimum_healthy_percent = 0 # never two schedulers of two versions
  deployment_maximum_percent         = 100
  health_check_grace_period_seconds  = 600
  propagate_tags                     = "SERVICE"
  enable_ecs_managed_tags            = true

  network_configuration {
    subnets          = local.platform.task_subnets
    security_groups  = [aws_security_group.airflow.id]
    assign_public_ip = local.platform.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "api-server"
    container_port   = local.port
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  depends_on = [
    aws_iam_role_policy.airflow,
    aws_iam_role_policy.execution,
    aws_iam_role_policy.logs,
    aws_lb_listener.this,
  ]
}

resource "aws_ecs_task_definition" "this" {
  #checkov:skip=CKV_AWS_336:Read-only in each of them; checkov does not follow merge
  family                   = local.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.airflow.arn

  container_definitions = jsonencode(concat(
    # Before all others, and to its end: the tables, and the first user. Both may be there already.
    [merge(local.container, {
      name       = "migrate"
      essential  = false
      entryPoint = ["sh", "-ec"]
      command = [join(" && ", [
        "airflow db migrate",
        "airflow users create --role Admin --username admin --firstname Airflow --lastname Admin --email admin@localhost --password \"$ADMIN_PASSWORD\"",
      ])]
      secrets = [
        for variable, from in merge(local.from_secret, { ADMIN_PASSWORD = "${var.secret_arn}:admin_password::" }) :
        { name = variable, valueFrom = from }
      ]
    })],
    [for name, process in local.processes : merge(
      local.container,
      {
        name         = name
        essential    = true
        command      = process.command
        dependsOn    = [{ containerName = "migrate", condition = "SUCCESS" }]
        secrets      = [for variable, from in local.from_secret : { name = variable, valueFrom = from }]
        portMappings = process.check == null ? [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }] : []
      },
      # The load balancer asks the API server; of the others the database knows when they last lived.
      process.check == null ? {} : {
        healthCheck = {
          command     = ["CMD", "airflow", "jobs", "check", "--job-type", process.check, "--local"]
          interval    = 60
          timeout     = 50
          retries     = 3
          startPeriod = 120
        }
      },
    )],
  ))

  volume {
    name = "tmp"
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch's own key: the logs hold no secrets
  #checkov:skip=CKV_AWS_338:Kept for as long as the platform keeps its own
  name              = "/${var.platform}/airflow"
  retention_in_days = local.platform.log_retention_days
}

resource "aws_cloudwatch_log_group" "tasks" {
  #checkov:skip=CKV_AWS_158:CloudWatch's own key: the logs hold no secrets
  #checkov:skip=CKV_AWS_338:Kept for as long as the platform keeps its own
  name              = "/${var.platform}/airflow/tasks"
  retention_in_days = local.platform.log_retention_days
}
