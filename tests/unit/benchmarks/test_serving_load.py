"""What wrk prints, read."""

from __future__ import annotations

import json

import pytest

from benchmarks.serving.load import Load, LoadFailed, parse


def _output(**changes: int) -> str:
    line = {
        "requests": 3000,
        "microseconds": 2_000_000,
        "p50": 20_500,
        "p99": 31_000,
        "statuses": 0,
        "broken": 0,
        **changes,
    }
    return f"Running 2s test\n  Requests/sec:   1500.00\n\n{json.dumps(line)}\n"


def test_microseconds_become_seconds() -> None:
    assert parse(_output()) == Load(1500.0, 0.0205, 0.031)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"statuses": 1}, "1 of 3000 answers had another status"),
        ({"broken": 2}, "2 connections broke"),
        ({"requests": 0}, "Nothing was answered"),
    ],
)
def test_a_load_with_errors_is_no_figure(changes: dict[str, int], reason: str) -> None:
    with pytest.raises(LoadFailed, match=reason):
        parse(_output(**changes))


@pytest.mark.parametrize(
    "output", ["", "unable to connect to 127.0.0.1:1\n", '{"requests": 3}', "7"]
)
def test_an_output_without_the_line_is_no_figure(output: str) -> None:
    with pytest.raises(LoadFailed, match="wrk said"):
        parse(output)
