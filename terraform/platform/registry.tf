# The records and the count of slots; trainshed/aws/registry.py says what an item holds.
resource "aws_dynamodb_table" "registry" {
  #checkov:skip=CKV_AWS_119:AWS's own key: the table is read inside of this account only, and a key of ours would protect it from nobody else
  #checkov:skip=CKV2_AWS_16:On demand, the table has no capacity to scale
  name                        = "${var.name}-registry"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "model_id"
  deletion_protection_enabled = !var.force_destroy

  dynamic "attribute" {
    for_each = toset(concat(["model_id"], flatten([for index in local.indexes : [index.hash_key, index.range_key]])))

    content {
      name = attribute.key
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = local.indexes

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value.hash_key
      range_key       = global_secondary_index.value.range_key
      projection_type = "ALL"
    }
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}

locals {
  indexes = {
    # Sparse: only unfinished records have a state, so reading it never grows with history.
    by_state = { hash_key = "state", range_key = "state_order" }
    by_name  = { hash_key = "name", range_key = "created_at" }
    by_age   = { hash_key = "kind", range_key = "created_at" }
    by_id    = { hash_key = "kind", range_key = "model_id" }
  }
}
