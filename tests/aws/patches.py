"""What moto's server needs beside itself to carry this project's Terraform and its adapters.

Each patch is a gap of moto 5.2: AWS itself does what stands here.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from typing import Any

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.dynamodb.responses import DynamoHandler
from moto.events.models import Rule
from moto.events.utils import EventTemplateParser
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket, FakeDeleteMarker
from moto.sqs.models import Queue


def apply_patches() -> None:
    replace(
        ApplicationAutoScalingResponse, "list_tags_for_resource", lambda _: json.dumps({"Tags": {}})
    )
    # Without it, what was deleted from a bucket that is no longer versioned cannot go for good.
    replace(FakeDeleteMarker, "dispose", lambda _: None)
    _keep_queue_policies_as_written()
    _leave_conditional_bucket_statements_out()
    _send_no_event_to_functions()
    _write_messages_as_templates_say()
    _answer_one_request_to_dynamodb_at_a_time()


def _keep_queue_policies_as_written() -> None:
    """Redrive policies come back whole and in compact JSON; otherwise Terraform waits for ever
    for the one, and sees a change in the other."""
    plain = vars(Queue)["attributes"].fget

    def attributes(queue: Queue) -> dict[str, Any]:
        found = dict(plain(queue))
        if queue.redrive_policy:
            found["RedrivePolicy"] = _compact(queue.redrive_policy)
        allowed = getattr(queue, "redrive_allow_policy", None)
        if allowed:
            found["RedriveAllowPolicy"] = _compact(json.loads(allowed))
        return found

    replace(Queue, "attributes", property(attributes))


def _leave_conditional_bucket_statements_out() -> None:
    """moto takes no notice of `Condition`, so that "deny what does not use TLS" would deny all."""

    def get_permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
        if bucket.policy is None:
            return PermissionResult.NEUTRAL
        policy = json.loads(bucket.policy)
        policy["Statement"] = [
            statement for statement in policy["Statement"] if "Condition" not in statement
        ]
        return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)

    replace(FakeBucket, "get_permission", get_permission)


def _send_no_event_to_functions() -> None:
    """moto knows no function as a target and fails, and takes a schedule for a match of all. What
    S3 tells of is written as a target wants it, like any other event."""
    plain = Rule.send_to_targets

    def send_to_targets(rule: Rule, event: Any, transform_input: bool = True) -> None:
        if rule.scheduled_expression:
            return
        others = copy.copy(rule)
        others.targets = [target for target in rule.targets if ":lambda:" not in target["Arn"]]
        told: Any = {"ingestion-time": event["time"], **event}
        plain(others, told, transform_input or event["source"] == "aws.s3")

    replace(Rule, "send_to_targets", send_to_targets)


def _write_messages_as_templates_say() -> None:
    """A blank that stands for a whole JSON value gets its quotes, and what is in it is escaped."""
    plain: Any = EventTemplateParser.parse

    def parse(input_template: str | None, input_paths_map: dict[str, str], event: Any) -> Any:
        def fill(blank: re.Match[str]) -> str:
            value = event
            for name in input_paths_map[blank[1]].split(".")[1:]:
                value = value[name]
            return json.dumps(value)

        if input_template is None:
            return plain(input_template, input_paths_map, event)
        blanks = "|".join(map(re.escape, input_paths_map))
        filled = re.sub(rf'(?<!")<({blanks})>(?!")', fill, input_template)
        return plain(filled, input_paths_map, event)

    replace(EventTemplateParser, "parse", staticmethod(parse))


def _answer_one_request_to_dynamodb_at_a_time() -> None:
    """A write is atomic. moto's threads come between each other's: an increment gets lost, and a
    transaction that is refused takes back what others have written meanwhile."""
    lock = threading.Lock()
    plain = DynamoHandler.call_action

    def call_action(handler: DynamoHandler) -> Any:
        with lock:
            return plain(handler)

    replace(DynamoHandler, "call_action", call_action)


def replace(owner: type, name: str, value: object) -> None:
    """Set an attribute of a class of moto's."""
    setattr(owner, name, value)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
