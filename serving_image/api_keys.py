"""The key that a request must have, where the server was told one.

The server knows a key by its SHA-256 alone. A key is random and long, so there is nothing to guess
from the hash, and a slow hash with salt, which a password needs, would only cost time.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

import falcon
import falcon.asgi

from model_types import Json

HEADER = "X-Api-Key"

SECURITY_SCHEMES: Json = {
    "header": {"type": "apiKey", "in": "header", "name": HEADER},
    "bearer": {"type": "http", "scheme": "bearer"},
}


class ApiKeys:
    """Falcon middleware that refuses a request without a key."""

    def __init__(self, digests: Sequence[str], open_to_all: tuple[type, ...]) -> None:
        """`digests` are SHA-256 in hex; several, so that an old key is good while clients change
        to a new one. Resources that are `open_to_all` need none."""
        self._digests = digests
        self._open_to_all = open_to_all

    async def process_resource(
        self, request: falcon.asgi.Request, _: falcon.asgi.Response, resource: object, __: object
    ) -> None:
        if isinstance(resource, self._open_to_all):
            return
        key = _key(request)
        if key is None:
            raise _unauthorized(f"The request needs a key: {HEADER}: <key>")
        if not self._knows(key):
            raise _unauthorized("The key is wrong.")

    def _knows(self, key: str) -> bool:
        digest = sha256(key.encode("latin-1")).hexdigest()  # as headers are decoded
        # all are compared, so that the time tells nothing
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0


def _key(request: falcon.asgi.Request) -> str | None:
    key = request.get_header(HEADER)
    if key is not None:
        return key
    scheme, _, token = request.get_header("Authorization", default="").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _unauthorized(description: str) -> falcon.HTTPUnauthorized:
    return falcon.HTTPUnauthorized(description=description, challenges=["Bearer"])
