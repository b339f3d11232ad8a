"""Whether the kernel has lately killed a process for lack of memory. It counts them by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

LATELY_SECONDS = 5.0
"""A process that the kernel kills may take a moment to die: it has memory to give back."""

_WHOLE_MACHINE = Path("/proc/vmstat")


class OomKills:
    """The count for the cgroup that this process is in, or where there is none, for the machine."""

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time.monotonic):
        self._file = file or _counting_file()
        self._clock = clock
        self._count = _count_in(self._file)
        self._grown_at: float | None = None

    def look(self) -> None:
        """To be called now and then, so that it is known when the count grew."""
        count = _count_in(self._file)
        if count is not None and self._count is not None and count > self._count:
            self._grown_at = self._clock()
        self._count = count

    def lately(self) -> bool:
        """Whether there was one in the last seconds. False too where nothing is counted."""
        self.look()
        return self._grown_at is not None and self._clock() - self._grown_at <= LATELY_SECONDS


def _counting_file(cgroups: Path = Path("/proc/self/cgroup")) -> Path:
    for file in _cgroup_files(cgroups):
        if _count_in(file) is not None:
            return file
    return _WHOLE_MACHINE


def _cgroup_files(cgroups: Path) -> list[Path]:
    """Where cgroups of either version keep the count: a line is `number:controllers:path`."""
    try:
        lines = cgroups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    root = Path("/sys/fs/cgroup")
    return [
        root / paths.get("", "/").lstrip("/") / "memory.events",
        root / "memory" / paths.get("memory", "/").lstrip("/") / "memory.oom_control",
    ]


def _count_in(file: Path) -> int | None:
    """The number behind `oom_kill`, as all of these files write it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
