"""A shed for each test, as the flow's tests have it, and a way to tell what was measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from tests.flow.conftest import shed

__all__ = ["shed"]


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print figures, with the time since the test began: to be seen with `-s` or `-rP`."""
    began = time.monotonic()

    def write(figures: str) -> None:
        sys.stdout.write(f"\n{request.node.name}: {figures}, {time.monotonic() - began:.0f} s\n")

    return write
