"""Who may import whom: the table of rooms in docs/, held by the sources and by a real import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "trainshed": frozenset(),
    "model_types": frozenset(),
    "queue_consumer": frozenset({"trainshed"}),
    "training_image": frozenset({"trainshed", "model_types"}),
    "serving_image": frozenset({"trainshed", "model_types"}),
    "command_line": frozenset({"trainshed", "queue_consumer"}),
}
MAY_IMPORT_LAZILY: Mapping[str, frozenset[str]] = {
    "command_line": frozenset({"training_image", "serving_image"}),
}
"""Within a function only, so that nobody pays for it who does not call it."""

FRAMEWORKS = frozenset(
    {
        *("torch", "flair", "transformers", "tensorflow", "keras", "nltk", "sklearn"),
        *("onnx", "onnxruntime", "numpy", "matplotlib"),
        *("falcon", "gunicorn", "uvicorn", "prometheus_client", "boto3", "botocore"),
    }
)
WITHOUT_FRAMEWORKS = ("trainshed", "queue_consumer", "command_line")
AWS_ONLY = frozenset({"boto3", "botocore"})


def imports(source: str, package: str) -> Iterator[tuple[str, bool]]:
    """Each imported module's first name, and whether it is imported within a function.

    `package` is the source's own, for relative imports.
    """
    tree = ast.parse(source)
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name.split(".")[0], id(node) in lazy
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                yield str(node.module).split(".")[0], id(node) in lazy
            else:
                parents = package.split(".")[: -(node.level - 1) or None]
                yield parents[0] if parents else "beyond the top", id(node) in lazy


def violations(source: str, package: str) -> list[str]:
    """What in a source breaks the table."""
    room = package.split(".")[0]
    found = []
    for name, lazy in imports(source, package):
        if name in MAY_IMPORT and name != room:
            allowed = MAY_IMPORT[room] | (
                MAY_IMPORT_LAZILY.get(room, frozenset()) if lazy else set()
            )
            if name not in allowed:
                found.append(f"{package} imports {name}" + (" in a function" if lazy else ""))
        elif name in FRAMEWORKS and room in WITHOUT_FRAMEWORKS:
            if not (name in AWS_ONLY and package.startswith("trainshed.aws")):
                found.append(f"{package} imports {name}")
        elif name == "beyond the top":
            found.append(f"{package} imports from beyond its room")
    return found


def sources() -> Iterator[tuple[str, Path]]:
    """Every source of every room, with its package."""
    for room in MAY_IMPORT:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).parts[:-1]), path


def modules(room: str) -> list[str]:
    names = [path.relative_to(ROOT).with_suffix("").parts for path in (ROOT / room).rglob("*.py")]
    return sorted(".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in names)


def test_every_source_keeps_to_the_table() -> None:
    found = list(sources())
    assert {package.split(".")[0] for package, _ in found} == set(MAY_IMPORT)
    broken = [
        f"{path.relative_to(ROOT)}: {violation}"
        for package, path in found
        for violation in violations(path.read_text("utf-8"), package)
    ]
    assert broken == []


def test_the_table_names_every_room() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert rooms <= set(MAY_IMPORT), "a new room needs its row in the table"


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("trainshed", "import queue_consumer"),
        ("trainshed", "from model_types import Predictor"),
        ("trainshed.local", "import os, command_line.main"),
        ("trainshed", "import torch"),
        ("trainshed", "def f():\n    import tensorflow.keras as k"),
        ("trainshed.local", "import boto3"),
        ("trainshed", "from boto3.session import Session"),
        ("model_types.ner", "from trainshed.errors import TrainshedError"),
        ("model_types", "from ..trainshed import errors"),
        ("model_types.ner", "from ... import trainshed"),
        ("queue_consumer", "import training_image.run_training"),
        ("queue_consumer", "import falcon"),
        ("training_image", "from serving_image import app"),
        ("training_image", "from queue_consumer.tick import tick"),
        ("serving_image", "def f():\n    from training_image import run_training"),
        ("serving_image", "from command_line import output"),
        ("command_line", "import serving_image.app"),
        ("command_line", "class C:\n    from training_image import run_training"),
        ("command_line", "if True:\n    from serving_image import app"),
        ("command_line", "async def f():\n    import model_types"),
        ("command_line", "try:\n    import onnxruntime\nexcept ImportError:\n    pass"),
    ],
)
def test_a_source_that_breaks_the_table_is_found(package: str, source: str) -> None:
    assert violations(source, package) != []


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("trainshed.local", "from trainshed.errors import TrainshedError"),
        ("trainshed.aws", "import boto3"),
        (
            "model_types.ner",
            "import torch\nfrom model_types import TrainingJob\nfrom . import text",
        ),
        ("model_types.ner", "from .. import golden"),
        ("queue_consumer", "import trainshed.engine"),
        ("training_image", "import model_types\nimport trainshed.engine"),
        ("serving_image", "import falcon, onnxruntime\nfrom model_types import golden"),
        ("command_line", "def f():\n    from serving_image.once import predict_once"),
        ("command_line", "from queue_consumer.loop import run\nimport click"),
    ],
)
def test_a_source_that_keeps_to_the_table_is_not(package: str, source: str) -> None:
    assert violations(source, package) == []


LIST_LOADED = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def loaded_by(*names: str) -> set[str]:
    """What a new process has loaded once it has imported these modules."""
    process = subprocess.run(
        [sys.executable, "-c", LIST_LOADED, *names], capture_output=True, text=True, check=True
    )
    return set(json.loads(process.stdout))


@pytest.mark.parametrize("room", WITHOUT_FRAMEWORKS)
def test_importing_a_room_loads_no_framework(room: str) -> None:
    names = [name for name in modules(room) if not name.startswith("trainshed.aws")]
    assert len(names) > 5
    loaded = loaded_by(*names)
    assert room in loaded
    assert loaded & FRAMEWORKS == set()
    others = MAY_IMPORT.keys() - MAY_IMPORT[room] - {room}
    assert loaded & others == set()


def test_the_look_at_what_is_loaded_can_fail() -> None:
    assert "onnxruntime" in loaded_by("onnxruntime") & FRAMEWORKS


def test_the_model_type_contract_loads_no_framework() -> None:
    names = ["model_types", "model_types.golden", "model_types.text_input"]
    assert loaded_by(*names, "model_types.training_report") & FRAMEWORKS == set()
