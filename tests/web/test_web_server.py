"""The server as it is run: gunicorn, its workers, real sockets and signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from .conftest import DEADLINE_SECONDS, MODEL_ID, Home, Server, wait_until

TEXT = {"Content-Type": "text/plain"}

Publish = Callable[..., Home]
Start = Callable[..., Server]


def post(server: Server, text: str) -> httpx.Response:
    return httpx.post(
        f"{server.url}/echo", content=text.encode(), headers=TEXT, timeout=DEADLINE_SECONDS
    )


def metric(server: Server, name: str) -> float:
    lines = httpx.get(f"{server.url}/metrics", timeout=DEADLINE_SECONDS).text.splitlines()
    values = [float(line.removeprefix(name)) for line in lines if line.startswith(f"{name} ")]
    return values[0] if values else 0.0


# From start to stop


def test_a_server_starts_answers_and_stops_cleanly(publish_artifact: Publish, serve: Start) -> None:
    server = serve(publish_artifact())
    assert post(server, "you").json() == {"echo": "hello you"}
    assert httpx.get(server.url).json()["modelId"] == MODEL_ID

    [private] = server.temporary.iterdir()
    assert private.stat().st_mode & 0o077 == 0
    assert (private / "artifact" / "model.json").is_file()
    assert not (private / "artifact" / "framework").exists()

    assert server.stop() == 0
    assert list(server.temporary.iterdir()) == []
    assert "Traceback" not in server.log.read_text()


def test_a_loading_server_is_alive_but_not_ready(
    publish_artifact: Publish, launch: Start, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    hold.mkdir()
    server = launch(publish_artifact(hold=hold))
    server.wait_until_listening()
    wait_until((hold / "held").exists, "loading")
    assert httpx.get(f"{server.url}/livez").status_code == 200
    assert httpx.get(f"{server.url}/readyz").status_code == 503
    assert post(server, "you").status_code == 503
    (hold / "go").touch()
    wait_until(server.is_ready, "ready")
    assert post(server, "you").status_code == 200


def test_a_model_that_fails_its_golden_examples_is_never_ready(
    publish_artifact: Publish, launch: Start
) -> None:
    server = launch(publish_artifact(expected="goodbye"))
    server.wait_until_listening()
    wait_until(lambda: "not put into service" in server.log.read_text(), "refusal")

    def refused() -> bool:
        return "answers otherwise" in httpx.get(f"{server.url}/readyz").text

    wait_until(refused, "refusal")
    assert httpx.get(f"{server.url}/livez").status_code == 200
    assert server.stop() == 0


def test_sigterm_lets_a_running_request_finish(
    publish_artifact: Publish, serve: Start, tmp_path: Path
) -> None:
    server = serve(publish_artifact())
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(post, server, f"hold {tmp_path}")
        wait_until((tmp_path / "held").exists, "prediction")
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "Handling signal: term" in server.log.read_text(), "the signal")
        (tmp_path / "go").touch()
        assert answer.result().status_code == 200
        assert server.process.wait(DEADLINE_SECONDS) == 0


def test_sigint_stops_the_workers_too(publish_artifact: Publish, serve: Start) -> None:
    server = serve(publish_artifact())
    server.process.send_signal(signal.SIGINT)  # to the master alone, unlike Ctrl-C
    assert server.process.wait(DEADLINE_SECONDS) == 0
    assert "Finished server process" in server.log.read_text()
    assert "SIGKILL" not in server.log.read_text()


# Several workers


def test_several_workers_serve_and_their_metrics_add_up(
    publish_artifact: Publish, serve: Start
) -> None:
    server = serve(publish_artifact(), TRAINSHED_WORKERS="3")
    wait_until(lambda: metric(server, "trainshed_ready_workers") == 3, "three ready workers")
    for _ in range(30):  # each on a connection of its own, so to whichever worker takes it
        assert post(server, "you").status_code == 200
    counted = 'trainshed_http_requests_total{route="/echo",status="200"}'
    for _ in range(10):
        assert metric(server, counted) == 30
        assert metric(server, "trainshed_inputs_total") == 30

    [lost, *_] = server.workers()
    lost.kill()
    wait_until(lambda: server.log.read_text().count(f"{MODEL_ID} is ready") == 4, "a replacement")
    wait_until(lambda: metric(server, "trainshed_ready_workers") == 3, "three ready workers")
    assert metric(server, counted) == 30  # what the lost one had counted still counts


# Bodies, as they come over a socket


@pytest.fixture
def connection(publish_artifact: Publish, serve: Start) -> Iterator[socket.socket]:
    """A connection to a server that takes bodies of up to 1000 bytes."""
    server = serve(publish_artifact(), TRAINSHED_MAX_BODY_BYTES="1000")
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_SECONDS) as connected:
        yield connected


def send_head(connection: socket.socket, *headers: str) -> None:
    lines = ["POST /echo HTTP/1.1", "Host: test", "Content-Type: text/plain", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode())


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """The status and the body of the next answer."""
    with connection.makefile("rb") as answer:
        status = int(answer.readline().split()[1])
        length = 0
        while (line := answer.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, answer.read(length)


@pytest.mark.parametrize("headers", [[], ["Expect: 100-continue"]])
def test_too_long_a_body_is_refused_before_it_is_sent(
    connection: socket.socket, headers: list[str]
) -> None:
    send_head(connection, "Content-Length: 1000000000", *headers)
    status, body = read_answer(connection)
    assert status == 413
    assert json.loads(body)["status"] == 413
    if headers:  # a body that was not asked for may not come: what does come is no body
        assert connection.recv(1) == b""


def test_a_body_that_is_waited_for_is_asked_for(connection: socket.socket) -> None:
    send_head(connection, "Content-Length: 3", "Expect: 100-continue")
    assert read_answer(connection) == (100, b"")
    connection.sendall(b"you")
    assert read_answer(connection) == (200, b'{"echo":"hello you"}')


def test_a_chunked_body_is_refused_once_it_is_too_long(connection: socket.socket) -> None:
    send_head(connection, "Transfer-Encoding: chunked")
    chunk = b"1f4\r\n" + b"x" * 500 + b"\r\n"
    connection.sendall(chunk * 3)  # and never an end
    assert read_answer(connection)[0] == 413


def test_after_a_refusal_the_connection_takes_the_next_request(connection: socket.socket) -> None:
    send_head(connection, "Content-Length: 1001")
    connection.sendall(b"x" * 1001)
    assert read_answer(connection)[0] == 413
    send_head(connection, "Content-Length: 3")
    connection.sendall(b"you")
    assert read_answer(connection)[0] == 200


def test_what_is_no_http_gets_a_problem_too(connection: socket.socket) -> None:
    connection.sendall(b"EHLO there\r\n\r\n")
    status, body = read_answer(connection)
    assert status == 400
    assert json.loads(body)["status"] == 400


def test_headers_without_end_are_refused(connection: socket.socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nEndless: ")
    status = 0
    try:
        for _ in range(10_000):
            connection.sendall(b"x" * 10_000)
    except ConnectionError:
        status = 431  # refused while sending; the answer itself may be lost with the connection
    else:
        status, _ = read_answer(connection)
    assert status == 431


def test_a_client_that_leaves_does_no_harm(
    publish_artifact: Publish, serve: Start, tmp_path: Path
) -> None:
    server = serve(publish_artifact())
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_SECONDS) as leaving:
        send_head(leaving, "Content-Length: 100")
        leaving.sendall(b"half")
    gone = 'trainshed_http_requests_total{route="/echo",status="499"}'
    wait_until(lambda: metric(server, gone) == 1, "notice")
    assert post(server, "you").status_code == 200
    assert "Traceback" not in server.log.read_text()


# What keeps a server from starting


def run_to_the_end(launch: Start, home: Home, **environment: str) -> str:
    """Run a server that cannot start; give what it printed."""
    server = launch(home, **environment)
    assert server.process.wait(DEADLINE_SECONDS) == 1
    assert list(server.temporary.iterdir()) == []
    printed = server.log.read_text()
    assert "Traceback" not in printed
    return printed.splitlines()[-1]


@pytest.mark.parametrize("name", ["model.json", "golden.json", "history.csv", "manifest.json"])
def test_a_flipped_bit_is_found_before_anything_is_loaded(
    publish_artifact: Publish, launch: Start, name: str
) -> None:
    home = publish_artifact()
    file = home.artifact / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert name in run_to_the_end(launch, home)


@pytest.mark.parametrize("name", ["model.json", "manifest.json"])
def test_a_missing_file_is_named(publish_artifact: Publish, launch: Start, name: str) -> None:
    home = publish_artifact()
    (home.artifact / name).unlink()
    assert name in run_to_the_end(launch, home)


def test_what_only_training_reads_is_not_looked_at(publish_artifact: Publish, serve: Start) -> None:
    home = publish_artifact()
    (home.artifact / "framework" / "weights.pt").unlink()
    assert post(serve(home), "you").status_code == 200


def test_another_digest_is_another_artifact(publish_artifact: Publish, launch: Start) -> None:
    message = run_to_the_end(launch, publish_artifact(), TRAINSHED_ARTIFACT_DIGEST="0" * 64)
    assert "manifest.json" in message
    assert "0" * 64 in message


def test_an_unknown_model_type_is_named(
    publish_artifact: Publish, launch: Start, tmp_path: Path
) -> None:
    message = run_to_the_end(launch, publish_artifact(), TRAINSHED_MODEL_TYPES=str(tmp_path))
    assert "echo" in message


def test_an_unset_variable_is_named(publish_artifact: Publish, launch: Start) -> None:
    message = run_to_the_end(launch, publish_artifact(), TRAINSHED_ARTIFACT_DIGEST="")
    assert "TRAINSHED_ARTIFACT_DIGEST is not set" in message


def test_a_port_in_use_is_one_line(publish_artifact: Publish, launch: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        server = launch(publish_artifact(), TRAINSHED_PORT=port)
        assert server.process.wait(DEADLINE_SECONDS) == 1
    [line] = server.log.read_text().splitlines()
    assert port in line
    assert "in use" in line


# What a server does not load


def test_a_server_loads_no_framework() -> None:
    program = (
        "import sys, serving_image.asgi, serving_image.worker, serving_image.__main__;"
        "print('\\n'.join({name.partition('.')[0] for name in sys.modules}))"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": ""}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert "falcon" in loaded
    frameworks = {"torch", "flair", "tensorflow", "keras", "transformers", "nltk"}
    rooms = {"training_image", "queue_consumer", "command_line"}
    late = {"numpy", "onnxruntime", "matplotlib", "boto3", "websockets", "sqlite3"}
    assert loaded.isdisjoint(frameworks | rooms | late)
