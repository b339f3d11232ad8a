output "environment" {
  description = "Points a shell's trainshed at this platform: eval \"$(terraform output -raw environment)\""
  value = join("", [
    for name, value in merge({ AWS_DEFAULT_REGION = local.region }, local.environment) :
    "export ${name}='${replace(value, "'", "'\\''")}'\n"
  ])
}

output "name" {
  description = "The platform's name, which the serving stack is given."
  value       = var.name
}

output "consumer" {
  description = "The Lambda function, for a manual tick or a look at its log."
  value       = aws_lambda_function.consumer.function_name
}

output "consumer_rules" {
  description = "What calls the consumer; scripts/drain.sh turns it off."
  value       = [for rule in aws_cloudwatch_event_rule.consumer : rule.name]
}

output "region" {
  description = "The region of it all."
  value       = local.region
}

output "training_families" {
  description = "The families of the trainings' task definitions."
  value       = [for definition in aws_ecs_task_definition.training : definition.family]
}

output "cluster" {
  description = "The ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "repositories" {
  description = "Image → the repository to push it to."
  value       = { for key, repository in aws_ecr_repository.this : key => repository.repository_url }
}

output "alarm_topic" {
  description = "The SNS topic of all alarms."
  value       = aws_sns_topic.alarms.arn
}

output "github_roles" {
  description = "The roles for the workflows: plan and deploy."
  value       = { for key, role in aws_iam_role.github : key => role.arn }
}
