"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

from trainshed.model_type import Catalogue, read_catalogue

from .building import TOY_MODEL_TYPES

# No example is judged by the time it takes: the machine may be busy.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return read_catalogue([TOY_MODEL_TYPES])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
