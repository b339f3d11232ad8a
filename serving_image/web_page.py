"""The page for people: plain files, served as they lie in page/, to whom asks as a browser does."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import falcon
import falcon.asgi

from serving_image.request_body import Request

FOLDER = Path(__file__).with_name("page")
START = "index.html"
ROUTE = "/page/{name}"

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_HEADERS = {
    # Nothing from elsewhere, nothing written into the page: whatever gets into it, no script runs.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Kept, and asked for again each time: a new server may have a new page.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, file: Path) -> _File:
        content = file.read_bytes()
        return cls(content, _MEDIA_TYPES[file.suffix], sha256(content).hexdigest()[:32])


class WebPage:
    """The page's files. They hold nothing of the model, and so need no key: the page asks for it,
    and brings it with each request for what does."""

    def __init__(self) -> None:
        self._files = {
            file.name: _File.read(file) for file in FOLDER.iterdir() if file.suffix in _MEDIA_TYPES
        }

    async def on_get(self, request: Request, response: falcon.asgi.Response, name: str) -> None:
        file = self._files.get(name)
        if file is None:
            raise falcon.HTTPNotFound
        response.set_headers(_HEADERS)
        response.etag = file.etag
        if any(known in ("*", file.etag) for known in request.if_none_match or ()):
            response.status = falcon.HTTP_304
            return
        response.content_type = file.media_type
        response.data = file.content

    on_head = on_get


class BrowsersGetThePage:
    """Falcon middleware: who asks for `/` gets the page if HTML is liked better than JSON."""

    async def process_request(
        self, request: falcon.asgi.Request, response: falcon.asgi.Response
    ) -> None:
        if request.path != "/" or request.method not in ("GET", "HEAD"):
            return
        response.append_header("Vary", "Accept")
        # of two that are liked alike, the first: curl takes anything
        if request.client_prefers((falcon.MEDIA_JSON, falcon.MEDIA_HTML)) == falcon.MEDIA_HTML:
            request.path = ROUTE.format(name=START)
