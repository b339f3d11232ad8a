"""schemathesis asks a server all that its OpenAPI document allows, and much that it does not: no
failure, and every answer is as the document says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from model_types import TrainingJob, builtin_folder, load_trainer
from tests.building import TOY_MODEL_TYPES
from tests.web.conftest import Home, Server, publish_echo, publish_folder

KEY = "the-key-of-this-test-alone"
SAMPLE_LINES = 1500


def train(model_type: str, folder: Path, **hyperparameters: str) -> Home:
    """Train a model for a moment, on the beginning of its sample, and publish it."""
    model_types = TOY_MODEL_TYPES if model_type == "critic" else builtin_folder()
    sample, output = folder / "sample", folder / "output"
    sample.mkdir()
    output.mkdir()
    for file in (model_types / model_type / "sample").iterdir():
        (sample / file.name).write_bytes(beginning(file))
    described = json.loads((model_types / model_type / "model_type.json").read_text())
    defaults = {name: field["default"] for name, field in described["hyperparameters"].items()}
    job = TrainingJob(sample, output, 1, {**defaults, **hyperparameters}, lambda _: None)
    load_trainer(model_type, [model_types]).train(job)
    return publish_folder(output, folder, model_type)


def beginning(file: Path) -> bytes:
    """Of a text; all of an archive."""
    content = file.read_bytes()
    if file.suffix == ".zip":
        return content
    return b"".join(content.splitlines(keepends=True)[:SAMPLE_LINES])


BUILTIN = sorted(path.parent.name for path in builtin_folder().glob("*/model_type.json"))


@pytest.fixture(
    params=[
        *("echo", "label", "spans"),
        *(pytest.param(name, marks=pytest.mark.proof) for name in BUILTIN),
    ]
)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A home with a model of each type."""
    if request.param == "echo":
        return publish_echo(tmp_path)
    if request.param in ("label", "spans"):
        return train("critic", tmp_path, answers=request.param)
    return train(request.param, tmp_path)


# A schema cannot say that a span lies within its text, nor what bytes are a picture.
CONFIGURATION = """
[[operations]]
include-path = ["/feedback", "/image_classification"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 422]
"""


# Keras on TensorFlow, about NumPy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_every_answer_is_as_the_document_says(
    home: Home,
    serve: Callable[..., Server],
    tmp_path: Path,
    how_many: Callable[[int, int], int],
) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    server = serve(home, TRAINSHED_API_KEY_SHA256=sha256(KEY.encode()).hexdigest())
    workers = [worker.pid for worker in server.workers()]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
            *("--checks", "all", "--max-examples", str(how_many(5, 20)), "--seed", "1"),
            *("--header", f"X-Api-Key: {KEY}", "--suppress-health-check", "all"),
            *("--continue-on-failure", "--no-color"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert [worker.pid for worker in server.workers()] == workers
    log = server.log.read_text(errors="replace")
    assert " ERROR " not in log, log
    [cases] = [line.strip() for line in done.stdout.splitlines() if " generated, " in line]
    sys.stdout.write(f"{cases}\n")
