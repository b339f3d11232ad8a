# What the platform says of itself.
data "aws_ssm_parameter" "platform" {
  name = "/${var.platform}/serving"
}

locals {
  platform = jsondecode(data.aws_ssm_parameter.platform.insecure_value)
}

data "aws_ecr_repository" "serving" {
  name = local.platform.repository
}

data "aws_ecs_cluster" "this" {
  cluster_name = local.platform.cluster
}
