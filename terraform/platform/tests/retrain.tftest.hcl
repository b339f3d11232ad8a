# Retraining with the provider mocked: what is listened to, what is queued, and what is refused.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  lambda_zip              = "versions.tf" # some file
  model_types             = "tests/model_types"
  default_hyperparameters = { plain = { text = "from the platform" } }
}

run "nothing_is_retrained_unless_asked_for" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_event_rule.retrain) == 0 && length(aws_s3_bucket_notification.datasets) == 0
    error_message = "There should be no rule for pushes and none for data."
  }

  assert {
    condition     = !contains(flatten([for statement in data.aws_iam_policy_document.consumer.statement : statement.actions]), "ecs:RegisterTaskDefinition")
    error_message = "The consumer has no need to register task definitions."
  }

  assert {
    condition     = length(data.aws_iam_policy_document.requests.statement) == 0
    error_message = "Nobody but a role should send requests."
  }
}

run "retraining_on_push" {
  command = plan

  variables {
    retrain_on_push = {
      with_choices = [{ name = "nightly", epochs = 3, hyperparameters = { way = "another" } }, { name = "other" }]
    }
  }

  assert {
    condition     = { for key, rule in aws_cloudwatch_event_rule.retrain : key => rule.name } == { push-with-choices = "trainshed-push-with-choices" }
    error_message = "There should be a rule for the repository."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.retrain["push-with-choices"].event_pattern) == {
      source      = ["aws.ecr"]
      detail-type = ["ECR Image Action"]
      account     = ["123456789012"]
      region      = ["ap-southeast-2"]
      detail = {
        action-type     = ["PUSH"]
        result          = ["SUCCESS"]
        repository-name = ["trainshed-training-with-choices"]
        image-digest    = [{ prefix = "sha256:" }]
        image-tag       = [{ anything-but = [""] }]
      }
    }
    error_message = "The rule should pick the pushes of that repository alone."
  }

  assert {
    condition     = toset([for target in aws_cloudwatch_event_target.retrain : target.target_id]) == toset(["nightly", "other"])
    error_message = "There should be a target for each request."
  }

  assert {
    condition = jsondecode(replace(aws_cloudwatch_event_target.retrain["push-with-choices/nightly"].input_transformer[0].input_template, "<digest>", "\"blank\"")) == {
      name            = "nightly"
      model_type      = "with_choices"
      epochs          = 3
      hyperparameters = { way = "another" }
      trigger         = { kind = "push", repository = "trainshed-training-with-choices", digest = "blank" }
    }
    error_message = "The message should be the request with its trigger."
  }

  assert {
    condition     = contains(flatten([for statement in data.aws_iam_policy_document.consumer.statement : statement.actions]), "ecs:RegisterTaskDefinition")
    error_message = "The consumer should be able to define the pushed image."
  }

  assert {
    condition     = one(data.aws_iam_policy_document.requests.statement).sid == "Retraining" && length(one(one(data.aws_iam_policy_document.requests.statement).condition).values) == 1
    error_message = "The rule, and nothing else of EventBridge, should send requests."
  }
}

run "retraining_on_data" {
  command = plan

  variables {
    retrain_on_data = {
      "reviews/"     = [{ name = "mood", model_type = "plain" }]
      "news <1>.csv" = [{ name = "news", model_type = "plain", dataset = "s3://elsewhere/news/" }]
    }
  }

  assert {
    condition = toset([for rule in aws_cloudwatch_event_rule.retrain : jsonencode(jsondecode(rule.event_pattern).detail)]) == toset([
      jsonencode({ bucket = { name = ["trainshed-datasets-123456789012-ap-southeast-2"] }, object = { key = [{ prefix = "reviews/" }] } }),
      jsonencode({ bucket = { name = ["trainshed-datasets-123456789012-ap-southeast-2"] }, object = { key = ["news <1>.csv"] } }),
    ])
    error_message = "A slash at the end should mean all below, and a key itself."
  }

  assert {
    condition = { for target in aws_cloudwatch_event_target.retrain : target.target_id => jsondecode(replace(target.input_transformer[0].input_template, "/<(key|version)>/", "\"$1\"")).dataset } == {
      mood = "s3://trainshed-datasets-123456789012-ap-southeast-2/reviews/"
      news = "s3://elsewhere/news/"
    }
    error_message = "What is below the key should be the data set, unless there is another."
  }

  assert {
    condition     = length(aws_s3_bucket_notification.datasets) == 1
    error_message = "The bucket should tell EventBridge of new objects."
  }

  assert {
    condition     = !contains(flatten([for statement in data.aws_iam_policy_document.consumer.statement : statement.actions]), "ecs:RegisterTaskDefinition")
    error_message = "New data needs no other image."
  }
}

run "no_list_of_requests_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = { name = "nightly" } }
    retrain_on_data = { "reviews/" = "mood" }
  }

  expect_failures = [var.retrain_on_push, var.retrain_on_data]
}

run "a_key_with_a_slash_first_is_refused" {
  command = plan

  variables {
    retrain_on_data = { "/reviews/" = [{ name = "mood", model_type = "plain" }] }
  }

  expect_failures = [var.retrain_on_data]
}

run "an_unknown_model_type_is_refused" {
  command = plan

  variables {
    retrain_on_push = { palin = [{ name = "nightly" }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "a_model_type_beside_the_repositorys_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "nightly", model_type = "with_choices" }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "a_request_without_a_name_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ epochs = 3 }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "a_name_that_is_none_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "My_Model" }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "two_requests_of_one_name_are_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "nightly" }, { name = "nightly", epochs = 2 }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "a_name_that_an_object_would_ask_for_twice_is_refused" {
  command = plan

  variables {
    retrain_on_data = {
      "reviews/"          = [{ name = "mood", model_type = "plain" }]
      "reviews/train.csv" = [{ name = "mood", model_type = "plain", epochs = 50 }]
    }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "one_name_for_keys_that_share_no_object" {
  command = plan

  variables {
    retrain_on_data = {
      "reviews/"        = [{ name = "mood", model_type = "plain" }]
      "reviews.csv"     = [{ name = "mood", model_type = "plain" }]
      "more/reviews/"   = [{ name = "mood", model_type = "plain" }]
      "reviews/new.csv" = [{ name = "new", model_type = "plain" }]
    }
  }

  assert {
    condition     = length(local.retrain_twice) == 0 && length(aws_cloudwatch_event_rule.retrain) == 4
    error_message = "No object lies below two of these keys that have one name."
  }
}

run "an_unknown_field_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "nightly", epoch = 3 }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "half_an_epoch_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "nightly", epochs = 1.5 }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "too_high_a_priority_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "nightly", priority = 10 }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "an_unknown_hyperparameter_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "nightly", hyperparameters = { rat = 0.5 } }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "a_hyperparameter_of_another_type_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "nightly", hyperparameters = { rate = "0.5" } }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "a_hyperparameter_above_its_maximum_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "nightly", hyperparameters = { rate = 1.5 } }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "a_hyperparameter_that_is_no_choice_is_refused" {
  command = plan

  variables {
    retrain_on_push = { with_choices = [{ name = "nightly", hyperparameters = { way = "up" } }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "hyperparameters_that_are_no_map_are_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "nightly", hyperparameters = "rate" }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "a_data_set_that_no_training_could_reach_is_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [{ name = "nightly", dataset = "./reviews.csv" }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "more_requests_than_a_rule_has_targets_are_refused" {
  command = plan

  variables {
    retrain_on_push = { plain = [for number in range(6) : { name = "model-${number}" }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}

run "an_unknown_model_type_for_data_is_refused" {
  command = plan

  variables {
    retrain_on_data = { "reviews/" = [{ name = "mood", model_type = "palin" }] }
  }

  expect_failures = [aws_cloudwatch_event_rule.retrain]
}
