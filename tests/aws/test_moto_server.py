"""The server that stands in for AWS does what AWS does, where this project depends on it."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .ecs_stage import ContainerRunner, EcsStage
from .moto_server import MotoServer, moto_server


@pytest.fixture
def cluster(server: MotoServer) -> str:
    name = f"cluster-{uuid.uuid4().hex[:8]}"
    server.client("ecs").create_cluster(clusterName=name, capacityProviders=["FARGATE"])
    return name


@pytest.fixture
def stage(server: MotoServer) -> EcsStage:
    return EcsStage(server)


@pytest.fixture(scope="module")
def parameters(server: MotoServer) -> dict[str, Any]:
    """What RunTask is given, but for the cluster and the token."""
    ec2 = server.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    server.client("logs").create_log_group(logGroupName="/container-runner")
    server.client("ecs").register_task_definition(
        family="toy",
        networkMode="awsvpc",
        taskRoleArn="arn:aws:iam::123456789012:role/toy",
        containerDefinitions=[
            {
                "name": "training",
                "image": "toy:1",
                "memory": 512,
                "environment": [{"name": "A", "value": "definition"}, {"name": "B", "value": "b"}],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "/container-runner",
                        "awslogs-stream-prefix": "training",
                        "awslogs-region": "eu-west-1",
                    },
                },
            }
        ],
    )
    return {
        "taskDefinition": "toy",
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": [subnet]}},
        "overrides": {
            "containerOverrides": [
                {"name": "training", "environment": [{"name": "A", "value": "override"}]}
            ]
        },
    }


def error_of(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_a_client_token_starts_one_task(
    server: MotoServer, cluster: str, parameters: dict[str, Any], stage: EcsStage
) -> None:
    ecs = server.client("ecs")
    [first] = ecs.run_task(cluster=cluster, clientToken="t", **parameters)["tasks"]
    [again] = ecs.run_task(cluster=cluster, clientToken="t", **parameters)["tasks"]
    assert first["taskArn"] == again["taskArn"]
    assert first["lastStatus"] == "PROVISIONING"
    with pytest.raises(ClientError) as raised:
        ecs.run_task(cluster=cluster, clientToken="t", startedBy="other", **parameters)
    assert error_of(raised) == "ConflictException"
    assert raised.value.response["resourceIds"] == [first["taskArn"]]
    assert len(stage.tasks(cluster)) == 1
    stage.forget_tokens()
    [new] = ecs.run_task(cluster=cluster, clientToken="t", **parameters)["tasks"]
    assert new["taskArn"] != first["taskArn"]


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 11},
        {"clientToken": "t" * 65},
        {"startedBy": "with space"},
        {"overrides": {"containerOverrides": [{"name": "other"}]}},
        {"overrides": {"containerOverrides": [{"name": "training", "command": ["x" * 8192]}]}},
        {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]},
        {"launchType": "FARGATE"},
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}},
    ],
)
def test_run_task_refuses_what_ecs_refuses(
    server: MotoServer,
    cluster: str,
    parameters: dict[str, Any],
    stage: EcsStage,
    changes: dict[str, Any],
) -> None:
    with pytest.raises(ClientError) as raised:
        server.client("ecs").run_task(cluster=cluster, **{**parameters, **changes})
    assert error_of(raised) == "InvalidParameterException"
    assert stage.tasks(cluster) == []


def test_launches_come_to_what_was_scripted(
    server: MotoServer, cluster: str, parameters: dict[str, Any], stage: EcsStage
) -> None:
    ecs = server.client("ecs")
    stage.next_launches(
        {"failures": [{"reason": "Capacity is unavailable at this time."}]},
        {"error": "AccessDeniedException"},
        {"error": "AccessDeniedException", "started": True},
    )
    answer = ecs.run_task(cluster=cluster, **parameters)
    assert (answer["tasks"], len(answer["failures"])) == ([], 1)
    for started in (0, 1):
        with pytest.raises(ClientError):
            ecs.run_task(cluster=cluster, **parameters)
        assert len(stage.tasks(cluster)) == started


def test_a_task_changes_only_when_it_is_moved(
    server: MotoServer, cluster: str, parameters: dict[str, Any], stage: EcsStage
) -> None:
    ecs = server.client("ecs")
    before = len(stage.events())
    [task] = ecs.run_task(cluster=cluster, startedBy="me", **parameters)["tasks"]
    arn = task["taskArn"]
    for _ in range(3):
        answer = ecs.describe_tasks(cluster=cluster, tasks=[arn, "gone"])
        assert answer["tasks"][0]["lastStatus"] == "PROVISIONING"
        assert answer["failures"] == [{"arn": "gone", "reason": "MISSING"}]
    stage.move(arn, "RUNNING")
    stage.finish(arn, None, stop_code="TaskFailedToStart", stopped_reason="CannotPull")
    [stopped] = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert "exitCode" not in stopped["containers"][0]
    listed = ecs.list_tasks(cluster=cluster, startedBy="me", desiredStatus="STOPPED")
    assert listed["taskArns"] == [arn]
    assert ecs.list_tasks(cluster=cluster, startedBy="me")["taskArns"] == []
    details = [event["detail"] for event in stage.events(before)]
    assert [detail["version"] for detail in details] == [1, 2, 3]
    statuses = [detail["lastStatus"] for detail in details]
    assert statuses == ["PROVISIONING", "RUNNING", "STOPPED"]
    assert not {"containerEnvironment", "taskRoleArn"} & details[0].keys()


def test_a_cluster_with_tasks_is_not_deleted(
    server: MotoServer, cluster: str, parameters: dict[str, Any], stage: EcsStage
) -> None:
    ecs = server.client("ecs")
    [task] = ecs.run_task(cluster=cluster, **parameters)["tasks"]
    with pytest.raises(ClientError) as raised:
        ecs.delete_cluster(cluster=cluster)
    assert error_of(raised) == "ClusterContainsTasksException"
    stage.finish(task["taskArn"], 0)
    ecs.delete_cluster(cluster=cluster)


PROGRAM = """
import json, os, signal, sys, urllib.request
if os.environ["A"] == "stop":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print("ready", flush=True)
    signal.pause()
told = json.load(urllib.request.urlopen(os.environ["ECS_CONTAINER_METADATA_URI_V4"] + "/task"))
keys = json.load(urllib.request.urlopen(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]))
print(json.dumps([os.environ["A"], os.environ["B"], told["TaskARN"], keys["RoleArn"]]))
print(sorted(name for name in os.environ if name.startswith("TRAINSHED_")))
sys.exit(5)
"""


@pytest.fixture
def runner(server: MotoServer, cluster: str, tmp_path: Path) -> Iterator[ContainerRunner]:
    with ContainerRunner(server, cluster, [sys.executable, "-c", PROGRAM], tmp_path) as runner:
        yield runner


def test_a_container_runs_with_the_environment_of_its_task(
    server: MotoServer,
    cluster: str,
    parameters: dict[str, Any],
    runner: ContainerRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(os.environ, "TRAINSHED_SECRET", "of whoever runs the tests")
    [task] = server.client("ecs").run_task(cluster=cluster, **parameters)["tasks"]
    while runner.step():
        pass
    [ended] = server.client("ecs").describe_tasks(cluster=cluster, tasks=[task["taskArn"]])["tasks"]
    assert ended["containers"][0]["exitCode"] == 5
    assert ended["stopCode"] == "EssentialContainerExited"
    stream = f"training/training/{task['taskArn'].rsplit('/', 1)[-1]}"
    events = server.client("logs").get_log_events(
        logGroupName="/container-runner", logStreamName=stream
    )["events"]
    role = "arn:aws:iam::123456789012:role/toy"
    assert json.loads(events[0]["message"]) == ["override", "b", task["taskArn"], role]
    assert events[1]["message"] == "[]"


def test_a_container_is_stopped_with_sigterm(
    server: MotoServer,
    cluster: str,
    parameters: dict[str, Any],
    runner: ContainerRunner,
    tmp_path: Path,
) -> None:
    ecs = server.client("ecs")
    overrides = {
        "containerOverrides": [
            {"name": "training", "environment": [{"name": "A", "value": "stop"}]}
        ]
    }
    [task] = ecs.run_task(cluster=cluster, **{**parameters, "overrides": overrides})["tasks"]
    runner.step()
    while not any(log.read_text() for log in tmp_path.glob("*.log")):
        pass
    ecs.stop_task(cluster=cluster, task=task["taskArn"], reason="cancelled")
    while runner.step():
        pass
    [ended] = ecs.describe_tasks(cluster=cluster, tasks=[task["taskArn"]])["tasks"]
    assert ended["containers"][0]["exitCode"] == 7
    assert (ended["stopCode"], ended["stoppedReason"]) == ("UserInitiated", "cancelled")


def test_queues_give_their_redrive_policies_back(server: MotoServer) -> None:
    sqs = server.client("sqs")
    dead = sqs.create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    arn = attributes["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5}, separators=(",", ":"))
    queue = sqs.create_queue(QueueName=uuid.uuid4().hex, Attributes={"RedrivePolicy": redrive})[
        "QueueUrl"
    ]
    allow = '{"redrivePermission":"denyAll"}'
    sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": allow})
    for url, name, expected in (
        (queue, "RedrivePolicy", redrive),
        (dead, "RedriveAllowPolicy", allow),
    ):
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        assert answer["Attributes"][name] == expected


def test_a_conditional_bucket_policy_does_not_deny_all(server: MotoServer) -> None:
    s3 = server.client("s3")
    bucket = uuid.uuid4().hex
    location = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
    deny = {"Effect": "Deny", "Principal": "*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    statements = [
        {**deny, "Action": "s3:*", "Condition": insecure},
        {**deny, "Action": "s3:GetObject"},
    ]
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements})
    )
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with pytest.raises(ClientError, match=r"Forbidden|AccessDenied"):
        s3.get_object(Bucket=bucket, Key="k")
    assert len(json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]) == 2


def test_events_become_the_messages_that_their_targets_template_says(server: MotoServer) -> None:
    events, s3, sqs = (server.client(name) for name in ("events", "s3", "sqs"))
    name = uuid.uuid4().hex
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {"detail-type": ["Object Created"], "detail": {"bucket": {"name": [name]}}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    transformer = {
        "InputPathsMap": {"key": "$.detail.object.key", "account": "$.account"},
        "InputTemplate": '{"a": {"key": <key>}, "b": "<account>", "c": "<other>"}',
    }
    target = {"Id": "queue", "Arn": arn["QueueArn"], "InputTransformer": transformer}
    events.put_targets(Rule=name, Targets=[target])
    location = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=location)
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    key = 'ä"}, <b>'
    s3.put_object(Bucket=name, Key=key, Body=b"")
    [message] = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(message["Body"]) == {
        "a": {"key": key},
        "b": "123456789012",
        "c": "<other>",
    }


def test_a_role_may_do_what_its_policy_allows(server: MotoServer) -> None:
    name = uuid.uuid4().hex
    table = f"arn:aws:dynamodb:eu-west-1:123456789012:table/{name}"
    allowed = {
        "s3:PutObject": f"arn:aws:s3:::{name}/a/*",
        "dynamodb:PutItem": table,
        "dynamodb:Query": f"{table}/index/*",
        "ecs:ListTasks": "arn:aws:ecs:eu-west-1:123456789012:cluster/none",
    }
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": resource}
        for action, resource in allowed.items()
    ]
    iam = server.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=policy)
    server.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    server.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    s3, dynamodb, ecs = (server.client(service, role) for service in ("s3", "dynamodb", "ecs"))
    item = {"TableName": name, "Item": {"k": {"S": "k"}}}
    key = {"TableName": name, "Key": {"k": {"S": "k"}}}

    s3.put_object(Bucket=name, Key="a/b", Body=b"")
    dynamodb.put_item(**item)
    dynamodb.transact_write_items(TransactItems=[{"Put": item}])
    with pytest.raises(ClientError, match="ClusterNotFound"):
        ecs.list_tasks(cluster="none")

    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=name, Key="b/b", Body=b"")
    with pytest.raises(ClientError, match=r"not authorized.*dynamodb:DeleteItem"):
        dynamodb.transact_write_items(TransactItems=[{"Put": item}, {"Delete": key}])
    with pytest.raises(ClientError, match=r"not authorized.*dynamodb:GetItem"):
        dynamodb.get_item(**key)
    with pytest.raises(ClientError, match=r"not authorized.*dynamodb:Query"):
        dynamodb.query(
            TableName=name,
            KeyConditionExpression="k = :k",
            ExpressionAttributeValues={":k": {"S": "k"}},
        )
    with pytest.raises(ClientError, match=r"not authorized.*ecs:DescribeTasks"):
        ecs.describe_tasks(cluster="none", tasks=["none"])
    server.client("s3").put_object(Bucket=name, Key="b/b", Body=b"")


def test_the_server_is_gone_after_its_with(tmp_path: Path) -> None:
    with moto_server(tmp_path / "log") as server:
        os.kill(server.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
