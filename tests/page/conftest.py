"""Chromium, as people have it, and servers whose models answer as the tests need it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from model_types.golden import Example, write_golden
from tests.web.conftest import Home, Server, launching, publish_folder
from trainshed.engine import open_feedback
from trainshed.feedback import Feedback
from trainshed.settings import Settings

MODEL_TYPES = Path(__file__).parent / "model_types"
CURVES = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU"
    b"\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"
)
WIDE, DESKTOP, PHONE = (1280, 900), (1120, 760), (320, 640)
BROWSERS = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
SECONDS = 20.0
"""For anything that the page does; a busy machine takes a few."""

OpenPage = Callable[..., Page]
ServeType = Callable[..., "Served"]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for the package, and not for all tests: its loop keeps others from `asyncio.run`."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no Chromium is installed: none of {', '.join(BROWSERS)}")
    # a sandbox needs rights that root in a container lacks
    arguments = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open a URL in a profile of its own: `open_page(url, dark=…, size=…)`. No script of the page
    may fail, and nothing that its policy forbids may be tried."""
    complaints: list[str] = []
    pages: list[Page] = []

    def listen(message: ConsoleMessage) -> None:
        # that a request got a 4xx is no fault of the page's
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def open_one(url: str, *, dark: bool = False, size: tuple[int, int] = WIDE) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            device_scale_factor=2,
            reduced_motion="reduce",
            timezone_id="UTC",
        )
        context.set_default_timeout(SECONDS * 1000)
        page = context.new_page()
        pages.append(page)
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield open_one
    for page in pages:
        page.context.close()
    assert complaints == []


class Served:
    """A server with a model of one of the tests' own types, as one test sees it."""

    def __init__(self, home: Home, server: Server) -> None:
        self.home = home
        self.server = server
        self.url = server.url
        self._before = {told.feedback_id for told in self._all_feedback()}

    def feedback(self) -> list[Feedback]:
        """What was said since the test began, in no order."""
        return [told for told in self._all_feedback() if told.feedback_id not in self._before]

    def _all_feedback(self) -> list[Feedback]:
        with open_feedback(Settings.from_environment(self.home.environment)) as store:
            return list(store.of("parrot"))


def publish(folder: Path, model_type: str) -> Home:
    """Publish a model of one of the tests' own types."""
    output = folder / "output"
    output.mkdir(parents=True)
    (output / "metrics.json").write_text(
        '{"score_name": "F1", "score": 0.5, "labels": {"<u>a</u>": {"precision": 1, "f1": 0.5}}}'
    )
    (output / "history.csv").write_text("epoch,train_loss\n1,0.5\n2,0.25\n")
    (output / "training_curves.png").write_bytes(CURVES)
    write_golden(output, list[Example]())
    return publish_folder(output, folder, model_type)


def start_type(
    start: Callable[..., Server], folder: Path, model_type: str, **environment: str
) -> tuple[Home, Server]:
    home = publish(folder / model_type, model_type)
    server = start(home, TRAINSHED_MODEL_TYPES=str(MODEL_TYPES), **environment)
    server.wait_until_ready()
    return home, server


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """One server for each of the tests' own types, started for the first test that wants it."""
    folder = tmp_path_factory.mktemp("servers")
    with launching(folder) as start:
        yield cache(partial(start_type, start, folder))


@pytest.fixture
def serve_type(running: Callable[[str], Any], tmp_path: Path) -> Iterator[ServeType]:
    """Serve a model of one of the tests' own types: `serve_type("tags")`; `alone=True`, or
    settings, give a server that is this test's own."""
    with launching(tmp_path) as start:

        def serve(model_type: str, alone: bool = False, **environment: str) -> Served:
            if not alone and not environment:
                return Served(*running(model_type))
            return Served(*start_type(start, tmp_path, model_type, **environment))

        yield serve


def answer_to(page: Page, text: str) -> None:
    """Ask the model, as people do who keep their hands on the keyboard."""
    page.get_by_label("Text").fill(text)
    page.keyboard.press("Control+Enter")
    page.locator("#answer").wait_for()


def assert_accessible(page: Page) -> None:
    """axe finds nothing that is serious or critical."""
    found = Axe().run(page).response["violations"]
    bad = [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
    assert bad == []
