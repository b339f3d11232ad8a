"""The consumer as Lambda runs it, for moto runs no function without Docker."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.aws.moto_server import REGION, ROOT, MotoServer

HANDLER = "queue_consumer.handler.handle"
SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}

_CODE = ("queue_consumer/", "trainshed/")
_RUNTIME = Path(__file__).with_name("runtime.py")


def build_package(folder: Path) -> Path:
    """The consumer's deployment package, as its script builds it."""
    path = folder / "consumer.zip"
    subprocess.run(
        [ROOT / "scripts" / "build_lambda.sh", path],
        env={**os.environ, "PYTHON": sys.executable},
        check=True,
    )
    return path


def deployed_environment(
    server: MotoServer, configuration: Mapping[str, Any], package: Path, folder: Path
) -> dict[str, str]:
    """Exactly the environment of a function's configuration, plus what Lambda itself adds: its
    role's credentials, where AWS is, and where the code lies.

    The configuration must be that of a function that was deployed from `package`.
    """
    digest = hashlib.sha256(package.read_bytes()).digest()
    assert configuration["CodeSha256"] == base64.b64encode(digest).decode()
    return {
        **configuration["Environment"]["Variables"],
        **role_credentials(server, configuration["Role"]),
        "AWS_ENDPOINT_URL": server.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONPATH": python_path(package, folder),
    }


def python_path(package: Path, folder: Path) -> str:
    """The package's code, unpacked into `folder`, and its dependencies from where the tests have
    them: those in the package are built for Lambda's Python and may not load in this one."""
    with zipfile.ZipFile(package) as opened:
        opened.extractall(folder, [x for x in opened.namelist() if x.startswith(_CODE)])
    return os.pathsep.join([str(folder), sysconfig.get_path("purelib")])


def role_credentials(server: MotoServer, role: str) -> dict[str, str]:
    """The environment that lets a process do what a role (its ARN) may do."""
    assumed = server.client("sts").assume_role(RoleArn=role, RoleSessionName="test")
    return {
        "AWS_ACCESS_KEY_ID": assumed["Credentials"]["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": assumed["Credentials"]["SecretAccessKey"],
        "AWS_SESSION_TOKEN": assumed["Credentials"]["SessionToken"],
    }


class ExecutionEnvironment:
    """What Lambda starts for a function and keeps warm: a process that handles one event at a time.

    It ends with its `with`, and has its output, what Lambda would put into CloudWatch, in `log`.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        handler: str = HANDLER,
        timeout: int = 55,
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                # Without `site` an editable install of what the package holds is not there.
                [sys.executable, "-S", "-P", str(_RUNTIME), handler, str(timeout)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
            )

    def __enter__(self) -> ExecutionEnvironment:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Hand it an event and wait for the answer. Raises `RuntimeError` if the handler did."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(event)}\n".encode())
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The function's process died: {self._log.read_text()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def printed(self) -> list[dict[str, Any]]:
        """What it has printed: each line must be JSON."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]
