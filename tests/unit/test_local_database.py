"""The SQLite file when things go wrong: full, damaged, of another version, or much in demand."""

from __future__ import annotations

import functools
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.building import feedback_of, pending_record, reserved
from trainshed.errors import StorageUnavailable
from trainshed.local.database import _MIGRATIONS, Database, open_database
from trainshed.local.feedback import LocalFeedback
from trainshed.local.queue import LocalQueue
from trainshed.local.registry import LocalRegistry


def limit_pages(database: Database, pages: int) -> None:
    """Make the file as good as full, for this connection."""
    with database.reading() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_is_said_in_words_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "trainshed.db"
    with open_database(path) as database:
        queue, registry = LocalQueue(database, 60, 3), LocalRegistry(database)
        record = pending_record()
        registry.put_new(record)
        limit_pages(database, 1)
        sent: list[str] = []

        def send_for_ever() -> None:
            while True:
                sent.append(queue.send("x" * 4000))

        with pytest.raises(StorageUnavailable, match=r"trainshed\.db cannot be used: .*full"):
            send_for_ever()
        taken = reserved(record)
        assert queue.depth() == len(sent), "what was answered is kept, and no more"
        limit_pages(database, 1 << 30)
        queue.send("x")
        registry.replace(record, taken, 1)
    with open_database(path) as database:
        assert LocalQueue(database, 60, 3).depth() == len(sent) + 1
        assert LocalRegistry(database).get(record.model_id) == taken


def test_what_fails_within_a_transaction_leaves_nothing_behind(tmp_path: Path) -> None:
    with open_database(tmp_path / "trainshed.db") as database:
        queue = LocalQueue(database, 60, 3)

        def send_then_fail() -> None:
            with database.transaction() as connection:
                connection.execute("INSERT INTO messages VALUES ('id', 'body', 0, 0, 0)")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            send_then_fail()
        assert queue.depth() == 0
        queue.send("the next one works")
        assert queue.depth() == 1


def test_what_fails_at_the_commit_leaves_nothing_behind(tmp_path: Path) -> None:
    with open_database(tmp_path / "trainshed.db") as database:
        with database.reading() as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
            connection.execute(
                "CREATE TABLE child"
                " (parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"
            )

        def fail_at_commit() -> None:
            with database.transaction() as connection:
                connection.execute("INSERT INTO child VALUES (1)")

        with pytest.raises(Exception, match="FOREIGN KEY"):
            fail_at_commit()
        LocalQueue(database, 60, 3).send("the next one works")
        with database.reading() as connection:
            assert connection.execute("SELECT count(*) FROM child").fetchone() == (0,)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "trainshed.db"
    path.write_text("something else entirely, and long enough to be looked at\n" * 50)
    with (
        pytest.raises(StorageUnavailable, match="cannot be used: file is not a database"),
        open_database(path),
    ):
        pass


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with (
        pytest.raises(StorageUnavailable, match=r"home/trainshed\.db cannot be used"),
        open_database(tmp_path / "home" / "trainshed.db"),
    ):
        pass


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "trainshed.db"
    with open_database(path) as database, database.reading() as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with (
        pytest.raises(StorageUnavailable, match="schema version 99; this Trainshed knows 2"),
        open_database(path),
    ):
        pass
    assert path.read_bytes() == before


def test_a_database_of_an_earlier_version_is_brought_up_and_keeps_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trainshed.db"
    record = pending_record()
    with monkeypatch.context() as earlier:
        earlier.setattr("trainshed.local.database._MIGRATIONS", _MIGRATIONS[:1])
        with open_database(path) as database:
            LocalRegistry(database).put_new(record)
    for _ in range(2):
        with open_database(path) as database, database.reading() as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (2,)
            assert LocalRegistry(database).get(record.model_id) == record
            LocalFeedback(database).put([feedback_of()])
            assert list(LocalFeedback(database).of("my-model")) == [feedback_of()]


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trainshed.db"
    with open_database(path):
        pass
    broken = "CREATE TABLE half (id TEXT) STRICT; CREATE TABLE models (id TEXT) STRICT"
    with monkeypatch.context() as later:
        later.setattr("trainshed.local.database._MIGRATIONS", (*_MIGRATIONS, broken))
        with pytest.raises(StorageUnavailable, match="models already exists"), open_database(path):
            pass
    with open_database(path) as database, database.reading() as connection:
        names = connection.execute("SELECT name FROM sqlite_schema").fetchall()
        assert ("half",) not in names


def test_feedback_of_another_version_is_said_to_be_one(tmp_path: Path) -> None:
    with open_database(tmp_path / "trainshed.db") as database:
        store = LocalFeedback(database)
        store.put([feedback_of()])
        with database.transaction() as connection:
            connection.execute("""UPDATE feedback SET feedback = '{"new": 1}'""")
        with pytest.raises(StorageUnavailable, match="another version of Trainshed"):
            list(store.of("my-model"))


class BusyAtFirst(sqlite3.Connection):
    """Says what SQLite says, at once, where two change a new database to WAL in one moment."""

    refusals = 2

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if "journal_mode" in sql and self.refusals:
            self.refusals -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return super().execute(sql, *rest)


def test_opening_waits_for_others_who_do_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = functools.partial(sqlite3.connect, factory=BusyAtFirst)
    monkeypatch.setattr(sqlite3, "connect", connect)
    with open_database(tmp_path / "trainshed.db") as database, database.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


PROGRAM = """
import sys, time
from pathlib import Path
from trainshed.local.database import open_database
from trainshed.local.queue import LocalQueue
gate = Path(sys.argv[1])
print("ready", flush=True)
while not gate.exists():
    time.sleep(0.001)
for home in sys.argv[2:]:
    with open_database(Path(home) / "trainshed.db") as database:
        LocalQueue(database, 60, 3).send("body")
"""


def test_many_processes_may_open_a_new_home_at_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    homes = [tmp_path / f"home-{number}" for number in range(10)]
    processes = [start(gate, *homes) for _ in range(6)]
    gate.touch()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert errors == [""] * len(processes)
    for home in homes:
        with open_database(home / "trainshed.db") as database:
            assert LocalQueue(database, 60, 3).depth() == len(processes)


def start(gate: Path, *homes: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(gate), *map(str, homes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_writer_waits_for_another_one(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with open_database(tmp_path / "trainshed.db") as database, database.transaction():
        process = start(gate, tmp_path)
        assert process.poll() is None
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    with open_database(tmp_path / "trainshed.db") as database:
        assert LocalQueue(database, 60, 3).depth() == 1
