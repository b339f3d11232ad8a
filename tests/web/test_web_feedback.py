"""Feedback over HTTP, without a server: what is taken, what is refused, and what is kept."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client import CollectorRegistry

from model_types import (
    Inputs,
    Json,
    MalformedBody,
    Predictor,
    TrainingJob,
    load_predictor,
    load_trainer,
)
from model_types.golden import write_golden
from serving_image.app import Limits, create_app
from serving_image.csv_stream import CsvStream
from serving_image.feedback import MAX_EXPORTS
from serving_image.feedback_writer import OpenStore
from serving_image.metrics import Metrics
from serving_image.request_body import App
from serving_image.served_model import ServedModel
from tests.building import TOY_MODEL_TYPES, feedback_of
from tests.simulation.fake_feedback import FakeFeedback
from trainshed import feedback_csv
from trainshed.engine import open_feedback
from trainshed.errors import StorageUnavailable
from trainshed.feedback import MAX_INPUT_BYTES, Feedback, Verdict
from trainshed.manifest import Manifest
from trainshed.ports import FeedbackStore
from trainshed.settings import Settings

from .conftest import CREATED_AT, MODEL_ID
from .test_web_app import DIGEST, assert_problem, running, started

NAME = "parrot"
ID = "00000001-0000-4000-8000-000000000000"
MEGABYTE = 1_000_000

Client = httpx.AsyncClient
Act = Callable[[Client], Awaitable[Any]]


def critic(answers: str, folder: Path) -> Predictor:
    options = {"answers": answers}
    job = TrainingJob(folder, folder, 1, options, lambda _: None)
    load_trainer("critic", [TOY_MODEL_TYPES]).train(job)
    return load_predictor("critic", [TOY_MODEL_TYPES]).load(folder)


def make_app(
    folder: Path,
    store: OpenStore | None,
    answers: str = "label",
    load: Callable[[], Predictor] | None = None,
    limits: Limits | None = None,
    api_keys: Sequence[str] = (),
) -> App:
    manifest = Manifest(
        model_id=MODEL_ID, model_type="critic", attempt=1, created_at=CREATED_AT, files={}
    )
    write_golden(folder, [])
    return create_app(
        ServedModel.read(folder, manifest, DIGEST, [TOY_MODEL_TYPES]),
        load or partial(critic, answers, folder),
        limits or Limits(),
        Metrics(CollectorRegistry()),
        api_keys,
        store,
    )


def feedback(**fields: Any) -> dict[str, Any]:
    """A body that is taken, unless a field says otherwise; None leaves one out."""
    told = {"id": ID, "modelId": MODEL_ID, "digest": DIGEST, "text": "so good"}
    all_fields = {**told, "verdict": "approved", **fields}
    return {key: value for key, value in all_fields.items() if value is not None}


@pytest.fixture
def store(tmp_path: Path) -> OpenStore:
    """The local engine's, opened as a server opens it."""
    return partial(open_feedback, Settings(home=tmp_path / "home"))


def kept(store: OpenStore, name: str = NAME) -> list[Feedback]:
    with store() as opened:
        return list(opened.of(name))


@pytest.fixture
def run(tmp_path: Path, store: OpenStore) -> Callable[..., Any]:
    """Call a function with a client of an app whose model is in service."""

    def call(act: Act, **options: Any) -> Any:
        async def main() -> Any:
            async with started(make_app(tmp_path, **{"store": store, **options})) as client:
                return await act(client)

        return asyncio.run(main())

    return call


@pytest.fixture
def post(run: Callable[..., Any]) -> Callable[..., httpx.Response]:
    """Post one body to an app."""

    def call(body: object, **options: Any) -> httpx.Response:
        def act(client: Client) -> Awaitable[httpx.Response]:
            if isinstance(body, bytes):
                headers = {"Content-Type": "application/json"}
                return client.post("/feedback", content=body, headers=headers)
            return client.post("/feedback", json=body)

        response: httpx.Response = run(act, **options)
        return response

    return call


def assert_refused(response: httpx.Response, status: int, detail: str) -> None:
    assert detail in assert_problem(response, status)


# What is taken


def test_an_approval_is_kept_with_the_models_own_answer(
    post: Callable[..., httpx.Response], store: OpenStore
) -> None:
    response = post(feedback())
    assert (response.status_code, response.json()) == (201, {"id": ID})
    [found] = kept(store)
    assert (found.feedback_id, found.name, found.model_id) == (ID, NAME, MODEL_ID)
    assert (found.digest, found.model_type) == (DIGEST, "critic")
    assert (found.media_type, found.input) == ("text/plain", "so good")
    assert found.answer == found.expected == {"label": "good"}
    assert found.verdict is Verdict.APPROVED


def test_a_correction_is_kept_beside_what_the_model_said(
    post: Callable[..., httpx.Response], store: OpenStore
) -> None:
    body = feedback(verdict="corrected", correction={"label": "bad"})
    assert post(body).status_code == 201
    [found] = kept(store)
    assert found.verdict is Verdict.CORRECTED
    assert (found.answer, found.expected) == ({"label": "good"}, {"label": "bad"})


def test_spans_are_approved_without_what_is_shown_beside_them(
    post: Callable[..., httpx.Response], store: OpenStore
) -> None:
    assert post(feedback(text="ask Ada"), answers="spans").status_code == 201
    [found] = kept(store)
    assert found.answer == {"spans": [{"start": 4, "end": 7, "label": "name", "text": "Ada"}]}
    assert found.expected == {"spans": [{"start": 4, "end": 7, "label": "name"}]}


def test_spans_are_corrected(post: Callable[..., httpx.Response], store: OpenStore) -> None:
    correction = {"spans": [{"start": 3, "end": 4, "label": "place"}]}
    body = feedback(text="in \U0001f3e0", verdict="corrected", correction=correction)
    assert post(body, answers="spans").status_code == 201
    assert [found.expected for found in kept(store)] == [correction]


def test_the_same_id_again_is_known_and_changes_nothing(
    run: Callable[..., Any], store: OpenStore
) -> None:
    async def act(client: Client) -> list[int]:
        other = feedback(verdict="corrected", correction={"label": "bad"})
        posted = [feedback(), feedback(), other]
        return [(await client.post("/feedback", json=body)).status_code for body in posted]

    assert run(act) == [201, 200, 200]
    assert [found.verdict for found in kept(store)] == [Verdict.APPROVED]


def test_the_longest_text_that_may_come(
    post: Callable[..., httpx.Response], store: OpenStore
) -> None:
    text = "ä" * (MAX_INPUT_BYTES // 2)
    escaped = json.dumps(feedback(text=text)).encode()
    assert len(escaped) > 3 * MAX_INPUT_BYTES  # \u00e4
    assert post(escaped).status_code == 201
    assert [found.input for found in kept(store)] == [text]


class Pictures:
    """Takes any bytes for a picture, and calls it good."""

    request_schemas: Mapping[str, Json] = {"image/png": {}, "multipart/form-data": {}}
    result_schema: Json = True
    answers = "label"
    labels = ("good", "bad")

    def decode(self, body: bytes, media_type: str) -> Inputs:
        if not body:
            raise MalformedBody("The body is empty.")
        return Inputs([body], many=body == ALBUM)

    def predict(self, items: Sequence[Any]) -> list[Json]:
        if CUT_OFF in items:  # seen when it is decoded only
            raise MalformedBody("The picture is cut off.")
        return [{"label": "good"} for _ in items]

    def expected(self, result: Json) -> Json:
        return result

    def check(self, item: Any, expected: Json) -> None:
        pass


PICTURE, CUT_OFF, ALBUM = b"\x89PNG\xff", b"\x89PNG", b"ALBUM"
CONTENT = base64.b64encode(PICTURE).decode()


def test_a_picture_is_kept_in_base64(post: Callable[..., httpx.Response], store: OpenStore) -> None:
    body = feedback(text=None, content=CONTENT, media_type="image/png")
    assert post(body, load=Pictures).status_code == 201
    [found] = kept(store)
    assert (found.media_type, base64.b64decode(found.input)) == ("image/png", PICTURE)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "a text"},
        {"text": None},
        {"text": None, "content": CONTENT},
        {"text": None, "media_type": "image/png"},
        {"content": CONTENT, "media_type": "image/png"},
        {"text": None, "content": "no base64!", "media_type": "image/png"},
        {"text": None, "content": "ÄÄÄÄ", "media_type": "image/png"},
        {"text": None, "content": "", "media_type": "image/png"},
        {"text": None, "content": base64.b64encode(CUT_OFF).decode(), "media_type": "image/png"},
        {"text": None, "content": base64.b64encode(ALBUM).decode(), "media_type": "image/png"},
        {"text": None, "content": CONTENT, "media_type": "image/jpeg"},
        {"text": None, "content": CONTENT, "media_type": "text/plain"},
        {"text": None, "content": CONTENT, "media_type": "multipart/form-data"},
    ],
)
def test_what_is_no_picture_is_refused(
    post: Callable[..., httpx.Response], store: OpenStore, fields: dict[str, Any]
) -> None:
    assert_refused(post(feedback(**fields), load=Pictures), 422, "")
    assert kept(store) == []


# What is refused


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "not valid JSON"),
        (b"{", 400, "not valid JSON"),
        (b"\xff", 400, "not valid JSON"),
        (b"[" * 100_000, 400, "not valid JSON"),
        (b'{"text": "\\ud800"}', 400, "not valid JSON"),
        (b"[]", 422, "object"),
        (b"null", 422, "object"),
        (feedback(id=None), 422, "id: Field required"),
        (feedback(id="1"), 422, "id: String should match"),
        (feedback(id=ID.upper().replace("0", "A")), 422, "id: String should match"),
        (feedback(id=f"{ID}\n"), 422, "id: String should match"),
        (feedback(id=7), 422, "id: Input should be a valid string"),
        (feedback(name="other"), 422, "name: Extra inputs"),
        (feedback(verdict=None), 422, "verdict: Field required"),
        (feedback(verdict="fine"), 422, "verdict: Input should be"),
        (feedback(text=None), 422, 'Send "text"'),
        (feedback(text=" "), 422, "The text is empty"),
        (feedback(text=["so good"]), 422, "text: Input should be a valid string"),
        (feedback(content=""), 422, 'Send "text"'),
        (feedback(text=None, content=CONTENT, media_type="image/png"), 422, "not read image/png"),
        (feedback(text="refuse"), 422, "The model refuses this text."),
        (feedback(text="fail"), 500, ""),
        (feedback(text="talk"), 413, "with the answer"),
        (feedback(text="x" * MEGABYTE), 413, f"up to {MAX_INPUT_BYTES} bytes"),
        (feedback(text="x" * 2 * MEGABYTE), 413, "The body must not be over 1048576 bytes"),
        (feedback(text="\u0800" * (MAX_INPUT_BYTES // 3 + 1)), 413, "up to"),
        (feedback(modelId=MODEL_ID.replace("1", "2")), 409, "Another model is served by now"),
        (feedback(digest="e" * 64), 409, "Another model is served by now"),
        (feedback(verdict="corrected"), 422, '"corrected" goes with'),
        (feedback(correction={"label": "bad"}), 422, '"approved" with none'),
        (feedback(verdict="corrected", correction={"label": "ugly"}), 422, "'ugly' is not known"),
        (feedback(verdict="corrected", correction={"label": 1}), 422, "right answer"),
        (feedback(verdict="corrected", correction={"label": "bad", "x": 1}), 422, "right answer"),
        (feedback(verdict="corrected", correction={"spans": []}), 422, "right answer"),
        (feedback(verdict="corrected", correction="bad"), 422, "right answer"),
    ],
)
def test_what_is_no_feedback_is_refused(
    post: Callable[..., httpx.Response], store: OpenStore, body: object, status: int, detail: str
) -> None:
    assert_refused(post(body), status, detail)
    assert kept(store) == []


@pytest.mark.parametrize(
    "span",
    [
        {"start": 0, "end": 4, "label": "name"},
        {"start": -1, "end": 1, "label": "name"},
        {"start": 1, "end": 1, "label": "name"},
        {"start": 2, "end": 1, "label": "name"},
        {"start": 0, "end": 10**30, "label": "name"},
        {"start": 0, "end": 1.0, "label": "name"},
        {"start": False, "end": True, "label": "name"},
        {"start": 0, "end": 1, "label": "good"},
        {"start": 0, "end": 1},
    ],
)
def test_spans_that_cannot_be_are_refused(
    post: Callable[..., httpx.Response], store: OpenStore, span: Json
) -> None:
    body = feedback(text="Ada", verdict="corrected", correction={"spans": [span]})
    assert_refused(post(body, answers="spans"), 422, "")
    assert kept(store) == []


def test_feedback_is_json(run: Callable[..., Any]) -> None:
    async def act(client: Client) -> httpx.Response:
        headers = {"Content-Type": "text/plain"}
        return await client.post("/feedback", content=b"so good", headers=headers)

    assert_refused(run(act), 415, "application/json")


def load_toy(folder: Path) -> Predictor:
    (folder / "model.bin").touch()
    return load_predictor("toy", [TOY_MODEL_TYPES]).load(folder)


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"store": None}, "This server takes no feedback."),
        ({"load": load_toy}, "Answers of this type of model are not corrected."),
    ],
)
def test_where_feedback_is_not_taken_it_is_said_why(
    run: Callable[..., Any], tmp_path: Path, options: dict[str, Any], detail: str
) -> None:
    async def act(client: Client) -> list[httpx.Response]:
        posted = await client.post("/feedback", json=feedback())
        return [posted, await client.get("/"), await client.get("/openapi.json")]

    if "load" in options:
        options = {"load": partial(options["load"], tmp_path)}
    posted, description, document = run(act, **options)
    assert_refused(posted, 404, detail)
    assert description.json()["feedback"] is False
    assert description.json()["links"]["feedback"] is None
    assert description.json()["links"]["feedback_csv"] is None
    assert "/feedback" not in document.json()["paths"]


def test_a_server_without_feedback_has_no_table_of_it(run: Callable[..., Any]) -> None:
    response = run(lambda client: client.get("/feedback.csv"), store=None)
    assert_refused(response, 404, "This server takes no feedback.")


def test_who_has_no_key_says_and_reads_nothing(run: Callable[..., Any], store: OpenStore) -> None:
    async def act(client: Client) -> list[int]:
        key = {"X-Api-Key": "key"}
        return [
            (await client.post("/feedback", json=feedback())).status_code,
            (await client.get("/feedback.csv")).status_code,
            (await client.post("/feedback", json=feedback(), headers=key)).status_code,
            (await client.get("/feedback.csv", headers=key)).status_code,
        ]

    digest = sha256(b"key").hexdigest()
    assert run(act, api_keys=[digest]) == [401, 401, 201, 200]


# What is said of it


@pytest.mark.parametrize(
    ("answers", "labels"), [("label", ["good", "bad"]), ("spans", ["name", "place"])]
)
def test_the_description_says_what_a_right_answer_is(
    run: Callable[..., Any], answers: str, labels: list[str]
) -> None:
    described = run(lambda client: client.get("/"), answers=answers).json()
    assert (described["answers"], described["labels"]) == (answers, labels)
    assert described["media_types"] == ["text/plain", "application/json"]
    assert described["feedback"] is True
    assert described["links"]["feedback"] == "/feedback"
    assert described["links"]["feedback_csv"] == "/feedback.csv"


def test_while_the_model_loads_nothing_is_known_of_it(tmp_path: Path, store: OpenStore) -> None:
    go = threading.Event()

    def load() -> Predictor:
        go.wait(60)
        return critic("label", tmp_path)

    async def main() -> tuple[httpx.Response, ...]:
        async with running(make_app(tmp_path, store, load=load)) as client:
            answers = (
                await client.get("/"),
                await client.post("/feedback", json=feedback()),
                await client.get("/feedback.csv"),
            )
            go.set()
        return answers

    description, posted, table = asyncio.run(main())
    found = description.json()
    assert (found["answers"], found["labels"], found["media_types"]) == (None, [], [])
    assert found["feedback"] is False
    assert_refused(posted, 503, "loading")
    assert table.status_code == 200


@pytest.mark.parametrize("options", [{}, {"answers": "spans"}, {"load": Pictures}])
def test_the_openapi_document_has_it(run: Callable[..., Any], options: dict[str, Any]) -> None:
    document = run(lambda client: client.get("/openapi.json"), **options).json()
    OpenAPIV31SpecValidator(document).validate()
    assert set(document["paths"]["/feedback"]["post"]["responses"]) == {
        *("200", "201", "400", "409", "413", "415", "422", "500", "503")
    }
    assert "text/csv" in document["paths"]["/feedback.csv"]["get"]["responses"]["200"]["content"]


# The store, and what becomes of it


class Gate(FakeFeedback):
    """A store that can be shut, and fail."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Event()
        self.fails = False
        self.opened = self.closed = 0
        self.batches: list[int] = []

    @contextmanager
    def open(self) -> Iterator[FeedbackStore]:
        self.opened += 1
        yield self
        self.closed += 1

    def put(self, feedback: Sequence[Feedback]) -> list[bool]:
        self.batches.append(len(feedback))
        self.entered.set()
        assert self.free.wait(60)
        if self.fails:
            raise StorageUnavailable("secret path")
        return super().put(feedback)

    def of(self, name: str) -> Iterator[Feedback]:
        if self.fails:
            raise StorageUnavailable("secret path")
        return super().of(name)


def numbered(number: int) -> dict[str, Any]:
    return feedback(id=f"{number:08x}-0000-4000-8000-000000000000")


def test_what_waits_goes_into_the_store_together_and_only_so_much_waits(
    run: Callable[..., Any],
) -> None:
    gate = Gate()
    gate.free.clear()

    async def act(client: Client) -> list[httpx.Response]:
        first = asyncio.create_task(client.post("/feedback", json=numbered(0)))
        await asyncio.to_thread(gate.entered.wait, 60)
        posts = [
            asyncio.create_task(client.post("/feedback", json=numbered(number)))
            for number in range(1, 26)
        ]
        while sum(task.done() for task in posts) < 5:
            await asyncio.wait(
                [task for task in posts if not task.done()], return_when="FIRST_COMPLETED"
            )
        assert not first.done(), "nothing is answered before the store has it"
        assert (await client.get("/livez")).status_code == 200
        gate.free.set()
        return [await task for task in (first, *posts)]

    responses = run(act, store=gate.open, limits=Limits(max_feedback_waiting=20))
    refused = [response for response in responses if response.status_code != 201]
    assert len(refused) == 5
    for response in refused:
        assert_refused(response, 503, "waiting already")
        assert response.headers["Retry-After"] == "1"
    assert gate.batches == [1, 20]
    assert len(list(gate.of(NAME))) == 21
    assert (gate.opened, gate.closed) == (1, 1)


def test_a_store_that_fails_is_tried_again_and_nothing_is_told_of_it(
    run: Callable[..., Any],
) -> None:
    gate = Gate()
    gate.fails = True

    async def act(client: Client) -> list[httpx.Response]:
        first = await client.post("/feedback", json=feedback())
        table = await client.get("/feedback.csv")
        gate.fails = False
        return [first, table, await client.post("/feedback", json=feedback())]

    failed, table, taken = run(act, store=gate.open)
    assert_refused(failed, 503, "Feedback cannot be kept at the moment.")
    assert_refused(table, 503, "The feedback cannot be read at the moment.")
    assert failed.headers["Retry-After"] == table.headers["Retry-After"] == "1"
    assert taken.status_code == 201
    assert gate.batches == [1, 1], "what fails is not tried over and over"
    assert gate.opened == gate.closed == 3


def test_a_store_that_cannot_be_opened_takes_no_server_with_it(
    post: Callable[..., httpx.Response], tmp_path: Path
) -> None:
    (tmp_path / "home").write_text("a file, where the folder should be")
    response = post(feedback())
    assert_refused(response, 503, "Feedback cannot be kept at the moment.")


# The table


def rows(response: httpx.Response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(response.text, newline="")))


def test_the_table_has_what_was_said_of_all_models_of_the_name(
    run: Callable[..., Any], store: OpenStore
) -> None:
    old = feedback_of(NAME, number=7, input="=1+1", expected={"label": "ä"})
    with store() as opened:
        opened.put([old, feedback_of("other")])

    async def act(client: Client) -> httpx.Response:
        await client.post("/feedback", json=feedback())
        return await client.get("/feedback.csv")

    response = run(act)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="parrot-feedback.csv"'
    found = list(feedback_csv.decode(io.StringIO(response.text, newline="")))
    assert [each.feedback_id for each in found] == [ID, old.feedback_id]
    assert found[1] == old
    assert "'=1+1" in rows(response)[2]


def test_a_table_without_rows_has_its_header(run: Callable[..., Any]) -> None:
    [header] = rows(run(lambda client: client.get("/feedback.csv")))
    assert header[0] == "id"


def test_head_says_what_get_would(run: Callable[..., Any]) -> None:
    response = run(lambda client: client.head("/feedback.csv"))
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.content == b""


class Endless(FakeFeedback):
    """Counts what is read of it, and has no end but an error."""

    def __init__(self, error_after: int | None = None) -> None:
        super().__init__()
        self.read = 0
        self.open_now = 0
        self._error_after = error_after

    @contextmanager
    def open(self) -> Iterator[FeedbackStore]:
        self.open_now += 1
        yield self
        self.open_now -= 1

    def of(self, name: str) -> Iterator[Feedback]:
        while self.read != self._error_after:
            self.read += 1
            yield feedback_of(name, number=self.read, input="x" * 1000)
        raise StorageUnavailable("secret path")


class FakeRequest:
    """Of a client that stays until it is told to go."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def wait_until_gone(self) -> None:
        await self.gone.wait()


def test_no_more_is_read_than_is_sent_and_nothing_once_nobody_reads() -> None:
    store = Endless()
    ended: list[CsvStream] = []

    async def main() -> None:
        request: Any = FakeRequest()
        stream = CsvStream(NAME, store.open, ended.append)
        await stream.begin(request)
        pieces = aiter(stream)
        before = 0
        for _ in range(20):
            piece = await anext(pieces)
            assert 64 * 1024 <= len(piece) < 70 * 1024
            assert store.read - before < 70
            before = store.read
        request.gone.set()
        while True:  # until the loop has told it
            try:
                await anext(pieces)
            except StopAsyncIteration:
                break
        assert store.open_now == 1
        await stream.close()

    asyncio.run(main())
    assert store.open_now == 0
    assert len(ended) == 1


def test_an_error_on_the_way_is_not_taken_for_the_end(run: Callable[..., Any]) -> None:
    store = Endless(error_after=500)
    with pytest.raises(StorageUnavailable):
        run(lambda client: client.get("/feedback.csv"), store=store.open)
    assert store.open_now == 0


def test_only_so_many_tables_go_out_at_once(run: Callable[..., Any]) -> None:
    gate = threading.Event()

    class Slow(Endless):
        def of(self, name: str) -> Iterator[Feedback]:
            gate.wait(60)
            yield feedback_of(name)

    store = Slow()

    async def act(client: Client) -> list[httpx.Response]:
        asked = [asyncio.create_task(client.get("/feedback.csv")) for _ in range(MAX_EXPORTS + 1)]
        await asyncio.wait(asked, return_when="FIRST_COMPLETED")
        gate.set()
        first = [await task for task in asked]
        return [*first, await client.get("/feedback.csv")]

    *first, last = run(act, store=store.open)
    assert sorted(response.status_code for response in first) == [200] * MAX_EXPORTS + [503]
    assert last.status_code == 200
    assert store.open_now == 0
