"""All stacks are formatted, valid and secure, and pass their own tests; nothing is applied."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .terraform import STACKS, Workspace, required_tool

NAMES = ("airflow", "platform", "serving")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    # There is nobody at this address: these tests need no AWS at all.
    return Workspace.create(
        tmp_path_factory.mktemp("stacks"),
        {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )


def test_they_are_formatted() -> None:
    terraform = required_tool("terraform")
    done = subprocess.run(
        [terraform, "fmt", "-check", "-diff", "-recursive", STACKS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""


@pytest.mark.parametrize("name", NAMES)
def test_they_are_valid_and_pass_their_own_tests(workspace: Workspace, name: str) -> None:
    stack = workspace.stack(name)
    stack.run("validate", "-no-color")
    report = stack.run("test", "-no-color")
    assert "0 failed" in report


def test_checkov_has_nothing_to_say(tmp_path: Path) -> None:
    checkov = required_tool("checkov")
    done = subprocess.run(
        [
            checkov,
            "--directory",
            STACKS,
            "--framework",
            "terraform",
            "--quiet",
            "--compact",
            "--skip-download",
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", sorted(STACKS.glob("*/*.tf")), ids=lambda path: path.stem)
def test_every_checkov_skip_has_its_reason(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "checkov:skip" in line:
            _, _, reason = line.partition("checkov:skip=")[2].partition(":")
            assert len(reason.split()) >= 4, line
