# What the serving stack has to know of the platform. A parameter, not a remote state: whoever serves
# a model needs no access to the platform's state.
resource "aws_ssm_parameter" "serving" {
  #checkov:skip=CKV2_AWS_34:Names and addresses, no secret
  #checkov:skip=CKV_AWS_337:Names and addresses, no secret
  name = "/${var.name}/serving"
  type = "String"

  value = jsonencode({
    artifact_bucket    = aws_s3_bucket.this["artifacts"].id
    assign_public_ip   = local.assign_public_ip
    cluster            = aws_ecs_cluster.this.name
    log_retention_days = var.log_retention_days
    private_subnets    = [for zone in local.zones : aws_subnet.private[zone].id]
    public_subnets     = [for zone in local.zones : aws_subnet.public[zone].id]
    repository         = aws_ecr_repository.this["serving"].name
    table              = aws_dynamodb_table.registry.name
    task_subnets       = local.task_subnets
    vpc                = aws_vpc.this.id
    vpc_cidr           = aws_vpc.this.cidr_block
  })
}
