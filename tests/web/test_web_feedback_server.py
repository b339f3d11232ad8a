"""Feedback with the server as it is run: tables longer than its memory, readers that dawdle."""

from __future__ import annotations

import csv
import http.client
import io
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from model_types import TrainingJob, load_trainer
from tests.building import TOY_MODEL_TYPES, feedback_of
from trainshed.engine import open_feedback
from trainshed.local.database import open_database
from trainshed.ports import FeedbackStore
from trainshed.settings import Settings

from .conftest import DEADLINE_SECONDS, MODEL_ID, Home, Server, publish_folder, wait_until

NAME = "parrot"
ROW_BYTES = 100_000
MAX_GROWTH = 24 * 1024**2

Start = Callable[..., Server]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    output = tmp_path / "output"
    output.mkdir()
    job = TrainingJob(output, output, 1, {"answers": "label"}, lambda _: None)
    load_trainer("critic", [TOY_MODEL_TYPES]).train(job)
    return publish_folder(output, tmp_path, "critic")


@contextmanager
def store_of(home: Home) -> Iterator[FeedbackStore]:
    with open_feedback(Settings(home=home.path)) as store:
        yield store


def fill(home: Home, rows: int) -> None:
    with store_of(home) as store:
        for first in range(0, rows, 100):
            numbers = range(first, min(first + 100, rows))
            store.put([feedback_of(NAME, number, input="x" * ROW_BYTES) for number in numbers])


def test_a_table_that_is_longer_than_the_memory_it_takes(
    home: Home, serve: Start, how_many: Callable[[int, int], int]
) -> None:
    rows = how_many(600, 10_000)
    fill(home, rows)
    server = serve(home)
    [worker] = server.workers()
    before = most = worker.memory_info().rss
    length = 0
    with httpx.stream("GET", f"{server.url}/feedback.csv", timeout=DEADLINE_SECONDS) as response:
        for piece in response.iter_raw():
            length += len(piece)
            most = max(most, worker.memory_info().rss)
    assert length > rows * ROW_BYTES > 2 * MAX_GROWTH
    assert most - before < MAX_GROWTH
    sys.stdout.write(
        f"\n{rows} rows, {length >> 20} MiB; the worker grew by {(most - before) >> 20} MiB\n"
    )


def post_and_export(server: Server) -> list[dict[str, str]]:
    """Send a feedback, and read all that there is."""
    served = httpx.get(server.url, timeout=DEADLINE_SECONDS).json()
    body = {
        "id": "ffffffff-0000-4000-8000-000000000000",
        "modelId": MODEL_ID,
        "digest": served["digest"],
        "text": "so good",
        "verdict": "approved",
    }
    posted = httpx.post(f"{server.url}/feedback", json=body, timeout=DEADLINE_SECONDS)
    assert posted.status_code in (200, 201)
    table = httpx.get(f"{server.url}/feedback.csv", timeout=DEADLINE_SECONDS).text
    return list(csv.DictReader(io.StringIO(table)))


def test_a_reader_that_dawdles_holds_up_nobody(home: Home, serve: Start) -> None:
    fill(home, 400)
    server = serve(home)
    [worker] = server.workers()
    post_and_export(server)
    threads = worker.num_threads()
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_SECONDS) as dawdling:
        dawdling.sendall(b"GET /feedback.csv HTTP/1.1\r\nHost: test\r\n\r\n")
        assert dawdling.recv(12) == b"HTTP/1.1 200"
        assert len(post_and_export(server)) == 401
        with open_database(home.path / "trainshed.db") as database, database.reading() as db:
            busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert not busy, "a reader keeps SQLite from no checkpoint"
        assert worker.num_threads() > threads, "it is still being read"
    wait_until(lambda: worker.num_threads() <= threads, "the store is let go of")
    assert "Traceback" not in server.log.read_text()


def test_a_table_that_breaks_off_does_not_look_whole(home: Home, serve: Start) -> None:
    fill(home, 40)
    with open_database(home.path / "trainshed.db") as database, database.transaction() as db:
        db.execute("UPDATE feedback SET feedback = '{}' WHERE feedback_id LIKE '00000020-%'")
    server = serve(home)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_SECONDS)
    connection.request("GET", "/feedback.csv")
    response = connection.getresponse()
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    connection.close()
    assert httpx.get(f"{server.url}/livez", timeout=DEADLINE_SECONDS).status_code == 200


def test_a_server_that_was_told_so_takes_no_feedback(home: Home, serve: Start) -> None:
    server = serve(home, TRAINSHED_TAKE_FEEDBACK="0")
    assert httpx.get(server.url, timeout=DEADLINE_SECONDS).json()["feedback"] is False
    answer = httpx.post(f"{server.url}/feedback", json={}, timeout=DEADLINE_SECONDS)
    assert answer.status_code == 404
    assert not (home.path / "trainshed.db").exists()
