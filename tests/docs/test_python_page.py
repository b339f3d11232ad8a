"""The page on Python is a program, and it works: a real training, asked in this process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/python.md"


def test_the_page_is_a_program_that_trains_and_asks(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    completed = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        env={**os.environ, "TRAINSHED_HOME": str(tmp_path), "TRAINSHED_TICK_SECONDS": "0.2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    status, answer = completed.stdout.splitlines()
    assert status.startswith("Completed models/my-mood-")
    sad, love = re.findall(r"'sentiment': '(\w+)'", answer)
    assert (sad, love) == ("negative", "positive")
