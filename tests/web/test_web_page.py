"""The page without a browser: who gets it, and what it may do there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving_image.web_page import FOLDER

from .test_web_app import assert_problem, make_app, started

CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;"
    "q=0.8,application/signed-exchange;v=b3;q=0.7"
)
HTML = {"Accept": CHROMIUM}
Ask = Callable[..., httpx.Response]
FILES = sorted(file.name for file in FOLDER.iterdir())


@pytest.fixture
def ask(artifact: Path) -> Ask:
    """Send one request to a new app: `ask(method, path, …)`."""

    def send(method: str, path: str, **options: Any) -> httpx.Response:
        async def main() -> httpx.Response:
            async with started(make_app(artifact)) as client:
                return await client.request(method, path, **options)

        return asyncio.run(main())

    return send


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accept", [CHROMIUM, "text/html", "application/json;q=0.9,text/html"])
def test_who_likes_html_better_gets_the_page(ask: Ask, method: str, accept: str) -> None:
    result = ask(method, "/", headers={"Accept": accept})
    assert result.status_code == 200
    assert result.headers["Content-Type"] == "text/html; charset=utf-8"
    assert result.headers["Vary"] == "Accept"
    assert result.content == ((FOLDER / "index.html").read_bytes() if method == "GET" else b"")


@pytest.mark.parametrize(
    "accept", ["*/*", "", "application/json", "text/html;q=0.5, */*", "image/png", "<>", "a/b;q=x"]
)
def test_all_others_get_json(ask: Ask, accept: str) -> None:
    result = ask("GET", "/", headers={"Accept": accept})
    assert result.json()["modelId"].startswith("parrot-")
    assert result.headers["Vary"] == "Accept"


def test_only_the_start_is_a_page(ask: Ask) -> None:
    assert ask("GET", "/livez", headers=HTML).json() == {"status": "alive"}
    assert ask("POST", "/", headers=HTML).headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_sent_once_until_it_changes(ask: Ask, name: str) -> None:
    first = ask("GET", f"/page/{name}")
    assert first.content == (FOLDER / name).read_bytes()
    assert first.headers["Cache-Control"] == "no-cache"
    again = ask("GET", f"/page/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    changed = ask("GET", f"/page/{name}", headers={"If-None-Match": '"another"'})
    assert changed.status_code == 200


@pytest.mark.parametrize("name", ["", "none.js", "..%2Fapp.py", "../app.py", "a/b"])
def test_there_are_no_other_files(ask: Ask, name: str) -> None:
    assert_problem(ask("GET", f"/page/{name}"), 404)


@pytest.mark.parametrize("name", FILES)
def test_the_page_may_do_nothing_that_it_does_not_need(ask: Ask, name: str) -> None:
    headers = ask("GET", f"/page/{name}").headers
    policy: Mapping[str, Any] = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob:",
        "connect-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("name", FILES)
def test_no_file_makes_html_of_text_or_asks_anybody_else(name: str) -> None:
    content = (FOLDER / name).read_text(encoding="utf-8")
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage"
    assert not re.search(forbidden, content)
    assert set(re.findall(r"https?://\S+?[\"']", content)) <= {'http://www.w3.org/2000/svg"'}
    assert not re.search(r"\sstyle=|\son\w+=\"", content)


def test_the_page_needs_no_key_and_what_it_shows_does(artifact: Path) -> None:
    digests = (sha256(b"key").hexdigest(),)

    async def main() -> list[httpx.Response]:
        async with started(make_app(artifact, api_keys=digests)) as client:
            page = await client.get("/", headers=HTML)
            files = [await client.get(f"/page/{name}") for name in FILES]
            return [page, *files, await client.get("/")]

    *pages, description = asyncio.run(main())
    assert [page.status_code for page in pages] == [200] * (1 + len(FILES))
    assert b"parrot" not in b"".join(page.content for page in pages)
    assert_problem(description, 401)
