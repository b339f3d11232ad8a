"""HTTP as uvicorn speaks it, with its gaps filled.

What is no HTTP is refused with a problem document too, and so is what another server could read
otherwise. All that comes with a body is bounded (httptools collects headers, trailers and chunk
extensions of any length), and a client is waited for only so long.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving_image import problems

MAX_HEAD_BYTES = 64 * 1024
"""Of a request without its body; what came in one read with its first byte is not counted."""

MAX_PIPELINED = 16
"""Requests that may wait behind the one that is being answered. One read can hold thousands."""

_HOST = re.compile(rb"[\w.~%!$&'()*+,;=:\[\]-]*", re.ASCII)


class BadRequest(Exception):
    """Stops httptools's parser, which then has uvicorn send a 400."""


class ServingProtocol(HttpToolsProtocol):
    _receiving = False
    """Whether a request has begun and not ended."""
    _in_head = False
    """Whether it has not come to its body."""
    _head_bytes = 0
    """Bytes of it that are not its body's."""
    _deadline: asyncio.TimerHandle | None = None
    """Set while the client is waited for."""

    def __init__(self, *args: Any, client_seconds: float, **kwargs: Any) -> None:
        """A request may take `client_seconds` to come in full; so long may an answer lie unread."""
        super().__init__(*args, **kwargs)
        self._client_seconds = client_seconds

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux then closes what a client does not read
            connection.setsockopt(
                socket.IPPROTO_TCP,
                socket.TCP_USER_TIMEOUT,
                max(1, min(int(self._client_seconds * 1000), 2**31 - 1)),
            )
        self._wait_for_client(self._client_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    # A request on its way in

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._receiving and self._head_bytes > MAX_HEAD_BYTES:
            if self._in_head:
                self._refuse(431, f"The headers must not be over {MAX_HEAD_BYTES} bytes.")
            else:
                self._refuse(
                    400,
                    f"What frames the body must not be over {MAX_HEAD_BYTES} bytes: send it in "
                    "larger chunks, without trailers.",
                )
        elif self._receiving:
            self._wait_for_client(self._client_seconds)
        elif not self._answering:  # empty lines, or the end of what was refused
            self._wait_for_client(self.timeout_keep_alive)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._stop_waiting()
        self._receiving = self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        if (
            not _has_one_meaning(self.parser.get_http_version(), self.headers)
            or len(self.pipeline) >= MAX_PIPELINED
        ):
            raise BadRequest
        super().on_headers_complete()
        self._in_head = False
        if self.parser.should_upgrade():  # it is not, and the parser reads no further
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._head_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._stop_waiting()
        self._receiving = False

    # A client that takes too long

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_client(self, seconds: float) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(seconds, self._waited_too_long)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _waited_too_long(self) -> None:
        self._deadline = None
        if self.flow.read_paused or self.pipeline or (self._in_head and self._answering):
            self._wait_for_client(self._client_seconds)  # the client waits for this server, rather
        elif self._receiving:
            self._refuse(408, f"The request was not there after {self._client_seconds:g} seconds.")
        else:
            self.transport.close()

    # Refusals

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _unsupported_upgrade_warning(self) -> None:
        """Don't log what a client may ask for at any time."""

    def _refuse(self, status: int, detail: str) -> None:
        in_body = self._receiving and not self._in_head
        if not (in_body and self.cycle.response_started):  # one request gets one answer
            body = problems.document(status, detail)
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
                f"content-type: {problems.MEDIA_TYPE}\r\n"
                f"content-length: {len(body)}\r\n"
                "connection: close\r\n\r\n"
            )
            self.transport.write(head.encode("ascii") + body)
        self.transport.close()


def _has_one_meaning(version: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether any server would find the same host and the same end of the body (RFC 9112, 3.2 and
    6.1). httptools has refused two lengths, and a length beside a coding."""
    hosts = [value for name, value in headers if name == b"host"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if version == "1.1":
        return (
            len(hosts) == 1
            and _HOST.fullmatch(hosts[0]) is not None
            and codings in ([], [b"chunked"])
        )
    return version == "1.0" and len(hosts) <= 1 and not codings
