output "url" {
  description = "Where Airflow answers, inside of the platform's network."
  value       = local.url
}

output "admin_password" {
  description = "How to read the password of the user admin."
  value       = "aws secretsmanager get-secret-value --secret-id ${var.secret_arn} --query SecretString --output text"
}

output "service" {
  description = "The ECS service."
  value       = aws_ecs_service.this.name
}

output "variable" {
  description = "The Airflow Variable `trainshed`, which the DAG reads; for an Airflow elsewhere, such as MWAA."
  value       = local.variable
}

output "policy" {
  description = "What the DAG may do; for the execution role of an Airflow elsewhere."
  value       = data.aws_iam_policy_document.airflow.json
}
