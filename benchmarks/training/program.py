"""A program of its own: so that no framework, or environment, is mixed with another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from model_types import Json

_ROOT = Path(__file__).parents[2]


def answer_of(module: str, *arguments: str | Path, python: str | Path = sys.executable) -> Json:
    """Run a module with these arguments, and read its last line as JSON.

    Raises `CalledProcessError` where it fails.
    """
    printed = subprocess.run(
        [python, "-m", module, *arguments], cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return json.loads(printed.splitlines()[-1])
