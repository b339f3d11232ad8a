"""A disk that is really full: it is said, nothing is lost, and it goes on once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.building import wait_until
from tests.flow.conftest import clear
from tests.flow.shed import PROCESS_SECONDS, Shed

DISK_BYTES = 4 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB of the test's own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here to make a small disk with")
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_shed(disk: Path, tmp_path: Path) -> Iterator[Shed]:
    shed = Shed(folder=tmp_path, home=disk / "home")
    yield shed
    clear(shed)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            return


def free(disk: Path) -> None:
    (disk / "filler").unlink()


def test_submitting_and_running_on_a_full_disk(small_shed: Shed, disk: Path) -> None:
    before = [small_shed.submit(f"before-{number}") for number in range(2)]
    fill(disk)
    for command in (["submit", "during", "--model-type=toy"], ["run", "--until-idle"]):
        completed = small_shed.call(*command)
        assert (completed.returncode, completed.stdout) == (1, "")
        assert "trainshed.db cannot be used: " in completed.stderr
        assert "Traceback" not in completed.stderr
    free(disk)
    small_shed.done("run", "--until-idle")
    assert set(small_shed.statuses()) == {"before-0", "before-1"}
    assert all(small_shed.record(model_id).status == "Completed" for model_id in before)
    assert small_shed.times_trained() == {"before-0": 1, "before-1": 1}
    assert small_shed.slots_in_use() == 0


def test_an_artifact_that_does_not_fit(small_shed: Shed) -> None:
    big = small_shed.submit("big", bytes=2 * DISK_BYTES)
    run = small_shed.call("run", "--until-idle")
    assert "Traceback" not in run.stderr
    record = small_shed.record(big)
    assert (record.status, record.holds_slot) == ("Failed", False)
    assert "No space left on device" in (record.reason or "")
    small_shed.submit("small")
    small_shed.done("run", "--until-idle")
    assert small_shed.statuses() == {"big": "Failed", "small": "Completed"}


def test_a_disk_that_fills_up_while_a_training_runs(small_shed: Shed, disk: Path) -> None:
    model_id = small_shed.submit("caught", gated=True)
    consumer = small_shed.start("run", "--until-idle")
    small_shed.wait_for("begin", 1)
    fill(disk)
    small_shed.gate.touch()
    wait_until(lambda: small_shed.trainings() == [], "the training ends")
    free(disk)
    _, errors = consumer.communicate(timeout=PROCESS_SECONDS)
    assert consumer.returncode in (0, 1)
    assert "Traceback" not in errors
    small_shed.done("run", "--until-idle")
    record = small_shed.record(model_id)
    assert (record.status, record.attempt) == ("Failed", 1)
    assert small_shed.slots_in_use() == 0
    retried = small_shed.done("retry", "caught").strip()
    small_shed.done("run", "--until-idle")
    assert small_shed.record(retried).status == "Completed"


def test_the_disk_of_these_tests_can_be_full(disk: Path) -> None:
    fill(disk)
    assert os.statvfs(disk).f_bavail == 0
    free(disk)
    assert os.statvfs(disk).f_bavail > 0
