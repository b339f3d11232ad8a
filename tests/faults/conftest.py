"""A shed for each test, as the flow's tests have it."""

from __future__ import annotations

from tests.flow.conftest import shed

__all__ = ["shed"]
