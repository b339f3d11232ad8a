"""What the figures were measured on, and with what."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

_PACKAGES = (
    *("falcon", "gunicorn", "uvicorn", "onnxruntime", "numpy", "nltk"),
    *("flair", "torch", "tensorflow-cpu", "keras", "boto3", "moto"),
)


def describe() -> Sequence[str]:
    """Lines of text: the machine, its system, the versions of what Trainshed stands on."""
    cores = len(os.sched_getaffinity(0))
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{_processor()}, {cores} cores, {memory:.0f} GiB of memory",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
    )


def _processor() -> str:
    """As the kernel names it; some virtual machines hide it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
