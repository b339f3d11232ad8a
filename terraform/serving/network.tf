locals {
  port = 8080

  allowed_cidrs = var.allowed_cidrs != null ? var.allowed_cidrs : [var.public ? "0.0.0.0/0" : local.platform.vpc_cidr]
}

resource "aws_security_group" "balancer" {
  name        = "${local.name}-balancer"
  description = "Who may ask ${local.name}"
  vpc_id      = local.platform.vpc

  tags = { Name = "${local.name}-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each = toset(local.allowed_cidrs)

  security_group_id = aws_security_group.balancer.id
  description       = "Requests"
  ip_protocol       = "tcp"
  from_port         = local.port
  to_port           = local.port
  cidr_ipv4         = each.key
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "To the servers"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = aws_security_group.server.id
}

resource "aws_security_group" "server" {
  name        = "${local.name}-server"
  description = "The servers of ${local.name}: only their load balancer gets in"
  vpc_id      = local.platform.vpc

  tags = { Name = "${local.name}-server" }
}

resource "aws_vpc_security_group_ingress_rule" "server" {
  security_group_id            = aws_security_group.server.id
  description                  = "From the load balancer"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = aws_security_group.balancer.id
}

resource "aws_vpc_security_group_egress_rule" "server" {
  security_group_id = aws_security_group.server.id
  description       = "Image, artifact, feedback, logs"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}
