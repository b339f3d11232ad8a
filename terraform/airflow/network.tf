locals {
  port          = 8080
  database_port = 5432

  allowed_cidrs = var.allowed_cidrs != null ? var.allowed_cidrs : [local.platform.vpc_cidr]
}

resource "aws_security_group" "balancer" {
  name        = "${local.name}-balancer"
  description = "Who may use Airflow"
  vpc_id      = local.platform.vpc

  tags = { Name = "${local.name}-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each = toset(local.allowed_cidrs)

  security_group_id = aws_security_group.balancer.id
  description       = "Browsers"
  ip_protocol       = "tcp"
  from_port         = local.port
  to_port           = local.port
  cidr_ipv4         = each.key
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "To the API server"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = aws_security_group.airflow.id
}

resource "aws_security_group" "airflow" {
  name        = local.name
  description = "Airflow: only its load balancer gets in"
  vpc_id      = local.platform.vpc

  tags = { Name = local.name }
}

resource "aws_vpc_security_group_ingress_rule" "airflow" {
  security_group_id            = aws_security_group.airflow.id
  description                  = "From the load balancer"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = aws_security_group.balancer.id
}

resource "aws_vpc_security_group_egress_rule" "airflow" {
  security_group_id = aws_security_group.airflow.id
  description       = "APIs of AWS, image, logs"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "airflow_to_database" {
  security_group_id            = aws_security_group.airflow.id
  description                  = "To the database"
  ip_protocol                  = "tcp"
  from_port                    = local.database_port
  to_port                      = local.database_port
  referenced_security_group_id = aws_security_group.database.id
}

resource "aws_security_group" "database" {
  name        = "${local.name}-database"
  description = "Airflow's database: only Airflow gets in"
  vpc_id      = local.platform.vpc

  tags = { Name = "${local.name}-database" }
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  description                  = "From Airflow"
  ip_protocol                  = "tcp"
  from_port                    = local.database_port
  to_port                      = local.database_port
  referenced_security_group_id = aws_security_group.airflow.id
}
