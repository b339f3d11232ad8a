"""The stacks as the real terraform applies them to AWS on loopback: what is there, what is refused,
what a second plan says, and that nothing stays behind."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from queue_consumer.metrics import NAMESPACE, measure
from queue_consumer.tick import Outcome
from tests.aws.ecs_stage import EcsStage
from tests.building import NOW, feedback_of, pending_record, reserved
from trainshed.aws.artifacts import S3Artifacts
from trainshed.aws.feedback import DynamoFeedback
from trainshed.aws.launcher import EcsLauncher, TaskPlacement
from trainshed.aws.queue import SqsQueue
from trainshed.aws.registry import DynamoRegistry
from trainshed.engine import open_engine
from trainshed.errors import TrainshedError
from trainshed.feedback import name_of
from trainshed.record import Launch
from trainshed.settings import Settings

from .conftest import Platform
from .differences import PLATFORM_DIFFERENCES, SERVING_DIFFERENCES, unexpected
from .terraform import ROOT, Stack, TerraformError

pytestmark = pytest.mark.aws

DIGEST = "0123456789abcdef" * 4
MODEL_ID = "my-model-6f1c2a9e-1d2b-4c3d-8e4f-5a6b7c8d9e0f"


def environment_of(platform: Platform) -> dict[str, str]:
    """What a shell has after it has sourced the output `environment`."""
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        ["bash", "-c", f'eval "$SOURCED"; exec "$0" -c "{program}"', sys.executable],
        env={"SOURCED": platform.outputs["environment"]},
        stdout=subprocess.PIPE,
        check=True,
    )
    sourced: dict[str, str] = json.loads(done.stdout)
    return {name: value for name, value in sourced.items() if name.startswith("TRAINSHED_")}


def statements(platform: Platform, role: str) -> list[dict[str, Any]]:
    iam = platform.server.client("iam")
    found: list[dict[str, Any]] = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        found += document["Statement"]
    return found


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def put_record(platform: Platform, model_id: str, **record: Any) -> None:
    platform.server.client("dynamodb").put_item(
        TableName=environment_of(platform)["TRAINSHED_TABLE"],
        Item={"model_id": {"S": model_id}, "record": {"S": json.dumps(record)}},
    )


def test_a_second_plan_changes_nothing(platform: Platform) -> None:
    assert unexpected(platform.stack.changes(platform.variables), PLATFORM_DIFFERENCES) == {}


def test_a_shell_learns_what_the_function_knows(platform: Platform) -> None:
    function = platform.server.client("lambda").get_function_configuration(
        FunctionName=platform.outputs["consumer"]
    )
    assert environment_of(platform) == function["Environment"]["Variables"]
    assert function["Handler"] == "queue_consumer.handler.handle"
    assert function["Runtime"] == "python3.12"


def test_the_queue_gives_up_after_five_receives(platform: Platform) -> None:
    sqs = platform.server.client("sqs")
    environment = environment_of(platform)
    queue, dead = (
        sqs.get_queue_attributes(QueueUrl=environment[name], AttributeNames=["All"])["Attributes"]
        for name in ("TRAINSHED_QUEUE_URL", "TRAINSHED_DEAD_LETTER_QUEUE_URL")
    )
    redrive = json.loads(queue["RedrivePolicy"])
    assert redrive == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 5}
    assert json.loads(dead["RedriveAllowPolicy"])["sourceQueueArns"] == [queue["QueueArn"]]
    assert queue["SqsManagedSseEnabled"] == "true"


def test_the_table_has_the_indexes_of_the_registry(platform: Platform) -> None:
    dynamodb = platform.server.client("dynamodb")
    name = environment_of(platform)["TRAINSHED_TABLE"]
    table = dynamodb.describe_table(TableName=name)["Table"]
    indexes = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in table["GlobalSecondaryIndexes"]
    }
    assert indexes == {
        "by_state": ["state", "state_order"],
        "by_name": ["name", "created_at"],
        "by_age": ["kind", "created_at"],
        "by_id": ["kind", "model_id"],
    }
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expires_at")
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


def test_the_table_of_feedback_has_its_keys_and_backups(platform: Platform) -> None:
    dynamodb = platform.server.client("dynamodb")
    name = environment_of(platform)["TRAINSHED_FEEDBACK_TABLE"]
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["name", "feedback_id"]
    assert table["SSEDescription"]["Status"] == "ENABLED"
    assert table["DeletionProtectionEnabled"] is False, "force_destroy is set here"
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


@pytest.mark.parametrize("bucket", ["TRAINSHED_ARTIFACT_BUCKET", "TRAINSHED_DATASET_BUCKET"])
def test_the_buckets_are_private_versioned_and_encrypted(platform: Platform, bucket: str) -> None:
    s3 = platform.server.client("s3")
    name = environment_of(platform)[bucket]
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    [rule] = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    [statement] = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert [
        rule["AbortIncompleteMultipartUpload"]
        for rule in rules
        if "AbortIncompleteMultipartUpload" in rule
    ] == [{"DaysAfterInitiation": 7}]
    expiring = [rule["Filter"]["Tag"] for rule in rules if "Days" in rule["Expiration"]]
    keeps_checkpoints = bucket == "TRAINSHED_ARTIFACT_BUCKET"
    assert expiring == [{"Key": "trainshed", "Value": "checkpoint"}] * keeps_checkpoints


def test_every_minute_and_every_change_of_a_training_call_the_consumer(platform: Platform) -> None:
    events = platform.server.client("events")
    rules = {rule["Name"]: rule for rule in events.list_rules()["Rules"]}
    assert set(rules) == set(platform.outputs["consumer_rules"])
    for name in rules:
        [target] = events.list_targets_by_rule(Rule=name)["Targets"]
        assert target["Arn"].endswith(f":function:{platform.outputs['consumer']}")
        assert target["DeadLetterConfig"]["Arn"].endswith("-undeliverable")
    assert rules["trainshed-consumer-schedule"]["ScheduleExpression"] == "rate(1 minute)"
    pattern = json.loads(rules["trainshed-consumer-tasks"]["EventPattern"])
    assert pattern["detail"]["lastStatus"] == ["RUNNING", "STOPPED"]
    assert pattern["detail"]["group"] == [{"prefix": "family:trainshed-training-"}]


def test_alarms_watch_metrics_that_the_consumer_writes(platform: Platform, home: Path) -> None:
    settings = Settings(home=home)
    with open_engine(settings) as engine:
        written = measure(engine, settings, Outcome([], 0, 0), NOW)
    alarms = platform.server.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) == 6
    assert {action.rsplit(":", 1)[-1] for alarm in alarms for action in alarm["AlarmActions"]} == {
        "trainshed-alarms"
    }
    watched = [alarm for alarm in alarms if "MetricName" in alarm]
    watched += [
        query["MetricStat"]["Metric"]
        for alarm in alarms
        for query in alarm.get("Metrics", [])
        if "MetricStat" in query
    ]
    own = {metric["MetricName"] for metric in watched if metric["Namespace"] == NAMESPACE}
    assert own == {"oldest_pending_seconds", "failures", "launches"}
    assert own <= written.keys()


def test_no_role_may_do_just_anything(platform: Platform) -> None:
    for role in ("trainshed-consumer", "trainshed-training", "trainshed-execution"):
        actions = [
            action
            for statement in statements(platform, role)
            for action in as_list(statement["Action"])
        ]
        assert actions
        assert not [action for action in actions if "*" in action]


def test_the_consumer_hands_on_the_two_roles_of_a_task_and_only_to_tasks(
    platform: Platform,
) -> None:
    [statement] = [
        statement
        for statement in statements(platform, "trainshed-consumer")
        if "iam:PassRole" in as_list(statement["Action"])
    ]
    roles = {arn.rsplit("/", 1)[-1] for arn in statement["Resource"]}
    assert roles == {"trainshed-training", "trainshed-execution"}
    assert statement["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }


def test_the_consumer_may_do_what_its_adapters_do(platform: Platform) -> None:
    iam = platform.server.client("iam")
    role = iam.get_role(RoleName="trainshed-consumer")["Role"]["Arn"]
    environment = environment_of(platform)
    sqs, dynamodb, s3 = (
        platform.server.client(service, role=role) for service in ("sqs", "dynamodb", "s3")
    )
    requests, dead_letters = (
        environment[name] for name in ("TRAINSHED_QUEUE_URL", "TRAINSHED_DEAD_LETTER_QUEUE_URL")
    )
    queue = SqsQueue(sqs, requests, dead_letters)
    registry = DynamoRegistry(dynamodb, environment["TRAINSHED_TABLE"])
    artifacts = S3Artifacts(s3, environment["TRAINSHED_ARTIFACT_BUCKET"])
    pending = pending_record()
    for body in ("taken", "buried"):
        platform.server.client("sqs").send_message(QueueUrl=requests, MessageBody=body)
    assert queue.depth() == 2
    taken, buried = (queue.receive(1)[0] for _ in range(2))
    queue.delete(taken)
    queue.bury(buried, "It is of no use.")
    assert registry.put_new(pending)
    registry.replace(pending, reserved(pending), cap=1)
    assert registry.slots_in_use() == len(registry.holding()) == registry.unfinished() == 1
    assert registry.ready(10, NOW) == []
    assert registry.reports([(pending.model_id, 1)]) == {}
    assert artifacts.entry("models/nothing/1/manifest.json") is None
    assert artifacts.keys("models/nothing") == []
    with pytest.raises(TrainshedError, match="not authorized"):
        queue.send("a consumer only takes")
    with pytest.raises(TrainshedError, match="AccessDenied"):
        artifacts.put("models/a/1/consumer-only-reads", ROOT / "setup.cfg")
    artifacts.delete("models/a/checkpoints/1/1/file")
    with pytest.raises(TrainshedError, match="AccessDenied"):
        artifacts.delete("models/a/1/manifest.json")
    for key in (pending.model_id, "#slots"):
        platform.server.client("dynamodb").delete_item(
            TableName=environment["TRAINSHED_TABLE"], Key={"model_id": {"S": key}}
        )


def test_a_training_writes_below_models_only(platform: Platform) -> None:
    role = platform.server.client("iam").get_role(RoleName="trainshed-training")["Role"]["Arn"]
    environment = environment_of(platform)
    bucket = environment["TRAINSHED_ARTIFACT_BUCKET"]
    s3 = platform.server.client("s3", role=role)
    dynamodb = platform.server.client("dynamodb", role=role)
    ecs = platform.server.client("ecs", role=role)
    s3.put_object(Bucket=bucket, Key="models/m/1/file", Body=b"x")
    s3.get_object(Bucket=bucket, Key="models/m/1/file")
    S3Artifacts(s3, bucket).put("models/m/checkpoints/1/1/file", ROOT / "setup.cfg")
    S3Artifacts(s3, bucket).delete("models/m/checkpoints/1/1/file")
    dynamodb.get_item(TableName=environment["TRAINSHED_TABLE"], Key={"model_id": {"S": "nobody"}})
    elsewhere = {"Bucket": environment["TRAINSHED_DATASET_BUCKET"], "Key": "models/file"}
    feedback = {"name": {"S": "my-model"}, "feedback_id": {"S": "1"}}
    feedback_table = environment["TRAINSHED_FEEDBACK_TABLE"]
    forbidden: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (s3.put_object, {"Bucket": bucket, "Key": "elsewhere/file", "Body": b"x"}),
        (s3.put_object, {**elsewhere, "Body": b"x"}),
        (s3.delete_object, {"Bucket": bucket, "Key": "models/m/1/file"}),
        (dynamodb.get_item, {"TableName": feedback_table, "Key": feedback}),
        (dynamodb.put_item, {"TableName": feedback_table, "Item": feedback}),
        (ecs.list_tasks, {"cluster": platform.outputs["cluster"]}),
    ]
    for call, arguments in forbidden:
        with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
            call(**arguments)


def launch(platform: Platform, image_digest: str | None = None) -> str:
    """Launch a training as the consumer does."""
    environment = environment_of(platform)
    launcher = EcsLauncher(
        platform.server.client("ecs"),
        platform.server.client("logs"),
        TaskPlacement(
            cluster=environment["TRAINSHED_CLUSTER"],
            family_prefix=environment["TRAINSHED_TASK_FAMILY_PREFIX"],
            subnets=environment["TRAINSHED_SUBNETS"].split(","),
            security_groups=environment["TRAINSHED_SECURITY_GROUPS"].split(","),
            capacity_providers=environment["TRAINSHED_CAPACITY_PROVIDERS"].split(","),
            assign_public_ip=environment["TRAINSHED_ASSIGN_PUBLIC_IP"] == "1",
            log_group=environment["TRAINSHED_TRAINING_LOG_GROUP"],
        ),
    )
    model_type = next(iter(json.loads(environment["TRAINSHED_CATALOGUE"])))
    return launcher.launch(
        Launch(
            token=uuid.uuid4().hex,
            model_type=model_type,
            environment={"TRAINSHED_MODEL_ID": "my-model", "TRAINSHED_ATTEMPT": "1"},
            image_digest=image_digest,
        )
    )


def test_a_training_starts_with_the_environment_of_its_definition(platform: Platform) -> None:
    stage = EcsStage(platform.server)
    task = launch(platform)
    [found] = [found for found in stage.tasks() if found["taskArn"] == task]
    environment = environment_of(platform)
    shared = ("TRAINSHED_TABLE", "TRAINSHED_ARTIFACT_BUCKET", "TRAINSHED_DATASET_BUCKET")
    assert found["containerEnvironment"] == {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "TRAINSHED_ALLOW_DOWNLOADS": "1",
        "TRAINSHED_CHECKPOINT_SECONDS": "300",
        "TRAINSHED_ENGINE": "aws",
        **{name: environment[name] for name in shared},
        "TRAINSHED_MODEL_ID": "my-model",
        "TRAINSHED_ATTEMPT": "1",
    }
    container = found["containerDefinition"]
    assert container["readonlyRootFilesystem"] is True
    assert container["stopTimeout"] == 120
    assert found["taskRoleArn"].endswith("/trainshed-training")
    stage.finish(task, 0)


def test_drain_stops_the_trainings_and_their_launches(platform: Platform) -> None:
    stage = EcsStage(platform.server)
    functions, events = (platform.server.client(name) for name in ("lambda", "events"))
    tasks = {launch(platform, digest) for digest in (None, None, f"sha256:{DIGEST}")}
    # The script waits for as long as a consumer that is at work may go on.
    consumer = platform.outputs["consumer"]
    usual = functions.get_function_configuration(FunctionName=consumer)["Timeout"]
    functions.update_function_configuration(FunctionName=consumer, Timeout=1)
    with subprocess.Popen(
        [ROOT / "scripts" / "drain.sh", platform.stack.folder],
        env={**platform.workspace.environment, **platform.stack.environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as drain:
        while drain.poll() is None:
            for task in stage.tasks(platform.outputs["cluster"]):
                if task["desiredStatus"] == "STOPPED" and task["lastStatus"] != "STOPPED":
                    stage.finish(task["taskArn"], 143)
        assert drain.stdout is not None
        printed = drain.stdout.read()
    assert drain.returncode == 0, printed
    assert printed.endswith("Drained: 3 stopped, none left.\n")
    stopped = {task["taskArn"]: task for task in stage.tasks() if task["taskArn"] in tasks}
    assert {task["lastStatus"] for task in stopped.values()} == {"STOPPED"}
    assert {rule["State"] for rule in events.list_rules()["Rules"]} == {"DISABLED"}
    definitions = platform.server.client("ecs").list_task_definitions(status="ACTIVE")
    families = {arn.split("/")[-1].split(":")[0] for arn in definitions["taskDefinitionArns"]}
    assert families == set(platform.outputs["training_families"])
    functions.update_function_configuration(FunctionName=consumer, Timeout=usual)


@pytest.fixture(scope="module")
def served(platform: Platform) -> Iterator[tuple[Stack, dict[str, object]]]:
    """A serving stack of a Completed model."""
    put_record(
        platform, MODEL_ID, status="Completed", artifact="models/my-model-1/2", digest=DIGEST
    )
    stack = platform.workspace.stack("serving", "my-model-1")
    variables: dict[str, object] = {"model_id": MODEL_ID}
    stack.apply(variables)
    yield stack, variables
    stack.destroy(variables)
    assert platform.server.client("elbv2").describe_load_balancers()["LoadBalancers"] == []


def test_a_completed_model_is_served(
    platform: Platform, served: tuple[Stack, dict[str, object]]
) -> None:
    stack, variables = served
    outputs = stack.outputs()
    definition = platform.server.client("ecs").describe_task_definition(
        taskDefinition=outputs["task_definition"]
    )["taskDefinition"]
    [container] = definition["containerDefinitions"]
    environment = {entry["name"]: entry["value"] for entry in container["environment"]}
    assert environment == {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "TRAINSHED_ENGINE": "aws",
        "TRAINSHED_ARTIFACT": "models/my-model-1/2",
        "TRAINSHED_ARTIFACT_DIGEST": DIGEST,
        **{
            name: environment_of(platform)[name]
            for name in ("TRAINSHED_ARTIFACT_BUCKET", "TRAINSHED_FEEDBACK_TABLE")
        },
        "TRAINSHED_PORT": "8080",
        "TRAINSHED_WORKERS": "1",
    }
    s3 = platform.server.client("s3", role=definition["taskRoleArn"])
    bucket = environment["TRAINSHED_ARTIFACT_BUCKET"]
    for prefix in ("models/my-model-1/2", "models/my-model-1/1"):
        platform.server.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/f", Body=b"x")
    s3.get_object(Bucket=bucket, Key="models/my-model-1/2/f")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=bucket, Key="models/my-model-1/1/f")
    dynamodb = platform.server.client("dynamodb", role=definition["taskRoleArn"])
    store = DynamoFeedback(dynamodb, environment["TRAINSHED_FEEDBACK_TABLE"])
    assert store.put([feedback_of()]) == [True]
    assert list(store.of("my-model")) == [feedback_of()]
    [keeping] = [
        statement
        for statement in statements(platform, definition["taskRoleArn"].rsplit("/", 1)[-1])
        if "dynamodb:PutItem" in as_list(statement["Action"])
    ]
    # moto's check takes no notice of conditions.
    assert keeping["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": name_of(MODEL_ID)}
    }
    feedback = {"name": {"S": "my-model"}, "feedback_id": {"S": feedback_of().feedback_id}}
    registry = environment_of(platform)["TRAINSHED_TABLE"]
    table = environment["TRAINSHED_FEEDBACK_TABLE"]
    for call, arguments in (
        (dynamodb.delete_item, {"TableName": table, "Key": feedback}),
        (dynamodb.scan, {"TableName": table}),
        (dynamodb.put_item, {"TableName": registry, "Item": {"model_id": {"S": "mine"}}}),
    ):
        with pytest.raises(ClientError, match="not authorized"):
            call(**arguments)
    [service] = platform.server.client("ecs").describe_services(
        cluster=platform.outputs["cluster"], services=[outputs["service"]]
    )["services"]
    assert service["taskDefinition"] == outputs["task_definition"]
    elbv2 = platform.server.client("elbv2")
    [balancer] = elbv2.describe_load_balancers(Names=[outputs["service"]])["LoadBalancers"]
    assert balancer["Scheme"] == "internal"
    assert outputs["url"] == f"http://{balancer['DNSName']}:8080"
    assert unexpected(stack.changes(variables), SERVING_DIFFERENCES) == {}


@pytest.mark.parametrize(
    ("model_id", "record", "message"),
    [
        (
            "failed-1",
            {"status": "Failed", "artifact": None, "reason": "It was out of memory."},
            "failed-1 is Failed, and only a Completed model can be served. It was out of memory.",
        ),
        (
            "busy-1",
            {"status": "In Progress", "artifact": None, "reason": None},
            "busy-1 is In Progress, and only a Completed model can be served.",
        ),
        ("nobody-1", None, "|nobody-1): empty result"),
    ],
)
def test_another_model_is_refused_at_plan(
    platform: Platform, model_id: str, record: dict[str, Any] | None, message: str
) -> None:
    if record:
        put_record(platform, model_id, **record)
    stack = platform.workspace.stack("serving", model_id)
    with pytest.raises(TerraformError) as raised:
        stack.changes({"model_id": model_id})
    assert message in " ".join(str(raised.value).split())
