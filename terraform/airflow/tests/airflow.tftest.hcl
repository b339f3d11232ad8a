# The Airflow stack with its provider mocked: what runs, what it may do, and what it refuses.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = {
      insecure_value = "{\"artifact_bucket\":\"artifacts\",\"assign_public_ip\":false,\"cluster\":\"trainshed\",\"dataset_bucket\":\"datasets\",\"log_retention_days\":365,\"private_subnets\":[\"private-a\",\"private-b\"],\"queue_arn\":\"arn:aws:sqs:eu-west-1:123456789012:requests\",\"queue_url\":\"https://sqs.eu-west-1.amazonaws.com/123456789012/requests\",\"repository\":\"trainshed-airflow\",\"table\":\"registry\",\"task_subnets\":[\"private-a\",\"private-b\"],\"vpc\":\"vpc\",\"vpc_cidr\":\"10.42.0.0/16\"}"
    }
  }
  mock_data "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/trainshed" }
  }
  mock_data "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:ecr:eu-west-1:123456789012:repository/trainshed-airflow"
      repository_url = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/trainshed-airflow"
    }
  }

  mock_resource "aws_lb" {
    defaults = {
      arn      = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/a/1"
      dns_name = "airflow.example"
    }
  }
  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/a/1/2" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/3" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/role" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:tasks" }
  }
  mock_resource "aws_db_instance" {
    defaults = {
      endpoint           = "database.example:5432"
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1" }]
    }
  }
}

variables {
  secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow"
}

run "it_runs_inside_of_the_platforms_network" {
  command = plan

  assert {
    condition     = aws_lb.this.internal && tolist(aws_lb.this.subnets) == tolist(["private-a", "private-b"]) && keys(aws_vpc_security_group_ingress_rule.balancer) == ["10.42.0.0/16"]
    error_message = "Only the platform's network should get at it."
  }

  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.publicly_accessible != true && aws_db_instance.this.deletion_protection
    error_message = "The database should be encrypted, private and protected."
  }
}

run "the_database_comes_first_and_then_the_processes" {
  command = plan

  assert {
    condition = {
      for container in jsondecode(aws_ecs_task_definition.this.container_definitions) :
      container.name => [container.essential, try(container.dependsOn[0].condition, null)]
      } == {
      migrate       = [false, null]
      api-server    = [true, "SUCCESS"]
      dag-processor = [true, "SUCCESS"]
      scheduler     = [true, "SUCCESS"]
    }
    error_message = "Three processes should wait for the tables."
  }

  assert {
    condition = alltrue([
      for container in jsondecode(aws_ecs_task_definition.this.container_definitions) :
      container.readonlyRootFilesystem && container.user == "1000:1000" && container.linuxParameters.capabilities.drop == ["ALL"]
    ])
    error_message = "None of them should be root, or write anywhere but below /tmp."
  }
}

run "the_dag_is_told_where_the_platform_is" {
  command = plan

  assert {
    condition = jsondecode(one([
      for entry in jsondecode(aws_ecs_task_definition.this.container_definitions)[1].environment :
      entry.value if entry.name == "AIRFLOW_VAR_TRAINSHED"
      ])) == {
      artifact_bucket = "artifacts"
      queue_url       = "https://sqs.eu-west-1.amazonaws.com/123456789012/requests"
      served          = "/trainshed/served"
      table           = "registry"
    }
    error_message = "The DAG reads these four."
  }
}

run "no_secret_stands_in_the_environment" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for container in jsondecode(aws_ecs_task_definition.this.container_definitions) : [
        for entry in container.environment : !strcontains(entry.name, "PASSWORD") && !strcontains(entry.name, "SECRET") && !strcontains(entry.name, "KEY")
      ]
    ]))
    error_message = "A secret should come from Secrets Manager."
  }

  assert {
    condition = alltrue([
      for container in jsondecode(aws_ecs_task_definition.this.container_definitions) :
      alltrue([for secret in container.secrets : startswith(secret.valueFrom, "arn:aws:secretsmanager:")])
    ])
    error_message = "A secret should come from Secrets Manager."
  }

  assert {
    condition = anytrue([
      for entry in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment :
      entry.name == "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" && entry.value == "postgresql+psycopg2://airflow@database.example:5432/airflow"
    ])
    error_message = "The database's address should have no password in it."
  }
}

run "with_a_certificate_it_is_https" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
  }

  assert {
    condition     = aws_lb_listener.this.protocol == "HTTPS" && output.url == "https://airflow.example:8080"
    error_message = "It should be HTTPS."
  }
}

run "the_longest_names_fit" {
  command = plan

  variables {
    platform = "abcdefghij-123456789"
  }

  assert {
    condition     = length(aws_lb.this.name) <= 32 && length(aws_lb_target_group.this.name) <= 32
    error_message = "A load balancer's name has at most 32 characters."
  }
}

run "a_database_in_three_zones_is_refused" {
  command = plan

  variables {
    database_zones = 3
  }

  expect_failures = [var.database_zones]
}

run "a_secret_itself_is_refused_where_its_arn_belongs" {
  command = plan

  variables {
    secret_arn = "hunter2"
  }

  expect_failures = [var.secret_arn]
}
