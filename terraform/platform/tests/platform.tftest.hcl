# The platform with its provider mocked: what the variables choose, and what is refused.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  lambda_zip              = "versions.tf" # some file
  model_types             = "tests/model_types"
  default_hyperparameters = { plain = { text = "from the platform" } }
}

run "every_model_type_has_a_task_definition_and_a_repository" {
  command = plan

  assert {
    condition     = { for name, definition in aws_ecs_task_definition.training : name => definition.family } == { plain = "trainshed-training-plain", with_choices = "trainshed-training-with-choices" }
    error_message = "There should be a task definition for each folder of model types, named for it."
  }

  assert {
    condition     = toset([for repository in aws_ecr_repository.this : repository.name]) == toset(["trainshed-airflow", "trainshed-serving", "trainshed-training-plain", "trainshed-training-with-choices"])
    error_message = "There should be a repository per image."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.training["plain"].container_definitions)[0].memory == 2048
    error_message = "The container should have the memory of its model type."
  }
}

run "the_image_that_image_tag_names_never_expires" {
  command = plan

  variables {
    image_tag = "1.2.3"
  }

  # No rule expires what an earlier one has picked, and `any` has to come last.
  assert {
    condition = alltrue([
      for policy in aws_ecr_lifecycle_policy.this : [
        for rule in jsondecode(policy.policy).rules : [rule.selection.tagStatus, try(rule.selection.tagPatternList, null), rule.selection.countType] if rule.selection.tagStatus != "untagged"
        ] == [
        ["tagged", ["1.2.3"], "imageCountMoreThan"],
        ["any", null, "imageCountMoreThan"],
      ]
    ])
    error_message = "The rule of image_tag should come before that of all images."
  }

  assert {
    condition     = alltrue([for policy in aws_ecr_lifecycle_policy.this : [for rule in jsondecode(policy.policy).rules : rule.rulePriority] == [1, 2, 3]])
    error_message = "The rules should be applied in the order in which they stand."
  }
}

run "the_consumer_learns_the_model_types_with_the_platforms_defaults" {
  command = plan

  assert {
    condition = jsondecode(aws_lambda_function.consumer.environment[0].variables.TRAINSHED_CATALOGUE) == {
      plain = {
        cpu      = 1024
        memory   = 2048
        epochs   = 3
        feedback = true
        hyperparameters = {
          rate = { type = "number", default = 0.5, minimum = 0, maximum = 1 }
          text = { type = "string", default = "from the platform" }
        }
      }
      with_choices = {
        cpu             = 256
        memory          = 512
        epochs          = 1
        feedback        = false
        hyperparameters = { way = { type = "string", default = "it's one", choices = ["it's one", "another"] } }
      }
    }
    error_message = "The catalogue is not what the model_type.json files and default_hyperparameters say."
  }

  assert {
    condition     = strcontains(output.environment, "\"it'\\''s one\"")
    error_message = "A shell could not source the output environment."
  }
}

run "one_nat_gateway" {
  command = plan

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 2
    error_message = "Both zones should share one NAT gateway."
  }

  assert {
    condition     = !local.assign_public_ip && local.task_subnets == [for subnet in aws_subnet.private : subnet.id]
    error_message = "Trainings should be in the private subnets."
  }
}

run "a_nat_gateway_per_zone" {
  command = plan

  variables {
    nat = "one_per_zone"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 2 && length(aws_route.nat) == 2
    error_message = "Each zone should have a NAT gateway."
  }
}

run "no_nat_gateway" {
  command = plan

  variables {
    nat = "none"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 0 && length(aws_route.nat) == 0
    error_message = "There should be no NAT gateway, and no address paid for."
  }

  assert {
    condition     = aws_lambda_function.consumer.environment[0].variables.TRAINSHED_ASSIGN_PUBLIC_IP == "1" && local.task_subnets == [for subnet in aws_subnet.public : subnet.id]
    error_message = "Without NAT trainings need public addresses."
  }
}

run "another_nat_mode_is_refused" {
  command = plan

  variables {
    nat = "two"
  }

  expect_failures = [var.nat]
}

run "gpu_instances" {
  command = plan

  variables {
    gpu_instance_type = "g4dn.xlarge"
  }

  override_data {
    target = data.aws_ssm_parameter.gpu_image[0]
    values = { insecure_value = "ami-12345678" }
  }

  assert {
    condition     = aws_lambda_function.consumer.environment[0].variables.TRAINSHED_CAPACITY_PROVIDERS == "trainshed-gpu"
    error_message = "Trainings should go to the GPU instances."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.training["plain"].container_definitions)[0].resourceRequirements == [{ type = "GPU", value = "1" }]
    error_message = "A training should get a GPU."
  }
}

run "gpu_instances_need_nat" {
  command = plan

  variables {
    nat               = "none"
    gpu_instance_type = "g4dn.xlarge"
  }

  expect_failures = [var.gpu_instance_type]
}

run "spot_and_on_demand" {
  command = plan

  variables {
    capacity_providers = ["FARGATE_SPOT", "FARGATE"]
  }

  assert {
    condition     = aws_lambda_function.consumer.environment[0].variables.TRAINSHED_CAPACITY_PROVIDERS == "FARGATE_SPOT,FARGATE"
    error_message = "The consumer should know both capacity providers."
  }
}

run "another_capacity_provider_is_refused" {
  command = plan

  variables {
    capacity_providers = ["EC2"]
  }

  expect_failures = [var.capacity_providers]
}

run "the_longest_name_fits" {
  command = plan

  variables {
    name = "abcdefghij-123456789"
  }

  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : length(bucket.bucket) <= 63])
    error_message = "A bucket's name has at most 63 characters."
  }

  assert {
    condition     = alltrue([for role in [aws_iam_role.consumer, aws_iam_role.training, aws_iam_role.execution] : length(role.name) <= 64])
    error_message = "A role's name has at most 64 characters."
  }
}

run "a_longer_name_is_refused" {
  command = plan

  variables {
    name = "abcdefghij-1234567890"
  }

  expect_failures = [var.name]
}

run "a_name_that_aws_would_not_take_is_refused" {
  command = plan

  variables {
    name = "My_Platform"
  }

  expect_failures = [var.name]
}

run "a_cap_of_nothing_is_refused" {
  command = plan

  variables {
    cap = 0
  }

  expect_failures = [var.cap]
}

run "a_default_for_no_hyperparameter_is_refused" {
  command = plan

  variables {
    default_hyperparameters = { plain = { txet = "scratch" } }
  }

  expect_failures = [aws_lambda_function.consumer]
}

run "an_environment_too_large_for_lambda_is_refused" {
  command = plan

  variables {
    default_hyperparameters = { plain = { text = join("", [for number in range(1000) : "0123"]) } }
  }

  expect_failures = [aws_lambda_function.consumer]
}

run "a_size_that_fargate_does_not_have_is_refused" {
  command = plan

  variables {
    model_types             = "tests/wrong_size"
    default_hyperparameters = {}
  }

  expect_failures = [aws_ecs_task_definition.training]
}

run "no_model_types_are_refused" {
  command = plan

  variables {
    model_types             = "tests"
    default_hyperparameters = {}
  }

  expect_failures = [aws_lambda_function.consumer]
}

run "no_github_roles_unless_asked_for" {
  command = plan

  assert {
    condition     = length(aws_iam_role.github) == 0 && length(aws_iam_openid_connect_provider.github) == 0
    error_message = "GitHub should have no role."
  }
}

run "github_roles" {
  command = plan

  variables {
    github_repository = "someone/trainshed"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 1
    error_message = "GitHub's OIDC provider should be made."
  }

  assert {
    condition = { for key, document in data.aws_iam_policy_document.github_assume : key => one([
      for condition in document.statement[0].condition : condition.values[0] if endswith(condition.variable, ":sub")
    ]) } == { plan = "repo:someone/trainshed:pull_request", deploy = "repo:someone/trainshed:ref:refs/heads/main" }
    error_message = "Pull requests may plan, and only main may deploy."
  }
}
