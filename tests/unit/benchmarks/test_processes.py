"""What is read out of `-X importtime`."""

from __future__ import annotations

from benchmarks.startup.processes import by_package

TOLD = """import time: self [us] | cumulative | imported package
import time:      1500 |       1500 |   boto3.compat
a warning of somebody's
import time:       500 |       2000 | boto3
import time:      3000 |       3000 | json
"""


def test_a_module_counts_with_its_package_the_largest_first() -> None:
    assert list(by_package(TOLD).items()) == [("json", 0.003), ("boto3", 0.002)]
