"""The whole circle, for each model type: people ask a model on its page, approve an answer and
correct others, both come out in the export, and the next model has learned them."""

from __future__ import annotations

import csv
import io
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from model_types import builtin_folder
from tests.flow.conftest import clear
from tests.flow.shed import Shed
from trainshed.record import Status

from .conftest import DESKTOP, OpenPage, answer_to
from .lessons import LESSONS, Lesson, Question, Right

DOCS = Path(__file__).parents[2] / "docs"
PHONE = (390, 780)
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "newsroom": {"size": DESKTOP},
    "reviews": {"size": DESKTOP, "dark": True},
    "landscapes": {"size": PHONE},
}
"""How the page of each model is opened."""
PICTURES = ("page-newsroom.png", "page-reviews-1.png", "page-landscapes.png")
"""Those that are drawn for docs/."""


class Draw(Protocol):
    def __call__(self, page: Page, name: str) -> None: ...


@pytest.fixture
def shed(tmp_path: Path) -> Iterator[Shed]:
    settings = {
        "TRAINSHED_MODEL_TYPES": str(builtin_folder()),
        "TRAINSHED_CAP": str(len(LESSONS)),
        "TRAINSHED_VISIBILITY_SECONDS": "60",
        "HF_HUB_OFFLINE": "1",
    }
    shed = Shed(folder=tmp_path, home=tmp_path / "home", settings=settings)
    yield shed
    clear(shed)


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> Draw:
    """Draw a picture of the page into docs/, where that is wanted."""
    wanted = request.config.getoption("--screenshots")

    def drawn(page: Page, name: str) -> None:
        if wanted and name in PICTURES:
            page.evaluate("scrollTo(0, 0)")
            screenshot = Image.open(io.BytesIO(page.screenshot()))
            screenshot.convert("RGB").quantize(256).save(DOCS / name, optimize=True)

    return drawn


def train(shed: Shed, *more: str) -> None:
    """Train the next model of each lesson, side by side."""
    for lesson in LESSONS:
        dataset = shed.folder / lesson.name
        if not dataset.exists():
            dataset.mkdir()
            lesson.write(dataset)
        options = (f"--model-type={lesson.model_type}", f"--dataset={dataset}", *lesson.options)
        shed.done("submit", lesson.name, *options, *more)
    shed.done("run", "--until-idle")
    for record in shed.records().values():
        assert record.status is Status.COMPLETED, record.reason


@contextmanager
def serving(shed: Shed, name: str) -> Iterator[str]:
    """The address of a server with the newest model of a name."""
    process = shed.start("serve", name, "--port=0")
    try:
        log = ""
        while not (listening := re.search(r"Listening at: (http://\S+)\s", log)):
            assert process.stderr
            line = process.stderr.readline()
            assert line, log
            log += line
        yield listening[1]
    finally:
        process.terminate()
        process.communicate()


def ask(page: Page, question: Question) -> None:
    if isinstance(question, str):
        answer_to(page, question)
        return
    page.locator("#drop").wait_for()  # a file can be put in before the page listens
    chooser = page.locator("#file")
    chooser.set_input_files(FilePayload(name="view.png", mimeType="image/png", buffer=question))
    page.locator("#answer").wait_for()


def shown(page: Page) -> Right:
    """What the page says that the answer is."""
    if chosen := page.locator(".scores .chosen .label").all_inner_texts():
        return chosen[0]
    marks = page.locator("#result mark").all_inner_texts()
    found = (re.fullmatch(r"(.+?) (\w+) [\d.]+%", re.sub(r"\s+", " ", mark)) for mark in marks)
    return {match[1]: match[2] for match in found if match}


def teach(page: Page, question: Question, right: Right, draw: Callable[[Page], None]) -> str:
    """Ask, and say what is right; give the verdict. A correction is drawn before it is sent."""
    ask(page, question)
    if shown(page) == right:
        page.get_by_role("button", name="Approve").click()
    else:
        page.get_by_role("button", name="Correct").click()
        correct(page, question, right)
        draw(page)
        page.get_by_role("button", name="Send correction").click()
    thanks = page.locator(".thanks")
    expect(thanks).to_be_visible()
    return "approved" if "approved" in thanks.inner_text() else "corrected"


def correct(page: Page, question: Question, right: Right) -> None:
    if isinstance(right, str):
        page.get_by_role("radio", name=right).check()
        return
    assert isinstance(question, str)
    words = re.findall(r"\w+|\S", question)
    for key in ("Home", "Shift+End", "Delete"):
        page.keyboard.press(key)
    for piece, label in right.items():
        first, *others = piece.split()
        steps = ["Home", *["ArrowRight"] * words.index(first), *["Shift+ArrowRight"] * len(others)]
        for key in steps:
            page.keyboard.press(key)
        page.get_by_role("button", name=label, exact=True).click()
        page.get_by_role("listbox").focus()


def exported(shed: Shed, lesson: Lesson) -> dict[str, tuple[str, Any]]:
    """Input → verdict and what is right."""
    content = shed.done("feedback", "export", lesson.name)
    rows = csv.DictReader(io.StringIO(content, newline=""))
    return {row["input"]: (row["verdict"], json.loads(row["expected"])) for row in rows}


def as_kept(question: Question, right: Right) -> tuple[str, Any]:
    if isinstance(question, bytes):
        return b64encode(question).decode(), {"label": right}
    if isinstance(right, str):
        return question, {"label": right}
    spans = [
        {"start": question.index(piece), "end": question.index(piece) + len(piece), "label": label}
        for piece, label in right.items()
    ]
    return question, {"spans": spans}


@pytest.mark.proof
def test_what_people_say_on_the_page_is_learned(
    shed: Shed, open_page: OpenPage, draw: Draw
) -> None:
    train(shed)
    for lesson in LESSONS:
        with serving(shed, lesson.name) as url:
            page = open_page(url, **LOOKS[lesson.name])
            page.locator("#served").wait_for()
            ask(page, lesson.known[0])
            draw(page, f"page-{lesson.name}.png")
            said = {}
            verdicts = []
            for number, (question, right) in enumerate((lesson.known, *lesson.taught)):
                picture = f"page-{lesson.name}-{number}.png"
                verdicts.append(teach(page, question, right, partial(draw, name=picture)))
                kept, expected = as_kept(question, right)
                said[kept] = verdicts[-1], expected
            page.context.close()
        assert verdicts[:2] == ["approved", "corrected"]
        assert exported(shed, lesson) == said

    train(shed, "--with-feedback")
    for lesson in LESSONS:
        with serving(shed, lesson.name) as url:
            page = open_page(url, **LOOKS[lesson.name])
            page.locator("#served").wait_for()
            question, right = lesson.taught[0]
            ask(page, question)
            assert shown(page) == right, lesson.name
            page.context.close()
