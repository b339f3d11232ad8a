"""Predictions without a server: the same artifact, fetched and verified in the same way."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from model_types import InvalidInput, Json, Predictor, load_predictor
from serving_image.artifact import fetch_artifact
from trainshed.errors import TrainshedError
from trainshed.settings import Settings


def open_predictor(environ: Mapping[str, str]) -> Predictor:
    """Fetch, verify and load the artifact that `environ` names (as `serving_environment` does).

    Raises `TrainshedError`.
    """
    folders = Settings.from_environment(environ).model_type_folders
    with tempfile.TemporaryDirectory(prefix="trainshed-") as folder:
        served = fetch_artifact(environ, Path(folder))
        return load_predictor(served.model_type, folders).load(served.folder)


def predict_once(environ: Mapping[str, str], body: bytes, media_type: str) -> Json:
    """The answer to one request body. Raises `TrainshedError`, also for what it cannot answer."""
    predictor = open_predictor(environ)
    if media_type not in predictor.request_schemas:
        accepted = ", ".join(predictor.request_schemas)
        raise TrainshedError(f"The model reads {accepted}, not {media_type}.")
    try:
        inputs = predictor.decode(body, media_type)
        results = predictor.predict(inputs.items)
    except InvalidInput as error:
        raise TrainshedError(str(error)) from error
    return results if inputs.many else results[0]
