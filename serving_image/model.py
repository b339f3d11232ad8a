"""The model of this process: loading, then ready, or not to be used and why."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import islice

from model_types import Predictor
from model_types.golden import replay
from serving_image.served_model import ServedModel

logger = logging.getLogger(__name__)

MAX_MISMATCHES = 3
"""Mismatches that are told; one is enough to refuse the model."""


class NotReady(Exception):
    """The model is still loading, or must not be used."""

    def __init__(self, reason: str, *, loading: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.loading = loading


class Mismatch(Exception):
    """The model answers otherwise here than it did in its framework."""


class Model:
    def __init__(self, served: ServedModel, load: Callable[[], Predictor]) -> None:
        self.served = served
        self._load_predictor = load
        self._predictor: Predictor | None = None
        self._reason = ""
        """Why the model was refused, if it was."""

    @property
    def predictor(self) -> Predictor:
        """Raises `NotReady`."""
        if self._predictor is None:
            raise NotReady(self._reason or "The model is loading.", loading=not self._reason)
        return self._predictor

    @property
    def is_ready(self) -> bool:
        return self._predictor is not None

    async def load(self) -> None:
        """Load the model and replay its golden examples, in a thread, so that the process answers
        meanwhile. A failure is logged, and is the reason that `predictor` gives from then on."""
        try:
            self._predictor = await asyncio.to_thread(self._load)
        except Mismatch as error:
            logger.error("%s is not put into service: %s", self.served.model_id, error)
            self._reason = str(error)
        except Exception:
            logger.exception("%s could not be loaded", self.served.model_id)
            self._reason = "The model could not be loaded."
        else:
            logger.info("%s is ready", self.served.model_id)

    def _load(self) -> Predictor:
        predictor = self._load_predictor()
        mismatches = list(islice(replay(self.served.folder, predictor), MAX_MISMATCHES))
        if mismatches:
            raise Mismatch(
                "The model answers otherwise than it did after training: " + "; ".join(mismatches)
            )
        return predictor
