"""Containers: builds the images with the repository's script, and runs them as ECS does."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

ROOT = Path(__file__).parents[2]

HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all")
"""What the task definitions say too."""


@dataclass
class Containers:
    tool: Sequence[str]
    """docker or podman, with options of its own."""
    run_options: Sequence[str]
    build_arguments: Sequence[str]
    folder: Path
    """For what containers print."""
    names: dict[str, str] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def found(cls, folder: Path) -> Iterator[Containers]:
        """What there is on this machine; the test is skipped if there is nothing."""
        command = shlex.split(os.environ.get("IMAGES_RUN", "")) or _default_command()
        split = command.index("run")
        containers = cls(
            tool=command[:split],
            run_options=command[split + 1 :],
            build_arguments=shlex.split(os.environ.get("IMAGES_BUILD", "")),
            folder=folder,
        )
        try:
            yield containers
        finally:
            for container in containers.started:
                containers("rm", "--force", container)

    def __call__(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        command = [*self.tool, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            pytest.fail(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
        return done

    def build(self, image: str) -> str:
        """The image's name; it is built once."""
        if image not in self.names:
            options = list(self.build_arguments)
            split = options.index("--") if "--" in options else len(options)
            done = subprocess.run(
                [
                    ROOT / "scripts" / "build_images.sh",
                    *("--prefix", "localhost/trainshed-test", "--tag", "test"),
                    *options[:split],
                    image,
                    *options[split:],
                ],
                env={"BUILDER": Path(self.tool[0]).name, **os.environ},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                pytest.fail(done.stderr[-10_000:])
            self.names[image] = done.stdout.splitlines()[-1]
        return self.names[image]

    def start(
        self, image: str, environment: Mapping[str, str], *options: str, command: Sequence[str] = ()
    ) -> str:
        """Start a container of a built image in the background, hardened; give its name."""
        container = f"trainshed-test-{uuid4().hex[:12]}"
        variables = [part for item in environment.items() for part in ("--env", "=".join(item))]
        self.started.append(container)
        self(
            *("run", "--detach", "--name", container, *self.run_options, *HARDENED),
            *(*variables, *options, self.build(image), *command),
            check=True,
        )
        return container

    def sharing(self, folder: Path, access: str = "rw") -> list[str]:
        """Options for a container that is to reach a folder of this machine, at the same path."""
        volume = ["--volume", f"{folder}:{folder}:{access}"]
        if os.getuid() != 0:
            return [*volume, "--user", f"{os.getuid()}:{os.getgid()}"]
        # The image's own user it is then, who is nobody that this machine knows.
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        return volume

    def ask(self, image: str, code: str, *options: str) -> str:
        """What a Python of the image prints when it runs `code`."""
        return self(
            *("run", "--rm", *self.run_options, *options),
            *("--entrypoint", "python", self.build(image), "-c", code),
            check=True,
        ).stdout.strip()

    def health_check(self, image: str) -> list[str]:
        """The command of the image's HEALTHCHECK."""
        container = self("create", self.build(image), check=True).stdout.strip()
        self.started.append(container)
        kind, *command = map(str, self.inspect(container)["Config"]["Healthcheck"]["Test"])
        assert kind == "CMD", "it needs a shell"
        return command

    def inspect(self, name: str) -> Any:
        return json.loads(self("inspect", name, check=True).stdout)[0]

    def is_running(self, container: str) -> bool:
        return bool(self.inspect(container)["State"]["Running"])

    def exit_code(self, container: str) -> int:
        return int(self.inspect(container)["State"]["ExitCode"])

    def log(self, container: str) -> str:
        done = self("logs", container, check=True)
        return done.stdout + done.stderr


def _default_command() -> list[str]:
    for tool in ("docker", "podman"):
        if shutil.which(tool):
            done = subprocess.run([tool, "info"], capture_output=True, check=False)
            if done.returncode == 0:  # docker's client may be there without its daemon
                return [tool, "run", "--network", "host"]
    pytest.skip("neither docker nor podman works here")
