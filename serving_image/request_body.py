"""The body of a request: judged by its headers first, then read up to a limit."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import falcon
import falcon.asgi

from serving_image.problems import ClientGone

_BOUNDARY = re.compile(r"[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]", re.ASCII)

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
    """Give the one of `accepted` that the body is said to be, a multipart one with its boundary, as
    `model_types.Predictor.decode` takes it; or raise a 415, or a 400 for a bad boundary."""
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
    return f'{name}; boundary="{_boundary(parameters)}"' if name.startswith("multipart/") else name


def _boundary(parameters: Mapping[str, str]) -> str:
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise falcon.HTTPBadRequest(
            description="The Content-Type must name the boundary of the body's parts as RFC 2046 "
            "has it; programs that send forms do so by themselves."
        )
    return boundary


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the body, or raise a 413: by its stated length before anything is read, and else as soon
    as more than `max_bytes` came. Raises `ClientGone`."""
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    body = await request.stream.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    return body


def _too_large(max_bytes: int) -> falcon.HTTPContentTooLarge:
    return falcon.HTTPContentTooLarge(description=f"The body must not be over {max_bytes} bytes.")
