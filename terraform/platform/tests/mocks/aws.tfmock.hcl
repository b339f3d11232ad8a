# What the mocked provider gives where it would ask AWS.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_region" {
  defaults = { name = "ap-southeast-2" } # none is longer
}

mock_data "aws_availability_zones" {
  defaults = { names = ["ap-southeast-2a", "ap-southeast-2b", "ap-southeast-2c"] }
}

mock_data "aws_iam_policy_document" {
  defaults = { json = "{}" }
}

# Known at plan, whatever they are.
mock_resource "aws_dynamodb_table" {
  defaults = {}
}

mock_resource "aws_ecr_repository" {
  defaults = {}
}

mock_resource "aws_s3_bucket" {
  defaults = {}
}

mock_resource "aws_security_group" {
  defaults = {}
}

mock_resource "aws_subnet" {
  defaults = {}
}

# Known too, and shaped as the provider wants them.
mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:ap-southeast-2:123456789012:queue"
    url = "https://sqs.ap-southeast-2.amazonaws.com/123456789012/queue"
  }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/role" }
}

mock_resource "aws_lambda_function" {
  defaults = { arn = "arn:aws:lambda:ap-southeast-2:123456789012:function:consumer" }
}

mock_resource "aws_cloudwatch_event_rule" {
  defaults = { arn = "arn:aws:events:ap-southeast-2:123456789012:rule/rule" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:ap-southeast-2:123456789012:topic" }
}

mock_resource "aws_autoscaling_group" {
  defaults = { arn = "arn:aws:autoscaling:ap-southeast-2:123456789012:autoScalingGroup:1:autoScalingGroupName/gpu" }
}

mock_resource "aws_iam_instance_profile" {
  defaults = { arn = "arn:aws:iam::123456789012:instance-profile/gpu" }
}

mock_resource "aws_iam_openid_connect_provider" {
  defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
}
