locals {
  repositories = merge(
    { for name in keys(local.model_types) : "training-${local.hyphened[name]}" => "${var.name}-training-${local.hyphened[name]}" },
    { airflow = "${var.name}-airflow", serving = "${var.name}-serving" },
  )
}

resource "aws_ecr_repository" "this" {
  #checkov:skip=CKV_AWS_136:ECR's own key: the images hold no secrets
  for_each = local.repositories

  name                 = each.value
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_destroy

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Untagged images are the leftovers of pushes"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 7 }
        action       = { type = "expire" }
      },
      {
        # What a rule picks, no later one expires: without this thirty pushes, as retrain_on_push
        # listens to, would take away the image that all other trainings run.
        rulePriority = 2
        description  = "The image that image_tag names stays"
        selection    = { tagStatus = "tagged", tagPatternList = [var.image_tag], countType = "imageCountMoreThan", countNumber = 1 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 3
        description  = "Of all others the newest thirty stay"
        selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 30 }
        action       = { type = "expire" }
      },
    ]
  })
}
