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
from tests.web.conftest import (
    Home,
    Server,
    publish_echo,
    publish_folder,
)

KEY = "the-key-of-this-test-alone"
SAMPLE_LINES = 1500


def train(model_type: str, folder: Path) -> Path:
    """Train a model for a moment, on the beginning of its sample; give what it left."""
    sample, output = folder / "sample", folder / "output"
    sample.mkdir()
    output.mkdir()
    for file in (builtin_folder() / model_type / "sample").iterdir():
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        (sample / file.name).write_text("".join(lines[:SAMPLE_LINES]), encoding="utf-8")
    described = json.loads((builtin_folder() / model_type / "model_type.json").read_text())
    defaults = {name: field["default"] for name, field in described["hyperparameters"].items()}
    job = TrainingJob(sample, output, 1, defaults, lambda _: None)
    load_trainer(model_type, [builtin_folder()]).train(job)
    return output


@pytest.fixture(params=["echo", "ner", "sentiment"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A home with a model of each type."""
    if request.param == "echo":
        return publish_echo(tmp_path)
    if not request.config.getoption("--proof"):
        pytest.skip("trains a model: with --proof only")
    return publish_folder(train(request.param, tmp_path), tmp_path, request.param)


# Keras on TensorFlow, about NumPy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_every_answer_is_as_the_document_says(
    home: Home,
    serve: Callable[..., Server],
    tmp_path: Path,
    how_many: Callable[[int, int], int],
) -> None:
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
