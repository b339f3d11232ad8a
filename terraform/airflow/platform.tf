# What the platform says of itself.
data "aws_ssm_parameter" "platform" {
  name = "/${var.platform}/airflow"
}

locals {
  platform = jsondecode(data.aws_ssm_parameter.platform.insecure_value)

  # Where terraform/serving says what is served: below it, a parameter per model's name.
  served = "/${var.platform}/served"
}

data "aws_ecr_repository" "airflow" {
  name = local.platform.repository
}

data "aws_ecs_cluster" "this" {
  cluster_name = local.platform.cluster
}
