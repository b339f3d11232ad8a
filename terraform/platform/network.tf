data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:The first two by name are used, and new zones come last
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  zones = slice(data.aws_availability_zones.available.names, 0, 2)

  # Zone → the zone whose NAT gateway it uses.
  nat_of_zone = {
    none         = {}
    one          = { for zone in local.zones : zone => local.zones[0] }
    one_per_zone = { for zone in local.zones : zone => zone }
  }[var.nat]

  # Where containers run. Without NAT they need an address of their own to fetch their image.
  assign_public_ip = var.nat == "none"
  task_subnets     = [for zone in local.zones : local.assign_public_ip ? aws_subnet.public[zone].id : aws_subnet.private[zone].id]
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:Nothing here takes connections but load balancers, whose own metrics tell of them
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Whatever names no security group gets one that lets nothing in or out.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  for_each = toset(local.zones)

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, index(local.zones, each.key))

  tags = { Name = "${var.name}-public-${each.key}" }
}

resource "aws_subnet" "private" {
  for_each = toset(local.zones)

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, 8 + index(local.zones, each.key))

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

resource "aws_eip" "nat" {
  for_each = toset(values(local.nat_of_zone))

  domain = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each = aws_eip.nat

  allocation_id = each.value.id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = "${var.name}-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route_table" "private" {
  for_each = aws_subnet.private

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route" "nat" {
  for_each = local.nat_of_zone

  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[each.value].id
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[each.key].id
}

# Artifacts, data sets, image layers and the registry go past NAT, which is paid by the gigabyte.
resource "aws_vpc_endpoint" "gateway" {
  for_each = toset(["s3", "dynamodb"])

  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.${each.key}"
  route_table_ids   = concat([aws_route_table.public.id], [for table in aws_route_table.private : table.id])

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_security_group" "training" {
  name        = "${var.name}-training"
  description = "Trainings: nothing comes in, and only HTTPS goes out"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-training" }
}

resource "aws_vpc_security_group_egress_rule" "training" {
  security_group_id = aws_security_group.training.id
  description       = "APIs of AWS, images, model hubs"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}
