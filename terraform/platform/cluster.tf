locals {
  gpu = var.gpu_instance_type != null

  # What a launch names. ECS takes no strategy that mixes Fargate and instances.
  capacity_providers = local.gpu ? ["${var.name}-gpu"] : var.capacity_providers
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = concat(["FARGATE", "FARGATE_SPOT"], [for provider in aws_ecs_capacity_provider.gpu : provider.name])
}
