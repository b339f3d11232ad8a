"""BentoML with adaptive batching: `bentoml serve benchmarks.serving.peers.bentoml_service:Service`.

https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html
"""

from __future__ import annotations

from typing import Any

import bentoml

from benchmarks.serving.peers.told import Told

_told = Told.from_environment()


@bentoml.service(workers=_told.workers, logging={"access": {"enabled": False}})
class Service:
    def __init__(self) -> None:
        self._predictor = _told.load()

    @bentoml.api(batchable=True, max_batch_size=_told.batch)  # type: ignore[untyped-decorator]
    def predict(self, texts: list[str]) -> list[Any]:
        return self._predictor.predict(texts)
