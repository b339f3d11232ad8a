"""A platform that is applied once, by the real terraform to AWS on loopback, for `pytest --aws`."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.aws.moto_server import MotoServer, moto_server

from .terraform import ROOT, Stack, Variables, Workspace


@dataclass(frozen=True)
class Platform:
    """An applied platform."""

    server: MotoServer
    workspace: Workspace
    stack: Stack
    variables: Variables
    outputs: dict[str, Any]


@pytest.fixture(scope="package")
def lambda_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that terraform can upload."""
    path = tmp_path_factory.mktemp("lambda") / "consumer.zip"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("queue_consumer/handler.py", "def handle(event, context): ...\n")
    return path


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory, lambda_zip: Path) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with moto_server(folder / "moto.log") as server:
        workspace = Workspace.create(folder, server.environment)
        stack = workspace.stack("platform")
        variables = {
            "lambda_zip": str(lambda_zip),
            "model_types": str(ROOT / "model_types"),
            "default_hyperparameters": {},
            "force_destroy": True,
        }
        stack.apply(variables)
        yield Platform(server, workspace, stack, variables, stack.outputs())
        stack.destroy(variables)
        assert server.client("sqs").list_queues().get("QueueUrls", []) == []
        assert server.client("dynamodb").list_tables()["TableNames"] == []
        assert server.client("s3").list_buckets()["Buckets"] == []
