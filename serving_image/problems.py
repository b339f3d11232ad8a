"""Errors as RFC 9457 problem documents, and which exception is which problem."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import falcon
import falcon.asgi

from model_types import InvalidInput, Json, MalformedBody
from serving_image import json_body
from serving_image.batching import Overloaded
from serving_image.model import NotReady

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
SCHEMA: Json = {
    "type": "object",
    "description": "A problem as of RFC 9457.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}

RETRY_SECONDS = 1
CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that went away: nobody reads the answer, but metrics count it."""

_DETAILS: Mapping[int, str] = {
    400: "The request is not valid HTTP for this server.",
    404: "There is nothing at this path. /openapi.json lists what there is.",
    405: "This path does not take this method; the Allow header says which it takes.",
    500: "The server failed to answer; its log says why.",
}


class ClientGone(Exception):
    """The client closed the connection before it got its answer."""


def document(status: int, detail: str) -> bytes:
    """A problem whose type is its HTTP status and nothing more."""
    title = falcon.code_to_http_status(status).partition(" ")[2]
    return json_body.encode(
        {"type": "about:blank", "title": title, "status": status, "detail": detail}
    )


def add_problems(app: falcon.asgi.App[Any, falcon.asgi.Response]) -> None:
    """Make every error of `app` a problem document."""
    app.set_error_serializer(_serialize)
    app.add_error_handler(Exception, _failed)
    app.add_error_handler(MalformedBody, _malformed_body)
    app.add_error_handler(InvalidInput, _invalid_input)
    app.add_error_handler(NotReady, _not_ready)
    app.add_error_handler(Overloaded, _overloaded)
    app.add_error_handler(ClientGone, _client_gone)


def _serialize(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    status = error.status_code
    if request.expect:  # its body may never come, and the next request would be taken for it
        response.set_header("Connection", "close")
    response.content_type = MEDIA_TYPE
    response.data = document(status, error.description or _DETAILS.get(status, error.title))


async def _malformed_body(
    _: falcon.asgi.Request, __: falcon.asgi.Response, error: MalformedBody, ___: object
) -> None:
    raise falcon.HTTPBadRequest(description=str(error))


async def _invalid_input(
    _: falcon.asgi.Request, __: falcon.asgi.Response, error: InvalidInput, ___: object
) -> None:
    raise falcon.HTTPUnprocessableEntity(description=str(error))


async def _not_ready(
    _: falcon.asgi.Request, __: falcon.asgi.Response, error: NotReady, ___: object
) -> None:
    # a model that was refused stays refused: trying again is no use
    retry = RETRY_SECONDS if error.loading else None
    raise falcon.HTTPServiceUnavailable(description=error.reason, retry_after=retry)


async def _overloaded(
    _: falcon.asgi.Request, __: falcon.asgi.Response, error: Overloaded, ___: object
) -> None:
    raise falcon.HTTPServiceUnavailable(description=str(error), retry_after=RETRY_SECONDS)


async def _client_gone(
    _: falcon.asgi.Request, response: falcon.asgi.Response, __: ClientGone, ___: object
) -> None:
    response.status = CLIENT_CLOSED_REQUEST


async def _failed(
    request: falcon.asgi.Request, _: falcon.asgi.Response, error: Exception, __: object
) -> None:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    raise falcon.HTTPInternalServerError
