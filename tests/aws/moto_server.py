"""MotoServer: AWS on the loopback address, in a process of its own, for as long as a `with`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"

_SERVER = {
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "MOTO_ECS_SERVICE_RUNNING": "1",
    "MOTO_ACM_VALIDATION_WAIT": "0",
}
_PATIENCE = Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 2})


@dataclass(frozen=True)
class MotoServer:
    url: str
    pid: int

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to take this server for AWS."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "2",
        }

    def client(self, service: str, role: str | None = None) -> Any:
        """A client that may do everything, or what a role (its ARN) may."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        if role is not None:
            assumed = self.client("sts").assume_role(RoleArn=role, RoleSessionName="test")
            keys = {
                "aws_access_key_id": assumed["Credentials"]["AccessKeyId"],
                "aws_secret_access_key": assumed["Credentials"]["SecretAccessKey"],
                "aws_session_token": assumed["Credentials"]["SessionToken"],
            }
        return boto3.session.Session(region_name=REGION, **keys).client(
            service, endpoint_url=self.url, config=_PATIENCE
        )


@contextmanager
def moto_server(log: Path) -> Iterator[MotoServer]:
    """Run the server on a free port, with nothing in it; what it prints goes into `log`."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "MOTO_", "TRAINSHED_"))
    }
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [sys.executable, "-m", "tests.aws.served"],
            cwd=ROOT,
            env={**environ, **_SERVER},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            port = process.stdout.readline().decode().strip()
            if not port:
                raise RuntimeError(f"moto's server did not start: {log.read_text()[-2000:]}")
            # The number, not the name: S3 then takes the bucket from the path.
            yield MotoServer(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.kill()
