"""What a peer is told by its environment, and the model that it serves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from model_types import Predictor, builtin_folder, load_predictor

MODEL_TYPE = "BENCHMARK_MODEL_TYPE"
ARTIFACT = "BENCHMARK_ARTIFACT"
PORT = "BENCHMARK_PORT"
WORKERS = "BENCHMARK_WORKERS"
BATCH = "BENCHMARK_BATCH"


@dataclass(frozen=True)
class Told:
    model_type: str
    artifact: Path
    """The artifact's folder."""
    port: int
    workers: int
    batch: int
    """The most inputs that the model takes at once; 1: there is no batching."""

    @classmethod
    def from_environment(cls) -> Told:
        return cls(
            os.environ[MODEL_TYPE],
            Path(os.environ[ARTIFACT]),
            int(os.environ[PORT]),
            int(os.environ[WORKERS]),
            int(os.environ.get(BATCH, "1")),
        )

    def load(self) -> Predictor:
        """Trainshed's own predictor: the same ONNX graph, pre- and post-processing for all."""
        return load_predictor(self.model_type, [builtin_folder()]).load(self.artifact)
