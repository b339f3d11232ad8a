"""Processes from their start to their end, and what they spend on imports."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

_LINE = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \|( +)(\S+)")


def take_turns(
    commands: Mapping[str, Sequence[str]], environment: Mapping[str, str], repeats: int
) -> dict[str, list[float]]:
    """Seconds of each command from its start to its end. The commands take turns."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for repeat in range(repeats + 1):
        for name, command in commands.items():
            seconds = _run(command, environment)
            if repeat:  # the first one brings its files into memory
                found[name].append(seconds)
    return found


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def import_times(modules: Sequence[str], environment: Mapping[str, str]) -> dict[str, float]:
    """Seconds that importing these, in a new process, spends on each package."""
    told = subprocess.run(
        python("-X", "importtime", "-c", f"import {', '.join(modules)}"),
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    ).stderr
    return by_package(told)


def by_package(told: str) -> dict[str, float]:
    """What `-X importtime` has told → seconds by the modules' own time, by their first names, the
    largest first."""
    found: dict[str, float] = {}
    for own, _, _, module in _LINE.findall(told):
        package = module.split(".")[0]
        found[package] = found.get(package, 0.0) + int(own) / 1e6
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def _run(command: Sequence[str], environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
