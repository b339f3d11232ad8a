# What is served: an artifact, and the digest that pins it.

locals {
  model = coalesce(var.model_id, var.model_key)

  # Everything of one model has this name; with the longest platform name it has 29 of the 32
  # characters that a load balancer's may have.
  name = "${var.platform}-${substr(sha256(local.model), 0, 8)}"

  # A modelId is name, hyphen, UUID. Who serves an artifact by a key without one has none.
  model_name = try(regex("^(?:models/)?([^/]+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:/|$)", local.model)[0], null)

  record = one([for found in data.aws_dynamodb_table_item.record : jsondecode(jsondecode(found.item).record.S)])

  artifact = var.model_key != null ? var.model_key : local.record.artifact
  digest   = var.model_key != null ? var.artifact_digest : local.record.digest
}

data "aws_dynamodb_table_item" "record" { # an "empty result" means that there is no such model
  count = var.model_id == null ? 0 : 1

  table_name = local.platform.table
  key        = jsonencode({ model_id = { S = var.model_id } })

  lifecycle {
    postcondition {
      condition = try(jsondecode(jsondecode(self.item).record.S).status, null) == "Completed"
      error_message = join(" ", compact([
        "The model ${var.model_id} is ${try(jsondecode(jsondecode(self.item).record.S).status, "no model at all")},",
        "and only a Completed model can be served.",
        try(jsondecode(jsondecode(self.item).record.S).reason, null),
      ]))
    }
  }
}

resource "aws_ssm_parameter" "served" {
  #checkov:skip=CKV2_AWS_34:Names of things, no secret
  #checkov:skip=CKV_AWS_337:Names of things, no secret
  count = var.served_as == null ? 0 : 1

  name  = "/${var.platform}/served/${var.served_as}"
  type  = "String"
  value = jsonencode({ artifact = local.artifact, digest = local.digest })
}
