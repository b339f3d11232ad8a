locals {
  https = var.certificate_arn != null
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:The servers log each request themselves
  #checkov:skip=CKV_AWS_150:A served model comes and goes with terraform apply and destroy
  #checkov:skip=CKV2_AWS_20:There is one port, and it speaks either HTTP or HTTPS
  #checkov:skip=CKV2_AWS_28:Internal by default; a firewall in front of a public one is the account's to choose
  name                       = local.name
  load_balancer_type         = "application"
  internal                   = !var.public
  subnets                    = var.public ? local.platform.public_subnets : local.platform.private_subnets
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:Between load balancer and server, inside of the platform's network, it is HTTP
  name                 = local.name
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = local.port
  vpc_id               = local.platform.vpc
  deregistration_delay = 30

  health_check {
    path                = "/readyz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "this" {
  #checkov:skip=CKV_AWS_2:HTTPS with a certificate; without one it is internal or needs an API key
  #checkov:skip=CKV_AWS_103:HTTPS with a certificate; without one it is internal or needs an API key
  load_balancer_arn = aws_lb.this.arn
  port              = local.port
  protocol          = local.https ? "HTTPS" : "HTTP"
  certificate_arn   = var.certificate_arn
  ssl_policy        = local.https ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : null

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}
