"""Terraform: the real binary and provider on copies of the stacks, against any endpoint."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STACKS = ROOT / "terraform"
_MIRRORS = "*/registry.terraform.io/hashicorp/aws"

Variables = Mapping[str, object]


class TerraformError(Exception):
    """What terraform printed, when it failed."""


def required_tool(name: str) -> str:
    """The path of a program. Without it the test is skipped, but fails in CI."""
    path = shutil.which(name)
    if path is None:
        missing = f"{name} is not installed"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path


@dataclass(frozen=True)
class Workspace:
    """A copy of the stacks, where terraform may write, and what it runs with."""

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def create(cls, folder: Path, environment: Mapping[str, str]) -> Workspace:
        """Copy the stacks to `folder`. `environment` says where AWS is."""
        required_tool("terraform")
        shutil.copytree(
            STACKS, folder / "terraform", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*")
        )
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "TF_VAR_", "TRAINSHED_"))
        }
        configured = Path(clean.get("TF_CLI_CONFIG_FILE", "~/.terraformrc")).expanduser().is_file()
        offline = {} if configured else _mirror_configuration(folder)
        return cls(
            folder,
            {
                **clean,
                **offline,
                **environment,
                "CHECKPOINT_DISABLE": "1",
                "TF_IN_AUTOMATION": "1",
                "TF_INPUT": "0",
            },
        )

    def stack(self, name: str, label: str = "default") -> Stack:
        """One of the stacks, initialised; each label has a state of its own."""
        stack = Stack(self, name, label)
        stack.run("init", "-no-color")
        if label != "default":
            stack.run("workspace", "select", "-or-create", label)
        return stack


@dataclass(frozen=True)
class Stack:
    workspace: Workspace
    name: str
    label: str

    @property
    def folder(self) -> Path:
        return self.workspace.folder / "terraform" / self.name

    @property
    def environment(self) -> dict[str, str]:
        """What terraform needs to find this stack's state, beside the workspace's environment."""
        return {"TF_DATA_DIR": str(self._path("terraform"))}

    def run(self, *arguments: str) -> str:
        """Run a command and give its output. Raises `TerraformError`."""
        done = subprocess.run(
            ["terraform", f"-chdir={self.folder}", *arguments],
            env={**self.workspace.environment, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise TerraformError(done.stdout)
        return done.stdout

    def apply(self, variables: Variables) -> None:
        self.run("apply", "-auto-approve", *self._options(variables))

    def destroy(self, variables: Variables) -> None:
        self.run("destroy", "-auto-approve", *self._options(variables))

    def changes(self, variables: Variables) -> dict[str, list[str]]:
        """What a plan would change now: address → its actions and the attributes that differ."""
        plan = self._path("plan")
        self.run("plan", f"-out={plan}", *self._options(variables))
        shown = json.loads(self.run("show", "-json", str(plan)))
        return {
            change["address"]: [*change["change"]["actions"], *_differing(change["change"])]
            for change in shown.get("resource_changes", [])
            if change["change"]["actions"] not in (["no-op"], ["read"])
        }

    def outputs(self) -> dict[str, Any]:
        shown = json.loads(self.run("output", "-json"))
        return {name: output["value"] for name, output in shown.items()}

    def _options(self, variables: Variables) -> list[str]:
        # Values are JSON, but for plain texts, which terraform takes as they are.
        values = [
            f"-var={name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in variables.items()
        ]
        return ["-no-color", "-parallelism=20", *values]

    def _path(self, suffix: str) -> Path:
        return self.workspace.folder / f"{self.name}-{self.label}.{suffix}"


def _differing(change: dict[str, Any]) -> list[str]:
    before, after = change["before"] or {}, change["after"] or {}
    unknown = change.get("after_unknown") or {}
    return sorted(
        key
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key) and not (key in unknown and key not in after)
    )


def _mirror_configuration(folder: Path) -> dict[str, str]:
    """Take the provider from a mirror below /opt where there is one, instead of the registry."""
    found = next(Path("/opt").glob(_MIRRORS), None)
    if found is None:
        return {}
    configuration = folder / "terraform.rc"
    configuration.write_text(
        f'provider_installation {{\n  filesystem_mirror {{ path = "{found.parents[2]}" }}\n}}\n'
    )
    return {"TF_CLI_CONFIG_FILE": str(configuration)}
