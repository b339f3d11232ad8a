locals {
  https = var.certificate_arn != null
  url   = "${local.https ? "https" : "http"}://${aws_lb.this.dns_name}:${local.port}"
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:Airflow keeps a log of who did what
  #checkov:skip=CKV_AWS_150:Nothing is lost with a load balancer that terraform destroy takes away
  #checkov:skip=CKV2_AWS_20:There is one port, and it speaks either HTTP or HTTPS
  #checkov:skip=CKV2_AWS_28:Internal: nobody from outside of the network gets to it
  name                       = local.name
  load_balancer_type         = "application"
  internal                   = true
  subnets                    = local.platform.private_subnets
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:Between load balancer and API server, inside of the platform's network, it is HTTP
  name                 = local.name
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = local.port
  vpc_id               = local.platform.vpc
  deregistration_delay = 30

  health_check {
    path                = "/api/v2/version"
    matcher             = "200"
    interval            = 15
    timeout             = 10
    healthy_threshold   = 2
    unhealthy_threshold = 4
  }
}

resource "aws_lb_listener" "this" {
  #checkov:skip=CKV_AWS_2:HTTPS with a certificate; without one it is inside of the platform's network only
  #checkov:skip=CKV_AWS_103:HTTPS with a certificate; without one it is inside of the platform's network only
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
