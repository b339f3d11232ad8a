"""The artifact on its way into a server: copied into a private folder and verified there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from model_types import FRAMEWORK_FOLDER
from serving_image.served_model import ServedModel
from serving_image.settings import ServingSettings
from trainshed.engine import open_artifacts
from trainshed.errors import ArtifactDamaged, InvalidSettings
from trainshed.manifest import MANIFEST_NAME, Manifest, fetch
from trainshed.settings import Settings


def fetch_artifact(environ: Mapping[str, str], folder: Path) -> ServedModel:
    """Copy what serving needs of the artifact that `environ` names into `folder`, and verify all of
    it before any is parsed. Raises `TrainshedError`; the message names the damaged file."""
    serving = ServingSettings.from_environment(environ)
    store = open_artifacts(Settings.from_environment(environ))
    fetch(store, serving.artifact, serving.artifact_digest, folder, wanted=_is_for_serving)
    return read_artifact(environ, folder)


def read_artifact(environ: Mapping[str, str], folder: Path) -> ServedModel:
    """Describe what `fetch_artifact` left in `folder`. Raises `InvalidSettings` for a model type
    that is not here, `ArtifactDamaged` for a report that cannot be read."""
    manifest = Manifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    try:
        return ServedModel.read(
            folder,
            manifest,
            ServingSettings.from_environment(environ).artifact_digest,
            Settings.from_environment(environ).model_type_folders,
        )
    except LookupError as error:
        raise InvalidSettings(f"{manifest.model_id} cannot be served: {error}.") from None
    except ValueError as error:
        raise ArtifactDamaged(f"The reports of {manifest.model_id} are damaged: {error}") from None


def _is_for_serving(name: str) -> bool:
    return not name.startswith(f"{FRAMEWORK_FOLDER}/")
