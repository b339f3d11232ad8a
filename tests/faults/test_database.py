"""What befalls the database file: locked, deleted, cut short, on a disk that cannot be written."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.building import wait_until
from tests.flow.shed import PROCESS_SECONDS, Shed
from trainshed.errors import StorageUnavailable
from trainshed.local import database

from .test_full_disk import disk, small_shed

__all__ = ["disk", "small_shed"]


def fails_in_words(process: subprocess.Popen[str], words: str) -> None:
    output, errors = process.communicate(timeout=PROCESS_SECONDS)
    assert (process.returncode, output) == (1, ""), errors
    assert f"trainshed.db cannot be used: {words}" in errors
    assert "Traceback" not in errors


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the write lock, as a process does that hangs in the middle of a transaction."""
    connection = sqlite3.connect(home / "trainshed.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


def test_a_lock_that_is_held_for_longer_than_a_writer_waits(
    shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    shed.submit("before")
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with shed.open() as engine:
        with locked(shed.home):
            with pytest.raises(StorageUnavailable, match=r"trainshed\.db cannot be used: .*locked"):
                engine.queue.send("during")
            with pytest.raises(StorageUnavailable, match=r"trainshed\.db cannot be used: .*locked"):
                engine.queue.receive(10)
            assert engine.queue.depth() == 1, "reading goes on"
        [message] = engine.queue.receive(10)
        assert message.receives == 1, "nothing is half done"


def test_processes_that_meet_a_lock(shed: Shed, how_many: Callable[[int, int], int]) -> None:
    """They wait for half a minute: only the proof holds on for so long, the quick one lets go."""
    caught = shed.submit("caught", gated=True)
    consumer = shed.start("run", "--until-idle")
    shed.wait_for("begin", 1)
    with locked(shed.home):
        shed.gate.touch()
        submit = shed.start("submit", "during", "--model-type=toy")
        wait_until(lambda: shed.trainings() == [], "a training ends, lock or no lock")
        if how_many(0, 1):
            fails_in_words(submit, "database is locked")
    _, errors = consumer.communicate(timeout=PROCESS_SECONDS)
    assert consumer.returncode == 0, "it has waited, or tried again"
    assert "Traceback" not in errors
    submit.communicate(timeout=PROCESS_SECONDS)
    shed.done("run", "--until-idle")
    names = {"caught", "during"} if submit.returncode == 0 else {"caught"}
    assert shed.statuses() == dict.fromkeys(names, "Completed")
    assert shed.record(caught).attempt == 1
    assert shed.times_trained()["caught"] == 1
    assert shed.slots_in_use() == 0


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_deleted_under_a_running_consumer(shed: Shed, replaced: bool) -> None:
    shed.submit("caught", gated=True)
    consumer = shed.start("run", "--until-idle")
    shed.wait_for("begin", 1)
    for path in shed.home.glob("trainshed.db*"):
        path.unlink()
    if replaced:
        shed.submit("after", gated=True)
    fails_in_words(consumer, "it was deleted or replaced while it was in use")
    shed.gate.touch()
    wait_until(lambda: shed.trainings() == [], "what runs ends")
    shed.submit("later")
    shed.done("run", "--until-idle")
    assert shed.statuses()["later"] == "Completed"
    assert shed.times_trained()["caught"] == 1, "no message is left that it could be trained by"


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9], ids=["nothing", "half", "most"])
def test_a_file_that_is_cut_short_under_a_running_consumer(shed: Shed, share: float) -> None:
    for number in range(100):
        shed.submit(f"waiting-{number}", gated=True)
    consumer = shed.start("run", "--until-idle")
    shed.wait_for("begin", 2)
    path = shed.home / "trainshed.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    os.truncate(path, int(path.stat().st_size * share))
    shed.gate.touch()
    _, errors = consumer.communicate(timeout=PROCESS_SECONDS)
    again = shed.call("run", "--until-idle")
    assert consumer.returncode == 1
    assert re.search(r"^Error: The database.* cannot be (used|read): ", errors, re.MULTILINE)
    assert "Traceback" not in errors + again.stderr


def test_a_folder_that_cannot_be_written(small_shed: Shed, disk: Path) -> None:
    before = small_shed.submit("before")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for command in (["submit", "during", "--model-type=toy"], ["run", "--until-idle"], ["ls"]):
        fails_in_words(small_shed.start(*command), "")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    small_shed.done("run", "--until-idle")
    assert small_shed.statuses() == {"before": "Completed"}
    assert small_shed.record(before).attempt == 1
