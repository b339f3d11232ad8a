# What people say of answers; trainshed/aws/feedback.py says what an item holds.
resource "aws_dynamodb_table" "feedback" {
  #checkov:skip=CKV_AWS_119:AWS's own key: the table is read inside of this account only, and a key of ours would protect it from nobody else
  #checkov:skip=CKV2_AWS_16:On demand, the table has no capacity to scale
  name                        = "${var.name}-feedback"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "name"
  range_key                   = "feedback_id"
  deletion_protection_enabled = !var.force_destroy

  attribute {
    name = "name"
    type = "S"
  }

  attribute {
    name = "feedback_id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}
