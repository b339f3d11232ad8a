"""A server that was told the hash of a key answers only who has the key."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from serving_image.settings import ServingSettings
from trainshed.errors import InvalidSettings

from .test_web_app import TEXT, assert_problem, make_app, started
from .test_web_settings import COMPLETE

OLD, NEW = "the-old-key-of-many-letters", "the-new-kéy-of-many-letters"
DIGESTS = tuple(sha256(key.encode()).hexdigest() for key in (OLD, NEW))
OPEN = ("/livez", "/readyz", "/health", "/ping")
CLOSED = ("/", "/metrics", "/openapi.json", "/training_curves.png")


def ask(
    artifact: Path,
    method: str,
    path: str,
    headers: list[tuple[bytes, bytes]],
    digests: tuple[str, ...] = DIGESTS,
) -> httpx.Response:
    async def main() -> httpx.Response:
        async with started(make_app(artifact, api_keys=digests)) as client:
            content = b"you" if method == "POST" else None
            all_headers = [(b"Content-Type", b"text/plain"), *headers]
            return await client.request(method, path, headers=all_headers, content=content)

    return asyncio.run(main())


@pytest.mark.parametrize(
    "header",
    [
        (b"X-Api-Key", OLD.encode()),
        (b"x-api-key", NEW.encode()),
        (b"Authorization", b"Bearer " + OLD.encode()),
        (b"Authorization", b"bearer  " + NEW.encode()),
    ],
)
def test_who_has_a_key_is_answered(artifact: Path, header: tuple[bytes, bytes]) -> None:
    assert ask(artifact, "POST", "/echo", [header]).json() == {"echo": "hello you"}
    for path in CLOSED:
        assert ask(artifact, "GET", path, [header]).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"X-Api-Key", b"")],
        [(b"X-Api-Key", b"wrong")],
        [(b"X-Api-Key", b"\xff\xfe")],
        [(b"X-Api-Key", DIGESTS[0].encode())],
        [(b"X-Api-Key", OLD.upper().encode())],
        [(b"X-Api-Key", OLD.encode()), (b"X-Api-Key", b"wrong")],
        [(b"Authorization", OLD.encode())],
        [(b"Authorization", b"Basic " + OLD.encode())],
        [(b"Authorization", b"Bearer")],
        [(b"Authorization", b"Bearer " + OLD.encode()), (b"X-Api-Key", b"wrong")],
    ],
)
def test_who_has_none_is_told_how(artifact: Path, headers: list[tuple[bytes, bytes]]) -> None:
    for method, path in [("POST", "/echo"), ("GET", "/echo"), *(("GET", path) for path in CLOSED)]:
        result = ask(artifact, method, path, headers)
        assert "key" in assert_problem(result, 401)
        assert result.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", OPEN)
def test_health_is_open_to_all(artifact: Path, path: str) -> None:
    assert ask(artifact, "GET", path, []).status_code == 200


def test_a_path_that_is_not_there_is_not_there(artifact: Path) -> None:
    assert_problem(ask(artifact, "GET", "/nowhere", []), 404)


def test_without_a_hash_nobody_needs_a_key(artifact: Path) -> None:
    assert ask(artifact, "POST", "/echo", [], digests=()).status_code == 200


def test_a_key_is_not_counted_among_the_metrics_or_logged(
    artifact: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    async def main() -> str:
        async with started(make_app(artifact, api_keys=DIGESTS)) as client:
            for key in (OLD, "a-wrong-key"):
                headers = {**TEXT, "X-Api-Key": key}
                await client.post("/echo", headers=headers, content=b"fail now")
            return (await client.get("/metrics", headers={"X-Api-Key": OLD})).text

    shown = asyncio.run(main())
    assert 'route="/echo",status="401"} 1.0' in shown
    for secret in (OLD, "a-wrong-key"):
        assert secret not in shown
        assert secret not in caplog.text


def test_the_openapi_document_says_what_needs_a_key(artifact: Path) -> None:
    document = json.loads(
        ask(artifact, "GET", "/openapi.json", [(b"X-Api-Key", OLD.encode())]).content
    )
    OpenAPIV31SpecValidator(document).validate()
    for path, operations in document["paths"].items():
        [operation] = operations.values()
        assert ("security" in operation) == ("401" in operation["responses"]) == (path not in OPEN)
    assert document["components"]["securitySchemes"].keys() == {"header", "bearer"}


def test_hashes_come_from_the_environment() -> None:
    environ = {**COMPLETE, "TRAINSHED_API_KEY_SHA256": ", ".join(DIGESTS)}
    assert ServingSettings.from_environment(environ).api_keys == DIGESTS


@pytest.mark.parametrize("value", [OLD, DIGESTS[0] + ",", DIGESTS[0].upper()])
def test_a_key_in_place_of_its_hash_is_not_shown(value: str) -> None:
    with pytest.raises(InvalidSettings, match="TRAINSHED_API_KEY_SHA256 is wrong") as raised:
        ServingSettings.from_environment({**COMPLETE, "TRAINSHED_API_KEY_SHA256": value})
    assert value not in str(raised.value)
