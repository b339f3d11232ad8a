locals {
  # Bucket names are the whole world's, so account and region are in them.
  buckets = {
    artifacts = "${var.name}-artifacts-${local.account}-${local.region}"
    datasets  = "${var.name}-datasets-${local.account}-${local.region}"
  }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:CloudTrail's data events tell who read what, where that is wanted
  #checkov:skip=CKV_AWS_144:An artifact can be trained again; another region is not worth double the cost
  #checkov:skip=CKV_AWS_145:S3's own key: a key of ours would protect the buckets from nobody outside of this account
  #checkov:skip=CKV2_AWS_62:The registry says when an artifact is whole; EventBridge hears of new data where retrain_on_data asks for it
  #checkov:skip=CKV_AWS_21:Versioned below; checkov follows for_each to one bucket only
  #checkov:skip=CKV2_AWS_6:Blocked below; checkov follows for_each to one bucket only
  #checkov:skip=CKV2_AWS_61:Has a lifecycle below; checkov follows for_each to one bucket only
  for_each = local.buckets

  bucket        = each.value
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = aws_s3_bucket.this

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    id     = "leftovers"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = 90
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # A checkpoint goes when its model has ended. Its bytes go a day later, and so do, after a month,
  # those of one that was forgotten.
  dynamic "rule" {
    for_each = each.key == "artifacts" ? [1] : []

    content {
      id     = "checkpoints"
      status = "Enabled"

      filter {
        tag {
          key   = "trainshed"
          value = "checkpoint"
        }
      }

      expiration {
        days = 30
      }

      noncurrent_version_expiration {
        noncurrent_days = 1
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  policy = data.aws_iam_policy_document.bucket_tls_only[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.this]
}

data "aws_iam_policy_document" "bucket_tls_only" {
  for_each = aws_s3_bucket.this

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}
