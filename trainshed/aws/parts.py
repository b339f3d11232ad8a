"""AwsParts: the adapters, made from the settings, with one client of each service for them all."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from trainshed.aws.artifacts import S3Artifacts
from trainshed.aws.datasets import S3Datasets
from trainshed.aws.feedback import DynamoFeedback
from trainshed.aws.launcher import EcsLauncher, TaskPlacement
from trainshed.aws.queue import SqsQueue
from trainshed.aws.registry import DynamoRegistry
from trainshed.aws.words import in_words
from trainshed.settings import AwsSettings

_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=60
)


class AwsParts:
    """Each method raises `InvalidSettings` where a setting that it needs is missing, and
    `StorageUnavailable` where AWS cannot be used at all."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._session = boto3.session.Session()
        self._clients: dict[str, Any] = {}

    def queue(self) -> SqsQueue:
        settings = self._settings
        settings.require("queue_url", "dead_letter_queue_url")
        return SqsQueue(self._client("sqs"), settings.queue_url, settings.dead_letter_queue_url)

    def registry(self) -> DynamoRegistry:
        self._settings.require("table")
        return DynamoRegistry(self._client("dynamodb"), self._settings.table)

    def artifacts(self) -> S3Artifacts:
        self._settings.require("artifact_bucket")
        return S3Artifacts(self._client("s3"), self._settings.artifact_bucket)

    def datasets(self) -> S3Datasets:
        self._settings.require("dataset_bucket")
        return S3Datasets(self._client("s3"), self._settings.dataset_bucket)

    def feedback(self) -> DynamoFeedback:
        self._settings.require("feedback_table")
        return DynamoFeedback(self._client("dynamodb"), self._settings.feedback_table)

    def launcher(self) -> EcsLauncher:
        settings = self._settings
        settings.require(
            *("cluster", "task_family_prefix", "subnets", "security_groups"),
            *("capacity_providers", "training_log_group"),
        )
        placement = TaskPlacement(
            cluster=settings.cluster,
            family_prefix=settings.task_family_prefix,
            subnets=settings.subnets,
            security_groups=settings.security_groups,
            capacity_providers=settings.capacity_providers,
            assign_public_ip=settings.assign_public_ip,
            log_group=settings.training_log_group,
        )
        return EcsLauncher(self._client("ecs"), self._client("logs"), placement)

    def _client(self, service: str) -> Any:
        """A client for the environment's account and region, the same one each time."""
        if service not in self._clients:
            with in_words(service):
                self._clients[service] = self._session.client(service, config=_CONFIG)
        return self._clients[service]
