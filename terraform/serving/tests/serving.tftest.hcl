# The serving stack with its provider mocked: what it serves, what it refuses, and how it names it.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = {
      insecure_value = "{\"artifact_bucket\":\"artifacts\",\"assign_public_ip\":false,\"cluster\":\"trainshed\",\"feedback_table\":\"feedback\",\"log_retention_days\":365,\"private_subnets\":[\"private-a\",\"private-b\"],\"public_subnets\":[\"public-a\",\"public-b\"],\"repository\":\"trainshed-serving\",\"table\":\"registry\",\"task_subnets\":[\"private-a\",\"private-b\"],\"vpc\":\"vpc\",\"vpc_cidr\":\"10.42.0.0/16\"}"
    }
  }
  mock_data "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/trainshed" }
  }
  mock_data "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:ecr:eu-west-1:123456789012:repository/trainshed-serving"
      repository_url = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/trainshed-serving"
    }
  }
  # A Completed record, unless a test says otherwise.
  mock_data "aws_dynamodb_table_item" {
    defaults = {
      item = "{\"record\":{\"S\":\"{\\\"status\\\":\\\"Completed\\\",\\\"artifact\\\":\\\"models/my-model-1/2\\\",\\\"digest\\\":\\\"d1ge57\\\"}\"}}"
    }
  }

  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/a/1", arn_suffix = "app/a/1" }
  }
  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/a/1/2" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/3", arn_suffix = "targetgroup/a/3" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/role" }
  }
}

variables {
  model_id = "my-model-1"
}

run "a_completed_model_is_served_by_its_digest" {
  command = plan

  assert {
    condition = {
      for entry in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : entry.name => entry.value
      } == {
      AWS_DEFAULT_REGION        = "eu-west-1"
      TRAINSHED_ENGINE          = "aws"
      TRAINSHED_ARTIFACT        = "models/my-model-1/2"
      TRAINSHED_ARTIFACT_DIGEST = "d1ge57"
      TRAINSHED_ARTIFACT_BUCKET = "artifacts"
      TRAINSHED_FEEDBACK_TABLE  = "feedback"
      TRAINSHED_PORT            = "8080"
      TRAINSHED_WORKERS         = "1"
    }
    error_message = "The container's environment is not that of the record."
  }

  assert {
    condition     = aws_lb.this.internal && tolist(aws_lb.this.subnets) == tolist(["private-a", "private-b"]) && keys(aws_vpc_security_group_ingress_rule.balancer) == ["10.42.0.0/16"]
    error_message = "Only the platform's network should get at it."
  }

  assert {
    condition     = length(aws_ssm_parameter.served) == 0
    error_message = "Nothing should be said that nobody asked for."
  }

  assert {
    condition     = aws_lb_listener.this.port == 8080 && aws_lb_listener.this.default_action[0].type == "forward"
    error_message = "It should answer on 8080."
  }
}

run "a_model_that_failed_is_refused" {
  command = plan

  override_data {
    target = data.aws_dynamodb_table_item.record[0]
    values = { item = "{\"record\":{\"S\":\"{\\\"status\\\":\\\"Failed\\\",\\\"artifact\\\":null,\\\"digest\\\":null}\"}}" }
  }

  expect_failures = [data.aws_dynamodb_table_item.record]
}

run "an_item_that_is_no_record_is_refused" {
  command = plan

  override_data {
    target = data.aws_dynamodb_table_item.record[0]
    values = { item = "{\"used\":{\"N\":\"3\"}}" }
  }

  expect_failures = [data.aws_dynamodb_table_item.record]
}

run "a_server_keeps_the_feedback_on_its_name_alone" {
  command = plan

  variables {
    model_id = "my-model-6f1c2a9e-1d2b-4c3d-8e4f-5a6b7c8d9e0f"
  }

  assert {
    condition = [
      for statement in data.aws_iam_policy_document.serving.statement :
      [for condition in statement.condition : [condition.test, condition.variable, condition.values]] if statement.sid == "KeepFeedback"
    ] == [[["ForAllValues:StringEquals", "dynamodb:LeadingKeys", tolist(["my-model"])]]]
    error_message = "Feedback on other names should be nothing to it."
  }
}

run "the_name_is_in_the_key_of_an_artifact_too" {
  command = plan

  variables {
    model_id        = null
    model_key       = "models/my-model-6f1c2a9e-1d2b-4c3d-8e4f-5a6b7c8d9e0f/2"
    artifact_digest = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  assert {
    condition     = local.model_name == "my-model"
    error_message = "The key has a modelId in it."
  }
}

run "a_key_without_a_model_id_names_no_model" {
  command = plan

  variables {
    model_id        = null
    model_key       = "models/other/1"
    artifact_digest = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.serving.statement : length(statement.condition) == 0])
    error_message = "Its server could not keep feedback."
  }
}

run "an_artifact_is_served_by_its_key_and_digest" {
  command = plan

  variables {
    model_id        = null
    model_key       = "models/other/1"
    artifact_digest = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  assert {
    condition     = output.artifact == { prefix = "models/other/1", digest = var.artifact_digest }
    error_message = "What is served should be what was named."
  }
}

run "a_key_needs_a_digest" {
  command = plan

  variables {
    model_id  = null
    model_key = "models/other/1"
  }

  expect_failures = [var.artifact_digest]
}

run "a_key_outside_of_models_is_refused" {
  command = plan

  variables {
    model_id        = null
    model_key       = "datasets/other"
    artifact_digest = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.model_key]
}

run "either_a_model_or_a_key" {
  command = plan

  variables {
    model_key       = "models/other/1"
    artifact_digest = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.model_id]
}

run "nothing_to_serve_is_refused" {
  command = plan

  variables {
    model_id = null
  }

  expect_failures = [var.model_id]
}

run "public_without_key_or_certificate_is_refused" {
  command = plan

  variables {
    public = true
  }

  expect_failures = [var.public]
}

run "public_with_a_key" {
  command = plan

  variables {
    public  = true
    api_key = "0123456789abcdef01234567"
  }

  assert {
    condition     = !aws_lb.this.internal && tolist(aws_lb.this.subnets) == tolist(["public-a", "public-b"])
    error_message = "It should be public."
  }

  assert {
    condition = {
      for entry in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : entry.name => entry.value
    }["TRAINSHED_API_KEY_SHA256"] == sha256("0123456789abcdef01234567")
    error_message = "The servers should get the key's hash."
  }

  assert {
    condition     = !strcontains(aws_ecs_task_definition.this.container_definitions, "0123456789abcdef01234567")
    error_message = "The key itself should be nowhere."
  }

  assert {
    condition     = aws_lb_listener.this.default_action[0].type == "forward"
    error_message = "It is the servers who look at the key."
  }
}

run "too_short_a_key_is_refused" {
  command = plan

  variables {
    api_key = "0123456789abcdef0123456"
  }

  expect_failures = [var.api_key]
}

run "a_key_that_a_header_would_change_is_refused" {
  command = plan

  variables {
    api_key = "0123456789abcdef01234567 "
  }

  expect_failures = [var.api_key]
}

run "public_with_a_certificate" {
  command = plan

  variables {
    public          = true
    certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
  }

  assert {
    condition     = aws_lb_listener.this.protocol == "HTTPS" && aws_lb_listener.this.default_action[0].type == "forward"
    error_message = "It should be HTTPS."
  }
}

run "the_longest_names_fit" {
  command = plan

  variables {
    platform = "abcdefghij-123456789"
    model_id = "a-name-as-long-as-a-name-may-be-0123456789-0123456789-0123456789-6f1c2a9e-1d2b-4c3d-8e4f-5a6b7c8d9e0f"
  }

  assert {
    condition     = length(aws_lb.this.name) <= 32 && length(aws_lb_target_group.this.name) <= 32
    error_message = "A load balancer's name has at most 32 characters."
  }

  assert {
    condition     = alltrue([for role in [aws_iam_role.serving, aws_iam_role.execution] : length(role.name) <= 64])
    error_message = "A role's name has at most 64 characters."
  }
}

run "one_model" {
  command = plan
}

run "another_model_beside_it" {
  command = plan

  variables {
    model_id = "my-model-2"
  }

  assert {
    condition     = aws_lb.this.name != run.one_model.service && output.service != run.one_model.service
    error_message = "Two models should not share a name."
  }
}

run "what_is_served_is_said_where_that_is_wanted" {
  command = plan

  variables {
    served_as = "my-model"
  }

  assert {
    condition     = aws_ssm_parameter.served[0].name == "/trainshed/served/my-model"
    error_message = "The DAG looks there."
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.served[0].value) == { artifact = "models/my-model-1/2", digest = "d1ge57" }
    error_message = "It should say what is served."
  }
}

run "only_a_models_name_can_be_served_as" {
  command = plan

  variables {
    served_as = "My model"
  }

  expect_failures = [var.served_as]
}
