"""The DAG `train_and_compare`: check the data, train on it, and compare with the model now served.

A run ends as a success if there is a Completed model that is no worse than the one that is served,
and as failed, with the reason in the log, if there isn't. It stands on nothing but Airflow 3 and
its Amazon provider; docs/airflow.md tells how it is used. The Airflow Variable `trainshed` says
where the platform is:

    {"queue_url": "https://…", "table": "…", "artifact_bucket": "…", "served": "/trainshed/served"}
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.hooks.dynamodb import DynamoDBHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.ssm import SsmHook
from airflow.providers.amazon.aws.operators.sqs import SqsPublishOperator
from airflow.providers.amazon.aws.sensors.dynamodb import DynamoDBValueSensor
from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import Param, Variable, dag, get_current_context, task

log = logging.getLogger(__name__)

Json = dict[str, Any]

MAX_MESSAGE_BYTES = 4096
"""Trainshed takes no larger ones."""
ENDED = ("Completed", "Failed", "Cancelled", "Rejected")
MODEL_ID = "{{ params.name }}-{{ ti.xcom_pull(task_ids='publish')['MessageId'] }}"
"""A message without a request id gives a model that is named for the message: one that is accepted
and one that is rejected alike."""

REQUEST = ("name", "model_type", "dataset", "epochs", "hyperparameters", "timeout_minutes")
"""The params that are the request's own fields."""
PARAMS = {
    "name": Param(
        type="string",
        pattern="^[a-z0-9][a-z0-9-]{0,62}$",
        description="The model's name; its modelId is the name, a hyphen and a UUID.",
    ),
    "dataset": Param(
        type="string",
        pattern=r"^s3://[^/*?\[]+/[^*?\[]+$",
        maxLength=1024,
        description="An object's s3:// address, or a folder's, with / at its end.",
    ),
    "model_type": Param("ner", type="string", pattern="^[a-z][a-z0-9_]{0,31}$"),
    "epochs": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        maximum=10_000,
        description="If not given, as many as the model type says.",
    ),
    "hyperparameters": Param(
        {},
        type="object",
        additionalProperties={"type": ["string", "number", "boolean"]},
        description="Those that shall differ from the model type's own.",
    ),
    "timeout_minutes": Param(
        24 * 60,
        type="integer",
        minimum=1,
        maximum=14 * 24 * 60,
        description="How long one attempt may run.",
    ),
    "served_model_id": Param(
        None,
        type=["null", "string"],
        minLength=1,
        description="The model to compare with; if not given, the one that is served as `name`.",
    ),
}


def holds_data(files: list[Json]) -> bool:
    """Whether any of the objects is not empty."""
    return any(file["Size"] for file in files)


@task
def compose() -> str:
    """The message: a training request."""
    params = get_current_context()["params"]
    if params["served_model_id"] is not None:
        completed(params["served_model_id"])  # better said now than after the training
    request = {name: params[name] for name in REQUEST if params[name] is not None}
    message = json.dumps(request, ensure_ascii=False)
    size = len(message.encode())
    if size > MAX_MESSAGE_BYTES:
        raise AirflowFailException(
            f"The request has {size} bytes; at most {MAX_MESSAGE_BYTES} are allowed."
        )
    return message


@task
def verdict(model_id: str) -> Json:
    """What became of the model. Only with a Completed one the run goes on."""
    return completed(model_id)


@task
def compare(model: Json) -> Json:
    """Give the model back, unless its score is below that of the one that is served."""
    params = get_current_context()["params"]
    artifact = served_artifact(params["name"], params["served_model_id"])
    if artifact is None:
        log.info("Nothing is served as %s: there is nothing to compare with.", params["name"])
        return model
    new, old = metrics(model["artifact"]), metrics(artifact)
    if new["score_name"] != old["score_name"]:
        raise AirflowFailException(
            f"{model['model_id']} has a score of {new['score_name']} and {artifact}, which is"
            f" served, one of {old['score_name']}: they cannot be compared."
        )
    words = (
        f"{model['model_id']} has {new['score_name']} {new['score']:.4f},"
        f" and {artifact}, which is served, {old['score']:.4f}"
    )
    if new["score"] < old["score"]:
        raise AirflowFailException(f"{words}: it is worse, and should not be served.")
    log.info("%s: it is no worse.", words)
    return model


def platform() -> Json:
    """Where the platform is."""
    found: Json = Variable.get("trainshed", deserialize_json=True)
    return found


def completed(model_id: str) -> Json:
    """The record of a model that must be Completed."""
    table = DynamoDBHook().conn.Table(platform()["table"])
    item = table.get_item(Key={"model_id": model_id}, ConsistentRead=True).get("Item")
    if item is None:
        raise AirflowFailException(f"There is no model {model_id}.")
    record: Json = json.loads(item["record"])
    if record["status"] != "Completed":
        raise AirflowFailException(
            f"{model_id} is {record['status']}: {record['reason'] or 'it has not ended'}"
        )
    return {field: record[field] for field in ("model_id", "artifact", "digest")}


def served_artifact(name: str, served_model_id: str | None) -> str | None:
    """The artifact of the model that is named, or else of what is served as `name`, if anything.

    The latter is what terraform/serving with `served_as` has left.
    """
    if served_model_id is not None:
        return str(completed(served_model_id)["artifact"])
    said = SsmHook().get_parameter_value(f"{platform()['served']}/{name}", default="null")
    served = json.loads(said)
    return served and str(served["artifact"])


def metrics(artifact: str) -> Json:
    """What the training has left of its test."""
    s3, where = S3Hook(), (f"{artifact}/metrics.json", platform()["artifact_bucket"])
    if not s3.check_for_key(*where):
        raise AirflowFailException(f"{artifact} has no metrics.json: it cannot be compared.")
    found: Json = json.loads(s3.read_key(*where))
    return found


@dag(
    params=PARAMS,
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    doc_md=__doc__,
    tags=["trainshed"],
)
def train_and_compare() -> None:
    dataset = S3KeySensor(
        task_id="dataset",
        bucket_key="{{ params.dataset }}{{ '*' if params.dataset.endswith('/') }}",
        wildcard_match=True,
        check_fn=holds_data,
        timeout=0,  # it is there, or the run fails
    )
    message = compose()
    publish = SqsPublishOperator(
        task_id="publish",
        sqs_queue="{{ var.json.trainshed.queue_url }}",
        message_content=message,
        retries=0,  # a second message would be a second model
    )
    # With the platform at work this takes about a minute, however long the queue is.
    accepted = DynamoDBValueSensor(
        task_id="accepted",
        table_name="{{ var.json.trainshed.table }}",
        partition_key_name="model_id",
        partition_key_value=MODEL_ID,
        attribute_name="kind",
        attribute_value="model",
        mode="reschedule",
        poke_interval=timedelta(seconds=15),
        timeout=timedelta(minutes=15),
    )
    # A training that takes too long is ended by the platform: this is patience with the queue.
    ended = DynamoDBValueSensor(
        task_id="ended",
        table_name="{{ var.json.trainshed.table }}",
        partition_key_name="model_id",
        partition_key_value=MODEL_ID,
        attribute_name="status",
        attribute_value=ENDED,
        mode="reschedule",
        poke_interval=timedelta(seconds=30),
        timeout=timedelta(days=7),
    )
    model = verdict(MODEL_ID)
    dataset >> message >> publish >> accepted >> ended >> model
    compare(model)


train_and_compare()
