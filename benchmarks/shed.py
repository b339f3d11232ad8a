"""Shed: a home of the local engine, worked on through the command line, as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


class TrainingFailed(Exception):
    """A training of a benchmark did not complete."""


@dataclass(frozen=True)
class Trained:
    model_id: str
    artifact: Path
    """The folder with the artifact's files."""
    seconds: float
    """From the launch to the artifact, its process's start and end counted in."""

    @property
    def metrics(self) -> Any:
        return json.loads((self.artifact / "metrics.json").read_text("utf-8"))


class Shed:
    def __init__(self, home: Path) -> None:
        self.home = home
        self._trained: dict[str, Trained] = {}

    def environment(self, **settings: str) -> dict[str, str]:
        """Nothing of Trainshed's settings is inherited."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRAINSHED_")}
        return {
            **inherited,
            "HF_HUB_OFFLINE": "1",
            "TRAINSHED_HOME": str(self.home),
            "TRAINSHED_CAP": "1",  # it gets all cores
            "TRAINSHED_TICK_SECONDS": "0.2",
            **settings,
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "command_line.main", *arguments]

    def call(self, *arguments: str, **settings: str) -> str:
        """Run `trainshed` to its end; give what it printed. Raises `CalledProcessError`."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(**settings),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def train(
        self,
        name: str,
        model_type: str,
        dataset: Path | None = None,
        epochs: int | None = None,
        hyperparameters: Mapping[str, str | int | float | bool] | None = None,
    ) -> Trained:
        """Train one model, alone; without a data set on the model type's sample.

        Raises `TrainingFailed`.
        """
        arguments = [name, "--model-type", model_type, "--max-attempts", "1"]
        if dataset is not None:
            arguments += ["--dataset", str(dataset)]
        if epochs is not None:
            arguments += ["--epochs", str(epochs)]
        for key, value in (hyperparameters or {}).items():
            arguments += ["--set", f"{key}={value}"]
        model_id = self.call("submit", *arguments).strip()
        self.call("run", "--until-idle")
        record = json.loads(self.call("show", model_id, "--output", "json"))
        if record["status"] != "Completed":
            raise TrainingFailed(f"{model_id}: {record['status']}. {record['reason'] or ''}")
        self._trained[name] = self._read(record)
        return self._trained[name]

    def trained(self, name: str, model_type: str) -> Trained:
        """The model of that name: one that another part has trained, else one of the sample."""
        return self._trained.get(name) or self.train(name, model_type)

    def __contains__(self, name: str) -> bool:
        """Whether a part has trained a model of that name."""
        return name in self._trained

    def _read(self, record: Mapping[str, Any]) -> Trained:
        began, ended = (datetime.fromisoformat(record[at]) for at in ("launched_at", "ended_at"))
        return Trained(
            record["model_id"],
            self.home / "artifacts" / record["artifact"],
            (ended - began).total_seconds(),
        )
