# Two roles for the repository's workflows, who prove who they are with GitHub's OIDC tokens; there
# is no key to store. Pull requests may look, and only what is on main may change anything.

locals {
  github = var.github_repository != null
  github_roles = {
    plan   = "repo:${coalesce(var.github_repository, "-")}:pull_request"
    deploy = "repo:${coalesce(var.github_repository, "-")}:ref:refs/heads/main"
  }
  github_provider_arn = try(aws_iam_openid_connect_provider.github[0].arn, var.github_oidc_provider_arn)
}

resource "aws_iam_openid_connect_provider" "github" {
  count = local.github && var.github_oidc_provider_arn == null ? 1 : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "github" {
  for_each = local.github ? local.github_roles : {}

  name               = "${var.name}-github-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.github_assume[each.key].json
}

data "aws_iam_policy_document" "github_assume" {
  for_each = local.github ? local.github_roles : {}

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.github_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = [each.value]
    }
  }
}

resource "aws_iam_role_policy_attachment" "github" {
  for_each = local.github ? { plan = "ReadOnlyAccess", deploy = "PowerUserAccess" } : {}

  role       = aws_iam_role.github[each.key].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}

# PowerUserAccess leaves IAM out. This adds the platform's own roles and no others, though whoever
# writes a role's policy can let it do anything: what is on main is trusted with the account.
resource "aws_iam_role_policy" "github_deploy" {
  count = local.github ? 1 : 0

  name   = "roles"
  role   = aws_iam_role.github["deploy"].id
  policy = data.aws_iam_policy_document.github_deploy[0].json
}

data "aws_iam_policy_document" "github_deploy" {
  count = local.github ? 1 : 0

  statement {
    sid = "ThePlatformsRoles"
    actions = [
      "iam:AddRoleToInstanceProfile",
      "iam:AttachRolePolicy",
      "iam:CreateInstanceProfile",
      "iam:CreateRole",
      "iam:DeleteInstanceProfile",
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:GetInstanceProfile",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListInstanceProfilesForRole",
      "iam:ListRolePolicies",
      "iam:ListRoleTags",
      "iam:PassRole",
      "iam:PutRolePolicy",
      "iam:RemoveRoleFromInstanceProfile",
      "iam:TagInstanceProfile",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
    ]
    resources = [
      "arn:${local.partition}:iam::${local.account}:role/${var.name}-*",
      "arn:${local.partition}:iam::${local.account}:instance-profile/${var.name}-*",
    ]
  }

  statement {
    sid       = "SeeWhoGitHubIs"
    actions   = ["iam:GetOpenIDConnectProvider"]
    resources = [local.github_provider_arn]
  }

  statement {
    sid       = "NotItsOwn"
    effect    = "Deny"
    actions   = ["iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-github-*"]
  }
}
