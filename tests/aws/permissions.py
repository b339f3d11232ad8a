"""Who has a role's credentials may do what its policies allow; the tests' own keys may do all.

moto can check this, and is taught here what it does not know: that a permission of DynamoDB is for
a table, that a transaction needs the permissions of its parts, that SQS has none of their own for
batches, and, of the services for which it sees no resource but `*`, at least the action. It takes
no notice of conditions.
"""

from __future__ import annotations

import json
from typing import Any

from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import IAMPolicy, IAMPolicyStatement, IAMRequest, IAMRequestBase

from .patches import replace

_WITH_RESOURCES = ("iam", "s3", "sqs", "sts")


def check_permissions() -> None:
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    check = ActionAuthenticatorMixin._authenticate_and_authorize_action
    check_resource = IAMRequest.check_action_permitted

    def check_roles_only(response: Any, request_class: type, resource: str = "*") -> None:
        if response.get_access_key().startswith("ASIA"):  # temporary, hence a role's
            check(response, request_class, resource)

    def check_action_permitted(request: IAMRequest, resource: str) -> None:
        if request._service in _WITH_RESOURCES:
            if request._service == "sqs":  # many at once take the permission of one
                request._action = request._action.removesuffix("Batch")
            check_resource(request, resource)
        elif request._service == "dynamodb":
            for action, table in _table_actions(request):
                request._action = action
                check_resource(request, table)
        elif not _is_allowed_somewhere(request):
            request._raise_access_denied()

    replace(ActionAuthenticatorMixin, "_authenticate_and_authorize_action", check_roles_only)
    replace(IAMRequestBase, "check_signature", lambda _: None)
    replace(IAMRequest, "check_action_permitted", check_action_permitted)


def _table_actions(request: IAMRequest) -> list[tuple[str, str]]:
    """The actions that a call to DynamoDB takes, each with the table or index that it is for."""
    body: Any = request._body
    given = body if isinstance(body, dict) else json.loads(body)
    if request._action == "dynamodb:TransactWriteItems":
        calls = [
            (f"dynamodb:{part}Item", write)
            for item in given["TransactItems"]
            for part, write in item.items()
        ]
    elif request._action == "dynamodb:BatchGetItem":
        calls = [(request._action, {"TableName": name}) for name in given["RequestItems"]]
    else:
        calls = [(request._action, given)]
    tables = f"arn:aws:dynamodb:{request._region}:{request.account_id}:table/"
    return [
        (
            action,
            tables
            + call.get("TableName", "")
            + (f"/index/{call['IndexName']}" if "IndexName" in call else ""),
        )
        for action, call in calls
    ]


def _is_allowed_somewhere(request: IAMRequest) -> bool:
    for policy in request._access_key.collect_policies():
        statements = IAMPolicy(policy)._policy_json["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            matcher = IAMPolicyStatement(statement)
            if statement["Effect"] == "Allow" and matcher._check_element_matches(
                "Action", request._action
            ):
                return True
    return False
