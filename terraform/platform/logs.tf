resource "aws_cloudwatch_log_group" "training" {
  #checkov:skip=CKV_AWS_158:CloudWatch's own key: the logs hold no secrets
  name              = "/${var.name}/training"
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_log_group" "consumer" {
  #checkov:skip=CKV_AWS_158:CloudWatch's own key: the logs hold no secrets
  name              = "/aws/lambda/${local.consumer}"
  retention_in_days = var.log_retention_days
}
