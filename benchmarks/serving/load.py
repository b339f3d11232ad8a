"""Load from wrk: connections that each post a text, wait for the answer, and post the next."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SEPARATOR = b"\x1e"
"""Ends a body in the file that post.lua reads; no text has it."""

_SCRIPT = Path(__file__).with_name("post.lua")
_PATIENCE = 30
"""Seconds after which wrk takes an answer for lost."""


class LoadFailed(Exception):
    """Not all requests of a measurement were answered with 2xx."""


@dataclass(frozen=True)
class Load:
    requests_per_second: float
    p50: float
    """Seconds."""
    p99: float


def is_there() -> bool:
    return shutil.which("wrk") is not None


def write_bodies(bodies: Sequence[bytes], file: Path) -> Path:
    file.write_bytes(b"".join(body + SEPARATOR for body in bodies))
    return file


def run(url: str, bodies: Path, media_type: str, connections: int, seconds: float) -> Load:
    """Post `bodies` in turn for so long. Raises `LoadFailed`."""
    done = subprocess.run(
        [
            "wrk",
            "--threads=1",
            f"--connections={connections}",
            f"--duration={max(1, round(seconds))}s",
            f"--timeout={_PATIENCE}s",
            f"--script={_SCRIPT}",
            url,
            "--",
            str(bodies),
            media_type,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LoadFailed(f"wrk ended with {done.returncode}: {done.stderr.strip()}")
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read the line that post.lua prints last. Raises `LoadFailed`."""
    try:
        found = json.loads(output.strip().splitlines()[-1])
        requests, microseconds = found["requests"], found["microseconds"]
        statuses, broken = found["statuses"], found["broken"]
        p50, p99 = found["p50"], found["p99"]
    except (IndexError, ValueError, KeyError, TypeError):
        raise LoadFailed(f"wrk said {output!r}.") from None
    if statuses:
        raise LoadFailed(f"{statuses} of {requests} answers had another status than 2xx.")
    if broken:
        raise LoadFailed(f"{broken} connections broke or waited {_PATIENCE} seconds.")
    if not requests:
        raise LoadFailed("Nothing was answered.")
    return Load(requests / microseconds * 1e6, p50 / 1e6, p99 / 1e6)
