"""The app itself, without a server: what it answers to each request."""

from __future__ import annotations

import asyncio
import csv
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from falcon.testing import ASGIConductor
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client import CollectorRegistry

from model_types import Json, Predictor, load_predictor
from serving_image.app import Limits, create_app
from serving_image.metrics import Metrics
from serving_image.model import Model, NotReady
from serving_image.request_body import App
from serving_image.served_model import ServedModel
from trainshed.manifest import Manifest

from .conftest import CREATED_AT, MODEL_ID, MODEL_TYPES, PNG, write_artifact

TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
DIGEST = "d" * 64


def describe(folder: Path) -> ServedModel:
    manifest = Manifest(
        model_id=MODEL_ID, model_type="echo", attempt=3, created_at=CREATED_AT, files={}
    )
    return ServedModel.read(folder, manifest, DIGEST, [MODEL_TYPES])


def make_app(
    folder: Path,
    load: Callable[[], Predictor] | None = None,
    limits: Limits | None = None,
    api_keys: Sequence[str] = (),
) -> App:
    def load_echo() -> Predictor:
        return load_predictor("echo", [MODEL_TYPES]).load(folder)

    served = describe(folder)
    metrics = Metrics(CollectorRegistry())
    return create_app(served, load or load_echo, limits or Limits(), metrics, api_keys)


@asynccontextmanager
async def running(app: App) -> AsyncIterator[httpx.AsyncClient]:
    """The app after its start; its model is loading."""
    # not the conductor's own requests: their client leaves without waiting for the answer
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # falcon says dict, not mapping
    async with (
        ASGIConductor(app),
        httpx.AsyncClient(transport=transport, base_url="http://server") as client,
    ):
        yield client


@asynccontextmanager
async def started(app: App) -> AsyncIterator[httpx.AsyncClient]:
    """The app when its model is either ready or refused."""
    async with running(app) as client:
        while "loading" in (await client.get("/readyz")).text:
            await asyncio.sleep(0)
        yield client


Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(artifact: Path) -> Ask:
    """Send one request to a new app: `ask(method, path, …)`."""

    def send(
        method: str, path: str, limits: Limits | None = None, **options: Any
    ) -> httpx.Response:
        async def main() -> httpx.Response:
            async with started(make_app(artifact, limits=limits)) as client:
                return await client.request(method, path, **options)

        return asyncio.run(main())

    return send


def assert_problem(result: httpx.Response, status: int) -> str:
    """Check that the answer is a problem document of this status, and give its detail."""
    assert result.status_code == status, result.text
    assert result.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(result.content)
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["title"]
    detail = problem["detail"]
    assert isinstance(detail, str)
    assert detail
    return detail


# Predictions


def test_one_text_gets_one_result(ask: Ask) -> None:
    result = ask("POST", "/echo", headers=TEXT, content="you")
    assert result.status_code == 200
    assert result.headers["Content-Type"] == "application/json"
    assert result.json() == {"echo": "hello you"}


def test_json_text_gets_one_result(ask: Ask) -> None:
    assert ask("POST", "/echo", headers=JSON, content='{"text": "you"}').json() == {
        "echo": "hello you"
    }


def test_a_list_gets_a_list_in_order_however_long(ask: Ask) -> None:
    texts = [str(number) for number in range(50)]
    result = ask("POST", "/echo", headers=JSON, content=json.dumps({"texts": texts}))
    assert result.json() == [{"echo": f"hello {text}"} for text in texts]


def test_a_list_of_one_gets_a_list(ask: Ask) -> None:
    result = ask("POST", "/echo", headers=JSON, content='{"texts": ["you"]}')
    assert result.json() == [{"echo": "hello you"}]


def test_an_alias_answers_the_same(ask: Ask) -> None:
    assert ask("POST", "/parrot", headers=TEXT, content="you").json() == {"echo": "hello you"}


def test_json_goes_out_as_utf8_unescaped(ask: Ask) -> None:
    assert "hello Zoë 🎉".encode() in ask("POST", "/echo", headers=TEXT, content="Zoë 🎉").content


@pytest.mark.parametrize(
    "content_type",
    ["text/plain; charset=utf-8", 'Text/Plain; Charset="UTF-8"', "text/plain;charset=utf8"],
)
def test_utf8_may_be_named(ask: Ask, content_type: str) -> None:
    result = ask("POST", "/echo", headers={"Content-Type": content_type}, content="you")
    assert result.status_code == 200


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        (TEXT, b"\xff\xfe", 400, "UTF-8"),
        (JSON, b'{"text": ', 400, "JSON"),
        (JSON, b"[" * 100_000, 400, "JSON"),
        (JSON, b'{"text":' * 100_000, 400, "JSON"),
        (TEXT, b"", 422, "empty"),
        (TEXT, b" \n", 422, "empty"),
        (JSON, b"[1, 2]", 422, "text"),
        (JSON, b'{"text": "\\ud800"}', 422, "surrogate"),
        (JSON, b'{"texts": []}', 422, "texts"),
        (TEXT, b"refuse me", 422, "The model refuses this text."),
        (JSON, b'{"texts": ["a", "refuse me", "b"]}', 422, "The model refuses this text."),
        ({"Content-Type": "text/plain; charset=latin-1"}, b"you", 415, "latin-1"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"you", 415, "text/plain"),
        ({"Content-Type": ";;;"}, b"you", 415, "text/plain"),
        ({**TEXT, "Content-Encoding": "gzip"}, b"you", 415, "compressed"),
        ({}, b"you", 415, "--data-binary"),
    ],
)
def test_bad_requests_are_problems(
    ask: Ask, headers: dict[str, str], body: bytes, status: int, words: str
) -> None:
    assert words in assert_problem(ask("POST", "/echo", headers=headers, content=body), status)


def test_an_unknown_path_is_a_problem(ask: Ask) -> None:
    assert "/openapi.json" in assert_problem(ask("GET", "/nowhere"), 404)


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(ask: Ask) -> None:
    result = ask("GET", "/echo")
    assert_problem(result, 405)
    assert "POST" in result.headers["Allow"]


def test_a_method_that_does_not_exist_is_a_problem(ask: Ask) -> None:
    result = ask("TRACE", "/echo")
    assert_problem(result, 405)


def test_a_body_of_the_longest_length_is_taken(ask: Ask) -> None:
    limits = Limits(max_body_bytes=100)
    assert ask("POST", "/echo", limits, headers=TEXT, content="x" * 100).status_code == 200


def test_a_body_that_says_it_is_too_long_is_refused(ask: Ask) -> None:
    result = ask("POST", "/echo", Limits(max_body_bytes=100), headers=TEXT, content="x" * 101)
    assert "100 bytes" in assert_problem(result, 413)


def test_a_failing_model_is_a_problem_without_internals(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    result = ask("POST", "/echo", headers=TEXT, content="fail now")
    assert "secret" not in assert_problem(result, 500)
    assert "secret internals" in caplog.text


def test_nan_never_goes_out(ask: Ask) -> None:
    assert_problem(ask("POST", "/echo", headers=TEXT, content="nan"), 500)


def test_a_full_queue_says_when_to_come_back(artifact: Path) -> None:
    async def main() -> None:
        async with started(make_app(artifact, limits=Limits(max_batch=1, max_waiting=2))) as client:
            results = await asyncio.gather(
                *(client.post("/echo", headers=TEXT, content=str(n)) for n in range(20))
            )
            refused = [result for result in results if result.status_code != 200]
            assert 0 < len(refused) < 20
            for result in refused:
                assert_problem(result, 503)
                assert int(result.headers["Retry-After"]) >= 1

    asyncio.run(main())


def test_a_long_request_holds_up_long_ones_alone(artifact: Path, tmp_path: Path) -> None:
    async def main() -> None:
        limits = Limits(short_bytes=8, max_long=2)
        async with started(make_app(artifact, limits=limits)) as client:
            held = asyncio.create_task(
                client.post("/echo", headers=TEXT, content=f"hold {tmp_path}")
            )
            while not (tmp_path / "held").exists():
                assert (await client.post("/echo", headers=TEXT, content="you")).status_code == 200
            answer = await client.post("/echo", headers=TEXT, content="x" * 8)
            assert answer.status_code == 200
            waiting = asyncio.create_task(
                client.post("/echo", headers=TEXT, content="fail over it")
            )
            await asyncio.sleep(0)
            refused = await client.post("/echo", headers=TEXT, content="x" * 9)
            assert "2 long requests" in assert_problem(refused, 503)
            assert int(refused.headers["Retry-After"]) >= 1

            (tmp_path / "go").touch()
            assert (await held).status_code == 200
            assert_problem(await waiting, 500)
            answer = await client.post("/echo", headers=TEXT, content="x" * 9)
            assert answer.status_code == 200

    asyncio.run(main())


# What is read of a request, seen from the ASGI side


def ask_raw(
    app: App, headers: list[tuple[bytes, bytes]], events: list[Json]
) -> tuple[list[Json], int]:
    """Post to /echo, give the events that were sent and how many were received."""
    sent: list[Json] = []
    waiting = list(events)

    async def receive() -> Json:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(event: Json) -> None:
        sent.append(event)

    async def main() -> None:
        async with started(app):
            scope = {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "http_version": "1.1",
                "method": "POST",
                "path": "/echo",
                "query_string": b"",
                "headers": [(b"content-type", b"text/plain"), *headers],
            }
            await app(scope, receive, send)

    asyncio.run(main())
    return sent, len(events) - len(waiting)


def test_a_body_that_is_said_to_be_too_long_is_not_read(artifact: Path) -> None:
    app = make_app(artifact, limits=Limits(max_body_bytes=100))
    part = {"type": "http.request", "body": b"x" * 50, "more_body": True}
    sent, received = ask_raw(app, [(b"content-length", b"5000")], [part] * 100)
    assert sent[0]["status"] == 413
    assert received == 0


def test_a_body_of_unsaid_length_is_read_up_to_the_limit(artifact: Path) -> None:
    app = make_app(artifact, limits=Limits(max_body_bytes=100))
    part = {"type": "http.request", "body": b"x" * 50, "more_body": True}
    sent, received = ask_raw(app, [(b"transfer-encoding", b"chunked")], [part] * 100)
    assert sent[0]["status"] == 413
    assert received == 3


def test_a_client_that_leaves_while_it_sends_gets_no_prediction(artifact: Path) -> None:
    part = {"type": "http.request", "body": b"yo", "more_body": True}
    gone = {"type": "http.disconnect"}
    sent, _ = ask_raw(make_app(artifact), [(b"content-length", b"3")], [part, gone])
    assert sent[0]["status"] == 499


def test_a_client_that_leaves_while_it_waits_frees_the_queue(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving_image.asking.UNWATCHED_SECONDS", 0)
    body = json.dumps({"texts": ["x"] * 1000}).encode()
    headers = [(b"content-type", b"application/json")]
    app = make_app(artifact, limits=Limits(max_batch=1))
    whole = {"type": "http.request", "body": body, "more_body": False}
    sent, _ = ask_raw(app, headers, [whole, {"type": "http.disconnect"}])
    assert sent[0]["status"] == 499


# Loading


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """An event that a test's load function waits for; set at the end at the latest."""
    event = threading.Event()
    yield event
    event.set()


def test_while_the_model_loads_the_process_lives_but_is_not_ready(
    artifact: Path, gate: threading.Event
) -> None:
    def load() -> Predictor:
        gate.wait()
        return load_predictor("echo", [MODEL_TYPES]).load(artifact)

    async def main() -> None:
        async with running(make_app(artifact, load)) as client:
            assert (await client.get("/livez")).status_code == 200
            assert (await client.get("/")).status_code == 200
            for path in ("/readyz", "/health", "/ping", "/openapi.json"):
                result = await client.get(path)
                assert "loading" in assert_problem(result, 503)
                assert "Retry-After" in result.headers
            result = await client.post("/echo", headers=TEXT, content="you")
            assert "loading" in assert_problem(result, 503)
            assert "trainshed_ready_workers 0.0" in (await client.get("/metrics")).text

            gate.set()
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0)
            result = await client.post("/echo", headers=TEXT, content="you")
            assert result.status_code == 200
            assert "trainshed_ready_workers 1.0" in (await client.get("/metrics")).text

    asyncio.run(main())


def refused(app: App) -> tuple[str, str]:
    """The details that /readyz and /echo give when the model is out of service for good."""

    async def main() -> tuple[str, str]:
        async with started(app) as client:
            assert (await client.get("/livez")).status_code == 200
            readiness = await client.get("/readyz")
            prediction = await client.post("/echo", headers=TEXT, content="you")
            assert "Retry-After" not in readiness.headers
            return assert_problem(readiness, 503), assert_problem(prediction, 503)

    return asyncio.run(main())


def test_a_model_that_answers_otherwise_than_its_framework_stays_out_of_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_artifact(tmp_path / "artifact", expected="hello me")
    for detail in refused(make_app(tmp_path / "artifact")):
        assert "example 0: expected {'echo': 'hello me'}, got {'echo': 'hello you'}" in detail
    assert "not put into service" in caplog.text


def test_a_model_that_cannot_be_loaded_stays_out_of_service(
    artifact: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (artifact / "model.json").write_text("not JSON")
    for detail in refused(make_app(artifact)):
        assert "could not be loaded" in detail
    assert "JSONDecodeError" in caplog.text


def test_a_model_without_golden_examples_stays_out_of_service(artifact: Path) -> None:
    (artifact / "golden.json").unlink()
    for detail in refused(make_app(artifact)):
        assert "could not be loaded" in detail


def test_asking_a_model_that_is_not_ready_leaves_nothing_behind(artifact: Path) -> None:
    predictors = load_predictor("echo", [MODEL_TYPES])
    model = Model(describe(artifact), lambda: predictors.load(artifact))
    frames = []
    for _ in range(3):
        with pytest.raises(NotReady) as raised:
            model.predictor  # noqa: B018
        frames.append(len(raised.traceback))
    assert len(set(frames)) == 1


# The other pages


@pytest.mark.parametrize("path", ["/readyz", "/health", "/ping"])
def test_a_ready_model_is_ready(ask: Ask, path: str) -> None:
    assert ask("GET", path).json() == {"status": "ready", "modelId": MODEL_ID}


def test_the_root_says_what_is_served(ask: Ask) -> None:
    document = ask("GET", "/").json()
    assert document["modelId"] == MODEL_ID
    assert document["model_type"] == "echo"
    assert document["attempt"] == 3
    assert document["digest"] == DIGEST
    assert datetime.fromisoformat(document["created_at"]) == datetime(
        2024, 5, 6, 7, 8, 9, tzinfo=UTC
    )
    assert document["metrics"] == {"score_name": "F1", "score": 0.5, "odd": None}
    assert document["history"] == [
        {"epoch": 1, "train_loss": 0.5},
        {"epoch": 2, "train_loss": None},
    ]
    assert document["links"]["predict"] == ["/echo", "/parrot"]


def test_every_link_of_the_root_leads_somewhere(ask: Ask) -> None:
    links = ask("GET", "/").json()["links"]
    for path in (links["curves"], links["openapi"], links["metrics"]):
        assert ask("GET", path).status_code == 200


def test_the_curves_are_a_picture(ask: Ask) -> None:
    result = ask("GET", "/training_curves.png")
    assert result.headers["Content-Type"] == "image/png"
    assert result.content == PNG


def test_reports_that_a_model_type_does_not_write_are_simply_not_there(
    ask: Ask, artifact: Path
) -> None:
    for name in ("metrics.json", "history.csv", "training_curves.png"):
        (artifact / name).unlink()
    document = ask("GET", "/").json()
    assert document["metrics"] is None
    assert document["history"] == []
    assert document["links"]["curves"] is None
    assert_problem(ask("GET", "/training_curves.png"), 404)


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/readyz", "/metrics", "/openapi.json", "/training_curves.png"]
)
def test_head_is_get_without_the_body(ask: Ask, path: str) -> None:
    result = ask("HEAD", path)
    assert result.status_code == 200
    assert result.content == b""
    assert result.headers["Content-Type"] == ask("GET", path).headers["Content-Type"]


def test_the_openapi_document_is_valid_and_names_every_route(ask: Ask) -> None:
    document = ask("GET", "/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    assert document["paths"].keys() == {
        *("/echo", "/parrot", "/", "/livez", "/readyz", "/health", "/ping", "/metrics"),
        *("/openapi.json", "/training_curves.png"),
    }
    post = document["paths"]["/echo"]["post"]
    assert post["requestBody"]["content"].keys() == {"text/plain", "application/json"}


def test_metrics_count_requests_batches_and_inputs(artifact: Path) -> None:
    async def main() -> str:
        async with started(make_app(artifact)) as client:
            body = json.dumps({"texts": ["x"] * 20})
            await client.post("/echo", headers=JSON, content=body)
            await client.post("/parrot", headers=TEXT, content="fail")
            await client.get("/made/up")
            return (await client.get("/metrics")).text

    lines = asyncio.run(main()).splitlines()
    assert 'trainshed_http_requests_total{route="/echo",status="200"} 1.0' in lines
    assert 'trainshed_http_requests_total{route="/parrot",status="500"} 1.0' in lines
    assert 'trainshed_http_requests_total{route="unknown",status="404"} 1.0' in lines
    assert 'trainshed_http_request_seconds_count{route="/echo"} 1.0' in lines
    assert "trainshed_inputs_total 20.0" in lines
    assert "trainshed_batch_inputs_count 3.0" in lines
    assert 'trainshed_batch_inputs_bucket{le="4.0"} 1.0' in lines
    assert "trainshed_batch_seconds_count 3.0" in lines
    assert (
        f'trainshed_model_info{{attempt="3",digest="{DIGEST}",model_id="{MODEL_ID}",'
        'model_type="echo"} 1.0' in lines
    )


def test_history_that_is_no_table_of_numbers_is_shown_as_it_is(artifact: Path) -> None:
    with (artifact / "history.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["epoch", "note"], ["1", "warm-up"]])
    assert describe(artifact).history == ({"epoch": 1, "note": "warm-up"},)


def test_an_unknown_model_type_is_an_error(tmp_path: Path, artifact: Path) -> None:
    manifest = Manifest(
        model_id=MODEL_ID, model_type="chess", attempt=1, created_at=CREATED_AT, files={}
    )
    with pytest.raises(LookupError, match="chess"):
        ServedModel.read(artifact, manifest, DIGEST, [MODEL_TYPES])
