"""Who serves: Trainshed and its peers, each with the settings that its documentation advises."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.serving.peers import told
from benchmarks.serving.server import Server, free_port
from benchmarks.setting import Setting
from benchmarks.shed import Trained
from model_types import Json

ROOT = Path(__file__).parents[2]
_PEERS = "benchmarks.serving.peers"


@dataclass(frozen=True)
class Form:
    """How a server wants a text, and wraps its answer."""

    media_type: str
    body: Callable[[str], bytes]
    answer: Callable[[Json], Json]


PLAIN = Form("text/plain", str.encode, lambda answer: answer)
TEXT_IN_JSON = Form(
    "application/json", lambda text: json.dumps({"text": text}).encode(), lambda answer: answer
)
LIST_IN_JSON = Form(
    "application/json",
    lambda text: json.dumps({"texts": [text]}).encode(),
    lambda answer: answer[0],
)


@dataclass(frozen=True)
class Place:
    """What is served, and with how many worker processes."""

    model_type: str
    trained: Trained
    workers: int


Command = Callable[[Setting, Place, int], list[str]]
"""The last is the port."""


@dataclass(frozen=True, eq=False)  # hashed by what it is
class Contender:
    name: str
    command: Command
    settings: str
    """What the page says of it."""
    form: Form = PLAIN
    path: str = "/predict"
    """Empty: the model type's own, as Trainshed has it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    same_answers: bool = True
    """Whether it must answer as Trainshed's predictor does."""
    slow: bool = False
    """It is measured in few cells: the others would take long and say little."""
    needs_peers: bool = True
    """Whether it runs in the peers' environment."""

    def server(self, setting: Setting, place: Place) -> Server:
        port = free_port()
        folder = setting.work / "servers" / str(port)
        folder.mkdir(parents=True, exist_ok=True)
        return Server(
            self.command(setting, place, port),
            {**_environment(setting, place, port, folder), **self.environment},
            port,
            self.path or f"/{place.model_type}",
            self.form.media_type,
            folder / "log",
        )


def _environment(setting: Setting, place: Place, port: int, folder: Path) -> dict[str, str]:
    artifact = place.trained.artifact
    manifest = (artifact / "manifest.json").read_bytes()
    return setting.shed.environment(
        **{
            told.MODEL_TYPE: place.model_type,
            told.ARTIFACT: str(artifact),
            told.PORT: str(port),
            told.WORKERS: str(place.workers),
            # of the ones that stand behind Trainshed's server
            "TRAINSHED_ARTIFACT": str(artifact.relative_to(setting.shed.home / "artifacts")),
            "TRAINSHED_ARTIFACT_DIGEST": hashlib.sha256(manifest).hexdigest(),
            "TRAINSHED_HOST": "127.0.0.1",
            "TRAINSHED_PORT": str(port),
            "TRAINSHED_WORKERS": str(place.workers),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            # what is installed calls nobody, and no peer says more than it must
            "BENTOML_DO_NOT_TRACK": "True",
            "BENTOML_HOME": str(folder),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "KERAS_BACKEND": "tensorflow",
            "KERAS_HOME": str(folder),
            "FLAIR_CACHE_ROOT": str(folder),
        }
    )


def _trainshed(setting: Setting, place: Place, port: int) -> list[str]:
    options = ("--port", str(port), "--workers", str(place.workers))
    return setting.shed.command("serve", place.trained.model_id, *options)


def _serving_process(setting: Setting, place: Place, port: int) -> list[str]:
    return [sys.executable, "-m", "serving_image"]


def _own_module(name: str) -> Command:
    return lambda setting, place, port: [_python(setting), "-m", f"{_PEERS}.{name}"]


def _behind_falcon(name: str) -> Command:
    return lambda setting, place, port: [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        str(ROOT / "serving_image/gunicorn.conf.py"),
        f"{_PEERS}.{name}:get_app()",
    ]


def _uvicorn(setting: Setting, place: Place, port: int) -> list[str]:
    module = f"{_PEERS}.fastapi_threads:app"
    options = f"--host 127.0.0.1 --port {port} --workers {place.workers} --no-access-log"
    return [_python(setting), "-m", "uvicorn", module, *options.split(), "--log-level", "warning"]


def _bentoml(setting: Setting, place: Place, port: int) -> list[str]:
    service = f"{_PEERS}.bentoml_service:Service"
    options = ("--host", "127.0.0.1", "--port", str(port), "--working-dir", str(ROOT))
    return [_python(setting), "-m", "bentoml", "serve", service, *options]


def _python(setting: Setting) -> str:
    return os.fspath(setting.peers or sys.executable)


TRAINSHED = Contender(
    "Trainshed", _trainshed, "`trainshed serve`, nothing set.", path="", needs_peers=False
)
SERVING_PROCESS = replace(TRAINSHED, name="serving process", command=_serving_process)
"""Without the command line that looks the model up: as a container runs it."""
FASTAPI = Contender(
    "FastAPI",
    _uvicorn,
    "a `def` endpoint, which runs on its thread pool, under `uvicorn --workers` with uvloop, "
    "httptools and no access log. Its return type is declared, so that "
    "[pydantic serialises](https://fastapi.tiangolo.com/advanced/response-directly/), in Rust.",
)
LITSERVE = Contender(
    "LitServe",
    _own_module("litserve_api"),
    "one text at a time; `workers_per_device` is the number of workers, and as many API servers "
    "stand before them, as is its default. `fast_queue` is off: "
    "[this release ignores it](https://github.com/Lightning-AI/LitServe/issues/751).",
    TEXT_IN_JSON,
)
LITSERVE_BATCHING = Contender(
    "LitServe, batching",
    _own_module("litserve_api"),
    "as before, with `max_batch_size` 16 and `batch_timeout` 5 ms "
    "([batching](https://lightning.ai/docs/litserve/features/batching)): 32 connections can fill "
    "one such batch for each of two workers.",
    TEXT_IN_JSON,
    environment={told.BATCH: "16"},
)
BENTOML = Contender(
    "BentoML, batching",
    _bentoml,
    "a batchable API "
    "([adaptive batching](https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html)) "
    "with `max_batch_size` 32, the most that 32 connections can fill; `workers` as given, and no "
    "access log.",
    LIST_IN_JSON,
    environment={told.BATCH: "32"},
)
FIRST_GENERATION = Contender(
    "the first generation",
    _own_module("first_generation"),
    "CherryPy in one process, however many workers others have; one request at a time goes "
    "through Flair's tagger, after segtok has split it into sentences. Its words are cut "
    "otherwise, so it must find entities, but not the same.",
    same_answers=False,
    slow=True,
)
FLAIR = Contender(
    "Flair behind falcon",
    _behind_falcon("flair_tagger"),
    "Flair's own network in Trainshed's server, which batches up to 8 texts, with one thread a "
    "worker.",
    path="",
    environment={told.BATCH: "8"},
    slow=True,
    needs_peers=False,
)
KERAS_PREDICT = Contender(
    "Keras `model.predict` behind falcon",
    _behind_falcon("keras_model"),
    "Keras' own network in Trainshed's server, which batches up to 8 texts, with one thread a "
    "worker.",
    path="",
    environment={told.BATCH: "8"},
    slow=True,
    needs_peers=False,
)
KERAS_CALLED = replace(
    KERAS_PREDICT,
    name="Keras, the model called, behind falcon",
    settings="the same, but the model is called, as a `tf.function`, which "
    "[Keras advises](https://keras.io/api/models/model_training_apis/#predict-method) for so few "
    "inputs.",
    environment={told.BATCH: "8", "BENCHMARK_KERAS_CALLED": "1"},
)
