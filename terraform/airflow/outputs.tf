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
