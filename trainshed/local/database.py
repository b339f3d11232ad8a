"""The one SQLite file of the local engine: its schema, its transactions, its errors in words."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainshed.errors import StorageUnavailable

BUSY_SECONDS = 30.0
"""How long a writer waits for another one."""

_REGISTRY_AND_QUEUE = """
CREATE TABLE messages (
    message_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    sent_at REAL NOT NULL,
    visible_at REAL NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX messages_by_visibility ON messages (visible_at);

CREATE TABLE dead_letters (
    message_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    reason TEXT NOT NULL,
    died_at REAL NOT NULL
) STRICT;

CREATE TABLE models (
    model_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    version INTEGER NOT NULL,
    unfinished INTEGER NOT NULL,
    holds_slot INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    not_before REAL NOT NULL,
    created_at REAL NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX models_ready ON models (priority DESC, created_at, model_id, not_before)
    WHERE status = 'Pending';
CREATE INDEX models_unfinished ON models (model_id) WHERE unfinished = 1;
CREATE INDEX models_holding ON models (model_id) WHERE holds_slot = 1;
CREATE INDEX models_by_age ON models (created_at DESC);
CREATE INDEX models_by_name ON models (name, created_at DESC);

CREATE TABLE reports (
    model_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    report TEXT NOT NULL,
    PRIMARY KEY (model_id, attempt)
) STRICT;
"""

_FEEDBACK = """
CREATE TABLE feedback (
    name TEXT NOT NULL,
    feedback_id TEXT NOT NULL,
    feedback TEXT NOT NULL,
    PRIMARY KEY (name, feedback_id)
) STRICT;
"""

_MIGRATIONS = (_REGISTRY_AND_QUEUE, _FEEDBACK)
"""Each takes the schema from one version to the next; the version is how many have been applied.
One that was released is never changed."""


class Database:
    """A connection for one thread. Every read and write goes through `transaction`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._file = path.stat()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction that sees the newest state and lets no other writer in between.

        Raises `StorageUnavailable` where SQLite cannot do its work.
        """
        with _in_words(self._path):
            self._check_file()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.commit()
            except BaseException:  # a full disk may show at the commit only
                self._connection.rollback()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Reads that never wait for a writer."""
        with _in_words(self._path):
            self._check_file()
            yield self._connection

    def _check_file(self) -> None:
        """SQLite goes on with a file that was deleted, and all that it writes is lost."""
        if not (self._path.exists() and os.path.samestat(self._path.stat(), self._file)):
            raise FileNotFoundError("it was deleted or replaced while it was in use")


@contextmanager
def open_database(path: Path) -> Iterator[Database]:
    """Open the file, made if it is not there, and brought to this version's schema. Raises
    `StorageUnavailable`."""
    with _in_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        with _in_words(path):
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")  # what was answered is kept
            database = Database(connection, path)
        _ensure_schema(database)
        yield database
    finally:
        connection.close()


def _use_wal(connection: sqlite3.Connection) -> None:
    """Change to WAL. Where others are at it too, SQLite may say at once that it is busy."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # of whatever kind
            if not is_busy or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _ensure_schema(database: Database) -> None:
    with database.reading() as connection:
        if _schema_version(connection) == len(_MIGRATIONS):
            return
    with database.transaction() as connection:
        version = _schema_version(connection)  # somebody may have been faster
        if version > len(_MIGRATIONS):
            raise StorageUnavailable(
                f"The database has the schema version {version}; this Trainshed knows"
                f" {len(_MIGRATIONS)}. Set TRAINSHED_HOME to another folder or update Trainshed."
            )
        for migration in _MIGRATIONS[version:]:
            for statement in migration.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _schema_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        raise StorageUnavailable(f"The database {path} cannot be used: {error}.") from error
