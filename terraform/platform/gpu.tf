# GPU instances, which ECS starts when a training waits for one and ends when none does.

resource "aws_ecs_capacity_provider" "gpu" {
  count = local.gpu ? 1 : 0

  name = "${var.name}-gpu"

  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.gpu[0].arn
    managed_termination_protection = "ENABLED"

    managed_scaling {
      status          = "ENABLED"
      target_capacity = 100
    }
  }
}

resource "aws_autoscaling_group" "gpu" {
  count = local.gpu ? 1 : 0

  name                  = "${var.name}-gpu"
  min_size              = 0
  max_size              = var.gpu_max_instances
  vpc_zone_identifier   = local.task_subnets
  protect_from_scale_in = true

  launch_template {
    id      = aws_launch_template.gpu[0].id
    version = aws_launch_template.gpu[0].latest_version
  }

  # ECS puts this on by itself, and takes the group for its own by it.
  tag {
    key                 = "AmazonECSManaged"
    value               = "true"
    propagate_at_launch = true
  }

  lifecycle {
    ignore_changes = [desired_capacity]
  }
}

resource "aws_launch_template" "gpu" {
  count = local.gpu ? 1 : 0

  name                   = "${var.name}-gpu"
  image_id               = data.aws_ssm_parameter.gpu_image[0].insecure_value
  instance_type          = var.gpu_instance_type
  update_default_version = true
  vpc_security_group_ids = [aws_security_group.training.id]
  user_data = base64encode(<<-EOT
    #!/bin/bash
    echo ECS_CLUSTER=${aws_ecs_cluster.this.name} >> /etc/ecs/ecs.config
    echo ECS_ENABLE_GPU_SUPPORT=true >> /etc/ecs/ecs.config
  EOT
  )

  iam_instance_profile {
    arn = aws_iam_instance_profile.gpu[0].arn
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size = 100
      volume_type = "gp3"
      encrypted   = true
    }
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # the instance's own credentials are not for its containers
  }
}

data "aws_ssm_parameter" "gpu_image" {
  count = local.gpu ? 1 : 0

  name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
}

resource "aws_iam_instance_profile" "gpu" {
  count = local.gpu ? 1 : 0

  name = "${var.name}-gpu"
  role = aws_iam_role.gpu[0].name
}

resource "aws_iam_role" "gpu" {
  count = local.gpu ? 1 : 0

  name               = "${var.name}-gpu"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["ec2"].json
}

# AWS's own policy for instances of a cluster: what ECS's agent needs, which changes with the agent.
resource "aws_iam_role_policy_attachment" "gpu" {
  count = local.gpu ? 1 : 0

  role       = aws_iam_role.gpu[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}
