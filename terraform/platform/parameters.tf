# What the other stacks have to know of the platform. Parameters, not a remote state: whoever serves a
# model needs no access to the platform's state.
resource "aws_ssm_parameter" "serving" {
  #checkov:skip=CKV2_AWS_34:Names and addresses, no secret
  #checkov:skip=CKV_AWS_337:Names and addresses, no secret
  name = "/${var.name}/serving"
  type = "String"

  value = jsonencode(merge(local.for_services, {
    feedback_table = aws_dynamodb_table.feedback.name
    public_subnets = [for zone in local.zones : aws_subnet.public[zone].id]
    repository     = aws_ecr_repository.this["serving"].name
  }))
}

resource "aws_ssm_parameter" "airflow" {
  #checkov:skip=CKV2_AWS_34:Names and addresses, no secret
  #checkov:skip=CKV_AWS_337:Names and addresses, no secret
  name = "/${var.name}/airflow"
  type = "String"

  value = jsonencode(merge(local.for_services, {
    dataset_bucket = aws_s3_bucket.this["datasets"].id
    queue_arn      = aws_sqs_queue.requests.arn
    queue_url      = aws_sqs_queue.requests.url
    repository     = aws_ecr_repository.this["airflow"].name
  }))
}

locals {
  for_services = {
    artifact_bucket    = aws_s3_bucket.this["artifacts"].id
    assign_public_ip   = local.assign_public_ip
    cluster            = aws_ecs_cluster.this.name
    log_retention_days = var.log_retention_days
    private_subnets    = [for zone in local.zones : aws_subnet.private[zone].id]
    table              = aws_dynamodb_table.registry.name
    task_subnets       = local.task_subnets
    vpc                = aws_vpc.this.id
    vpc_cidr           = aws_vpc.this.cidr_block
  }
}
