"""A server of the benchmark: waited for, asked, and stopped with all that it has started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.serving.server import Server, ServerFailed, free_port

# Answers what it was sent, in a process that it starts; what the other one does is of no matter.
_ECHO = """
import http.server, os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500 if body == b'"no"' else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
"""


def _server(code: str, folder: Path) -> Server:
    port = free_port()
    command = [sys.executable, "-c", code, str(port)]
    return Server(command, os.environ, port, "/", "application/json", folder / "log")


def test_answers_come_in_order(tmp_path: Path) -> None:
    with _server(_ECHO, tmp_path) as server:
        server.start(b"1")
        assert server.startup > 0
        assert server.answers([b"%d" % n for n in range(50)]) == list(range(50))
        assert server.memory.processes == 2
        assert 0 < server.memory.proportional <= server.memory.resident


def test_another_status_is_a_failure(tmp_path: Path) -> None:
    with _server(_ECHO, tmp_path) as server:
        server.start(b"1")
        with pytest.raises(ServerFailed, match="500"):
            server.answers([b"1", b'"no"'])


def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with _server(_ECHO, tmp_path) as server:
        server.start(b"1")
        ours = {p for p in psutil.Process().children(recursive=True) if p.pid not in before}
        assert len(ours) == 2
    assert not [process for process in ours if process.is_running()]
    server.stop()


def test_one_that_ends_says_why(tmp_path: Path) -> None:
    with (
        _server("raise SystemExit('no model here')", tmp_path) as server,
        pytest.raises(ServerFailed, match="no model here"),
    ):
        server.start(b"1")
