"""Spans of time, and progress, as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta

from trainshed.ports import Report


def duration(seconds: float) -> str:
    """`3 s`, `1:05`, `2:03:04`, `5 d`."""
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s"
    if seconds >= 2 * 86400:
        return f"{seconds / 86400:.0f} d"
    text = str(timedelta(seconds=round(seconds)))
    return text.removeprefix("0:").removeprefix("0")


def between(earlier: datetime, later: datetime) -> str:
    """How long it is from one to the other; 0 s where two clocks say that it is less."""
    return duration((later - earlier).total_seconds())


def progress(report: Report) -> str:
    """`epoch 3/12  loss 0.123  micro F1 0.91  840 samples/s  12 s left`."""
    parts = [f"epoch {report.epoch}/{report.epochs}"]
    if report.loss is not None:
        parts.append(f"loss {report.loss:.4g}")
    if report.score is not None:
        parts.append(f"{report.score_name} {report.score:.3f}")
    if report.samples_per_second is not None:
        parts.append(f"{report.samples_per_second:.0f} samples/s")
    if report.seconds_left is not None:
        parts.append(f"{duration(report.seconds_left)} left")
    return "  ".join(parts)
