"""The consumer's deployment package: the same bytes twice, small, and all that the handler needs.

Building it takes its dependencies from the package index, in the versions of constraints.txt.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pydantic
import pytest

ROOT = Path(__file__).parents[2]
MAX_BYTES = 20 << 20

IMPORT = """
import json, sys
sys.path = sys.argv[1:] + sys.path
from queue_consumer.handler import handle
import queue_consumer.metrics, trainshed.local.registry, pydantic_core
files = {name: module.__file__ for name, module in sys.modules.items()
         if getattr(module, "__file__", None)}
print(json.dumps(files))
"""


def build(path: Path, umask: int = 0o022) -> Path:
    subprocess.run(
        ["bash", "scripts/build_lambda.sh", str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        check=True,
        umask=umask,
        timeout=300,
    )
    return path


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("package") / "consumer.zip")


@pytest.fixture
def entries(package: Path) -> Iterator[list[zipfile.ZipInfo]]:
    with zipfile.ZipFile(package) as opened:
        yield opened.infolist()


def test_the_same_bytes_twice(package: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "new folder" / "again.zip", umask=0o077)
    assert again.read_bytes() == package.read_bytes()


def test_it_is_small(package: Path) -> None:
    assert package.stat().st_size < MAX_BYTES


def test_it_holds_what_it_needs_and_nothing_else(entries: list[zipfile.ZipInfo]) -> None:
    top = {entry.filename.split("/")[0] for entry in entries}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        *("trainshed", "queue_consumer"),
        *("pydantic", "pydantic_core", "annotated_types", "typing_inspection"),
        "typing_extensions.py",
    }
    names = [entry.filename for entry in entries]
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    sources = {
        path.relative_to(ROOT).as_posix()
        for room in ("trainshed", "queue_consumer")
        for path in (ROOT / room).rglob("*.py")
    }
    ours = {name for name in names if name.startswith(("trainshed/", "queue_consumer/"))}
    assert ours == sources


def test_nothing_in_it_depends_on_when_and_where_it_was_built(
    entries: list[zipfile.ZipInfo],
) -> None:
    names = [entry.filename for entry in entries]
    assert names == sorted(names, key=lambda name: name.split("/"))
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {stat.filemode(entry.external_attr >> 16) for entry in entries} == {"-rw-r--r--"}


def test_its_compiled_parts_are_lambdas(entries: list[zipfile.ZipInfo]) -> None:
    compiled = [entry.filename for entry in entries if entry.filename.endswith(".so")]
    assert compiled
    assert all("cpython-312-x86_64-linux-gnu" in name for name in compiled)


def python312() -> str | None:
    """A Python of the version that Lambda runs, if this machine has one."""
    try:
        said = subprocess.run(
            ["python3.12", "-c", "import sys; print(sys.executable)"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):  # there may be a shim without its Python
        return None
    return said.stdout.strip()


def imported(python: str, *folders: Path) -> dict[str, str]:
    """Module → file, once a Python that knows these folders only has imported the handler."""
    completed = subprocess.run(
        [python, "-I", "-S", "-c", IMPORT, *map(str, folders)],
        capture_output=True,
        text=True,
        check=False,
        env={},
    )
    assert completed.returncode == 0, completed.stderr
    files: dict[str, str] = json.loads(completed.stdout)
    return files


def test_the_handler_is_imported_from_it_alone(package: Path, tmp_path: Path) -> None:
    python = python312()
    if python is None:
        pytest.skip("there is no python3.12, which Lambda runs, on this machine")
    with zipfile.ZipFile(package) as opened:
        opened.extractall(tmp_path)
    files = imported(python, tmp_path)
    needed = ("queue_consumer.handler", "trainshed.engine", "pydantic", "pydantic_core")
    assert all(files[name].startswith(str(tmp_path)) for name in needed)
    assert not [name for name in files if name.split(".")[0] in ("boto3", "click", "rich")]


def test_our_part_of_it_is_imported_by_this_python(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as opened:
        ours = [
            name for name in opened.namelist() if name.startswith(("trainshed/", "queue_consumer/"))
        ]
        opened.extractall(tmp_path, ours)
    dependencies = Path(pydantic.__file__).parents[1]
    files = imported(sys.executable, tmp_path, dependencies)
    assert files["queue_consumer.handler"].startswith(str(tmp_path))
    assert files["trainshed.engine"].startswith(str(tmp_path))
    assert files["pydantic"].startswith(str(dependencies))
