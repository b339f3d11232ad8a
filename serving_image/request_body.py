"""The body of a request: judged by its headers first, then read up to a limit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import falcon
import falcon.asgi

from serving_image.batching import Overloaded
from serving_image.problems import ClientGone

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Request(falcon.asgi.Request):
    async def wait_until_gone(self) -> None:
        """Return when the client has closed the connection. Call it when the body was read."""
        try:
            while True:
                await self._receive()
        except ClientGone:
            return


class App(falcon.asgi.App[Request, falcon.asgi.Response]):
    """A falcon app that routes a request before the first byte of its body was read.

    falcon awaits the first part of the body before anything else, and so makes the server ask for a
    body ("100 Continue") that may be refused by its headers. This gives falcon an empty first part.
    """

    async def __call__(  # type: ignore[override]  # as in falcon, whose root class is WSGI's
        self, scope: dict[str, Any], receive: Receive, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] == "http":
            receive = _headers_first(receive)
        await super().__call__(scope, receive, send)


def _headers_first(receive: Receive) -> Receive:
    first = True

    async def wrapped() -> Mapping[str, Any]:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": b"", "more_body": True}
        event = await receive()
        if event["type"] == "http.disconnect":  # falcon would take it for the end of the body
            raise ClientGone
        return event

    return wrapped


def media_type(request: Request, accepted: Collection[str]) -> str:
    """Give the one of `accepted` that the body is said to be, or raise a 415."""
    if request.get_header("Content-Encoding", default="identity").lower() != "identity":
        raise falcon.HTTPUnsupportedMediaType(
            description="The body must not be compressed.", headers={"Accept-Encoding": "identity"}
        )
    name, parameters = falcon.parse_header(request.content_type or "")
    name = name.lower()
    if name not in accepted:
        sent = f"Content-Type {name}" if name else "no Content-Type"
        raise falcon.HTTPUnsupportedMediaType(
            description=f"The request has {sent}; send one of: {', '.join(accepted)}. "
            f"With curl: -H 'Content-Type: {next(iter(accepted))}' --data-binary '…'",
            headers={"Accept": ", ".join(accepted)},
        )
    charset = parameters.get("charset", "utf-8")
    if charset.lower() not in ("utf-8", "utf8"):
        raise falcon.HTTPUnsupportedMediaType(
            description=f"The body must be UTF-8, not {charset}.",
            headers={"Accept": ", ".join(accepted)},
        )
    return name


class BodyReader:
    """Reads bodies, of which only so many long ones are held at once."""

    def __init__(self, short_bytes: int, max_bytes: int, max_long: int) -> None:
        self._short_bytes = min(short_bytes, max_bytes)
        self._max_bytes = max_bytes
        self._max_long = max_long
        self._long = 0

    def is_long(self, body: bytes) -> bool:
        return len(body) > self._short_bytes

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Give the body to the `with` block, to whose end it counts as held.

        Raises a 413: by the body's stated length before anything is read, and else as soon as too
        much came. Raises `Overloaded` for one long body too many, and `ClientGone`.
        """
        if (request.content_length or 0) > self._max_bytes:
            raise self._too_large()
        body = await request.stream.read(self._short_bytes + 1)
        if not self.is_long(body):
            yield body
            return
        if self._long >= self._max_long:
            raise Overloaded(f"{self._long} long requests are at work already.")
        self._long += 1
        try:
            body += await request.stream.read(self._max_bytes + 1 - len(body))
            if len(body) > self._max_bytes:
                raise self._too_large()
            yield body
        finally:
            self._long -= 1

    def _too_large(self) -> falcon.HTTPContentTooLarge:
        return falcon.HTTPContentTooLarge(
            description=f"The body must not be over {self._max_bytes} bytes."
        )
