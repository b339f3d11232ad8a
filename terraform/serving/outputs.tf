output "url" {
  description = "Where the model is served: POST to <url>/<model type>."
  value       = "${local.https ? "https" : "http"}://${aws_lb.this.dns_name}:${local.port}"
}

output "service" {
  description = "The ECS service."
  value       = aws_ecs_service.this.name
}

output "task_definition" {
  description = "The ECS task definition, with the artifact and its digest in its environment."
  value       = aws_ecs_task_definition.this.arn
}

output "artifact" {
  description = "What is served, and the SHA-256 of its manifest."
  value       = { prefix = local.artifact, digest = local.digest }
}
