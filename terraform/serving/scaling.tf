resource "aws_appautoscaling_target" "servers" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${local.platform.cluster}/${aws_ecs_service.this.name}"
  min_capacity       = var.min_servers
  max_capacity       = var.max_servers
}

# Each says how many servers it wants, and the larger number counts.
resource "aws_appautoscaling_policy" "servers" {
  for_each = {
    cpu      = { metric = "ECSServiceAverageCPUUtilization", target = 60, label = null }
    requests = { metric = "ALBRequestCountPerTarget", target = var.requests_per_minute, label = "${aws_lb.this.arn_suffix}/${aws_lb_target_group.this.arn_suffix}" }
  }

  name               = "${local.name}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.servers.service_namespace
  scalable_dimension = aws_appautoscaling_target.servers.scalable_dimension
  resource_id        = aws_appautoscaling_target.servers.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.target
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
      resource_label         = each.value.label
    }
  }
}
