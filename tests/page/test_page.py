"""The page in a real browser, with models that answer as the tests need it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, Route, expect

from tests.web.conftest import Server, launching, publish_echo, wait_until
from trainshed.feedback import MAX_INPUT_BYTES

from .conftest import (
    DESKTOP,
    PHONE,
    OpenPage,
    ServeType,
    answer_to,
    assert_accessible,
)

KEY = "the-kéy-of-this-test"
EVIL = '<script>document.title = "evil"</script><img src=x onerror="document.title=1"> & Anna'


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def focused(page: Page) -> str:
    """The text, or else the id, of what has the focus."""
    return str(page.evaluate("document.activeElement.innerText || document.activeElement.id"))


def thanks(page: Page) -> None:
    expect(page.locator(".thanks")).to_be_visible()


# What is shown


def test_entities_are_marked_in_the_text(serve_type: ServeType, open_page: OpenPage) -> None:
    page = open_page(serve_type("tags").url)
    answer_to(page, "😀 Anna met\n Björn.")
    expect(page.locator("mark")).to_have_text(["Anna PERSON 75%", "Björn PERSON 75%"])
    expect(page.get_by_role("list", name="Legend")).to_have_text("PERSON × 2")
    expect(page.get_by_role("status")).to_have_text("2 entities. Anna: PERSON; Björn: PERSON")
    assert page.locator("#result .text").inner_text().startswith("😀 Anna")
    answer_to(page, "nobody")
    expect(page.locator("#result")).to_contain_text("found no entities")


def test_scores_are_bars_from_the_highest(serve_type: ServeType, open_page: OpenPage) -> None:
    page = open_page(serve_type("moods").url)
    answer_to(page, "sad sad glad")
    rows = page.locator("#result > * > .scores li")
    expect(rows).to_have_count(10)
    expect(rows.nth(0)).to_have_text("sad57.1%")
    expect(rows.nth(2)).to_have_text("<b>neither</b>14.3%")
    widths = [row.bounding_box() for row in page.locator(".scores .fill").all()[:3]]
    sad, glad, _ = (box["width"] for box in widths if box)
    assert sad == pytest.approx(2 * glad, rel=0.02)
    expect(page.get_by_role("status")).to_have_text("sad, 57.1%")
    page.get_by_text("13 more").click()
    expect(page.get_by_text("rare 19")).to_be_visible()


def test_an_answer_of_another_shape_is_json(tmp_path: Path, open_page: OpenPage) -> None:
    with launching(tmp_path) as start:
        server: Server = start(publish_echo(tmp_path))
        server.wait_until_ready()
        page = open_page(server.url)
        answer_to(page, EVIL)
        shown = page.get_by_role("region", name="Answer as JSON").inner_text()
        assert json.loads(shown) == {"echo": f"hello {EVIL}"}
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        assert page.title() == "parrot · Trainshed"


def test_what_is_served_is_told(serve_type: ServeType, open_page: OpenPage) -> None:
    served = serve_type("tags")
    page = open_page(served.url)
    about = page.get_by_role("complementary")
    expect(about).to_contain_text("parrot-00000000-0000-4000-8000-000000000001")
    expect(about).to_contain_text("May 6, 2024, 7:08 AM")
    expect(about).to_contain_text(served.home.digest)
    expect(about.get_by_role("row", name="<u>a</u>")).to_have_text("<u>a</u>10.500")
    curves = about.get_by_alt_text("Curves of the loss")
    assert curves.evaluate("async (image) => (await image.decode(), image.naturalWidth)") == 1
    about.get_by_text("The same in figures").click()
    expect(about.get_by_role("row", name="2 0.250")).to_be_visible()
    with page.expect_download() as download:
        about.get_by_role("link", name="OpenAPI").click()
    assert "/tags" in json.loads(download.value.path().read_bytes())["paths"]


def test_html_that_is_typed_stays_text(serve_type: ServeType, open_page: OpenPage) -> None:
    page = open_page(serve_type("tags").url)
    answer_to(page, EVIL)
    assert page.locator("#result .text").inner_text().startswith(EVIL)
    page.get_by_role("button", name="Correct").click()
    # the tag of the words that are selected, which is HTML too
    press(page, "3", "ArrowRight", "ArrowRight")
    expect(page.locator(".words")).to_contain_text("<i>THING</i>")
    assert page.locator("main :is(script, img, i)").count() == 0
    assert page.title() == "parrot · Trainshed"


# Approving and correcting


def test_an_answer_is_approved_by_keyboard(serve_type: ServeType, open_page: OpenPage) -> None:
    served = serve_type("moods")
    page = open_page(served.url)
    answer_to(page, "so glad")
    press(page, "Tab")
    assert focused(page) == "Ask"
    while focused(page) != "Approve":
        press(page, "Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press(page, "Enter")
    thanks(page)
    assert focused(page) == "text"
    [told] = served.feedback()
    assert (told.verdict, told.input, told.expected) == ("approved", "so glad", {"label": "glad"})


def test_another_label_is_chosen_by_keyboard(serve_type: ServeType, open_page: OpenPage) -> None:
    served = serve_type("moods")
    page = open_page(served.url)
    answer_to(page, "so glad")
    page.get_by_role("button", name="Correct").press("Enter")
    expect(page.get_by_role("radio", name="glad", exact=True)).to_be_focused()
    page.get_by_role("button", name="Send correction").press("Enter")
    expect(page.locator("#feedback").get_by_role("alert")).to_contain_text("Nothing is changed")
    page.get_by_role("radio", name="glad", exact=True).focus()
    press(page, "ArrowDown", "ArrowDown", "Tab", "Enter")
    thanks(page)
    [told] = served.feedback()
    assert (told.verdict, told.expected) == ("corrected", {"label": "<b>neither</b>"})
    assert told.answer["mood"] == "glad"


def test_entities_are_corrected_by_keyboard(serve_type: ServeType, open_page: OpenPage) -> None:
    served = serve_type("tags")
    page = open_page(served.url)
    text = "😀 Yesterday Anna saw new york\nand Zoë O'Neil."
    answer_to(page, text)
    page.get_by_role("button", name="Correct").press("Enter")
    words = page.get_by_role("listbox", name="Words of the text")
    expect(words).to_be_focused()
    expect(words.get_by_role("group", name="PERSON")).to_have_count(4)
    press(page, "ArrowRight", "Delete")  # Yesterday is nobody
    press(page, "ArrowRight", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "2")
    expect(page.get_by_role("status")).to_have_text("new york: PLACE")
    press(page, "End", "ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "1")
    expect(words.get_by_role("option", selected=True)).to_have_text(["O", "'", "Neil"])
    press(page, "Home", "ArrowRight", "ArrowRight", "3")  # all of an entity, by one of its words
    page.get_by_role("button", name="Send correction").press("Enter")
    thanks(page)
    [told] = served.feedback()
    spans = [(text[span["start"] : span["end"]], span["label"]) for span in told.expected["spans"]]
    assert spans == [
        ("Anna", "<i>THING</i>"),
        ("new york", "PLACE"),
        ("Zoë", "PERSON"),
        ("O'Neil", "PERSON"),
    ]
    assert told.input == text


def test_lines_are_gone_through_by_keyboard(serve_type: ServeType, open_page: OpenPage) -> None:
    page = open_page(serve_type("tags").url)
    answer_to(page, "one two three\nfour five six\nseven")
    page.get_by_role("button", name="Correct").press("Enter")
    selected = page.get_by_role("option", selected=True)
    for key, word in [
        ("End", "seven"),
        ("ArrowUp", "four"),
        ("ArrowRight", "five"),
        ("ArrowUp", "two"),
        ("ArrowUp", "two"),
        ("ArrowDown", "five"),
        ("ArrowDown", "seven"),
        ("Home", "one"),
        ("ArrowLeft", "one"),
    ]:
        press(page, key)
        expect(selected).to_have_text(word)
    press(page, "Shift+ArrowDown")
    expect(selected).to_have_text(["one", "two", "three", "four"])


def test_entities_are_corrected_by_mouse(serve_type: ServeType, open_page: OpenPage) -> None:
    served = serve_type("tags")
    page = open_page(served.url)
    answer_to(page, "Anna saw new york")
    page.get_by_role("button", name="Correct").click()
    page.get_by_role("option", name="new").hover()
    page.mouse.down()
    page.get_by_role("option", name="york").hover()
    page.mouse.up()
    page.get_by_role("button", name="PLACE").click()
    page.get_by_role("option", name="Anna").click()
    page.get_by_role("button", name="No entity").click()
    page.get_by_role("button", name="Send correction").click()
    thanks(page)
    [told] = served.feedback()
    assert told.expected == {"spans": [{"start": 9, "end": 17, "label": "PLACE"}]}


def test_a_correction_can_be_given_up(serve_type: ServeType, open_page: OpenPage) -> None:
    served = serve_type("tags")
    page = open_page(served.url)
    answer_to(page, "Anna")
    page.get_by_role("button", name="Correct").click()
    press(page, "Delete")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("mark")).to_have_text(["Anna PERSON 75%"])
    assert focused(page) == "Approve"
    assert served.feedback() == []


def test_what_was_not_sent_is_sent_again_and_kept_once(
    serve_type: ServeType, open_page: OpenPage
) -> None:
    served = serve_type("moods")
    page = open_page(served.url)
    ids: list[str] = []

    def lose_the_answer(route: Route) -> None:
        ids.append(json.loads(route.request.post_data or "")["id"])
        if len(ids) > 1:
            route.continue_()
        else:
            route.fetch()
            route.abort()

    page.route("**/feedback", lose_the_answer)
    answer_to(page, "so sad")
    page.get_by_role("button", name="Approve").click()
    complaint = page.locator("#feedback").get_by_role("alert")
    expect(complaint).to_contain_text("It was not sent: The server does not answer.")
    page.get_by_role("button", name="Approve").click()
    thanks(page)
    assert len(ids) == 2
    assert [told.feedback_id for told in served.feedback()] == [ids[0]] == [ids[1]]


def test_another_model_by_now_means_to_reload(serve_type: ServeType, open_page: OpenPage) -> None:
    served = serve_type("moods")
    page = open_page(served.url)

    def say_another_digest(route: Route) -> None:
        said = json.loads(route.request.post_data or "")
        route.continue_(post_data=json.dumps({**said, "digest": "0" * 64}))

    page.route("**/feedback", say_another_digest)
    answer_to(page, "so sad")
    page.get_by_role("button", name="Approve").click()
    complaint = page.locator("#feedback").get_by_role("alert")
    expect(complaint).to_contain_text("Another model is served by now.")
    expect(page.get_by_role("button", name="Reload")).to_be_focused()
    with page.expect_navigation():
        press(page, "Enter")
    assert served.feedback() == []


# When things go wrong


def test_what_the_model_refuses_is_told(serve_type: ServeType, open_page: OpenPage) -> None:
    served = serve_type("moods", alone=True)
    page = open_page(served.url)
    page.get_by_label("Text").fill("refuse")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#problem")).to_have_text("The model refuses this text.")
    served.server.stop()
    answerless = page.locator("#problem")
    page.get_by_label("Text").fill("so glad")
    page.get_by_role("button", name="Ask").click()
    expect(answerless).to_have_text("The server does not answer.")
    expect(page.locator("#answer")).to_be_hidden()


def test_a_model_that_loads_is_waited_for(tmp_path: Path, open_page: OpenPage) -> None:
    hold = tmp_path / "hold"
    hold.mkdir()
    with launching(tmp_path) as start:
        server: Server = start(publish_echo(tmp_path, hold=hold))
        server.wait_until_listening()
        wait_until((hold / "held").exists, "loading")
        page = open_page(server.url)
        expect(page.locator("#subtitle")).to_have_text("The model is loading.")
        (hold / "go").touch()
        answer_to(page, "you")
        expect(page.locator("#result")).to_contain_text("hello you")


def test_a_model_that_was_refused_says_why(tmp_path: Path, open_page: OpenPage) -> None:
    with launching(tmp_path) as start:
        server: Server = start(publish_echo(tmp_path, expected="something else"))
        server.wait_until_listening()
        page = open_page(server.url)
        expect(page.get_by_role("alert")).to_contain_text("answers otherwise than it did")


def test_a_key_is_asked_for_and_brought_along(serve_type: ServeType, open_page: OpenPage) -> None:
    digest = sha256(KEY.encode()).hexdigest()
    served = serve_type("moods", TRAINSHED_API_KEY_SHA256=digest)
    page = open_page(served.url)
    dialog = page.get_by_role("dialog", name="This server needs a key")
    expect(dialog).to_be_visible()
    assert_accessible(page)
    page.get_by_label("API key").fill("wrong")
    press(page, "Enter")
    expect(dialog.get_by_role("alert")).to_have_text("The key is wrong.")
    page.get_by_label("API key").fill(KEY)
    press(page, "Enter")
    answer_to(page, "so glad")
    curves = page.get_by_alt_text("Curves of the loss")
    assert curves.evaluate("async (image) => (await image.decode(), image.naturalWidth)") == 1
    page.get_by_role("button", name="Approve").click()
    thanks(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="All feedback").click()
    assert "so glad" in download.value.path().read_text()
    page.reload()
    answer_to(page, "so sad")
    expect(dialog).to_be_hidden()
    assert page.evaluate("localStorage.length + document.cookie.length") == 0
    assert KEY not in page.url


# Pictures


def picture(width: int, height: int, kind: str = "PNG", noise: bool = False) -> bytes:
    shape = (height, width, 3)
    random = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    made = Image.fromarray(random if noise else np.full(shape, 200, dtype=np.uint8))
    content = BytesIO()
    made.save(content, kind)
    return content.getvalue()


def choose(page: Page, name: str, media_type: str, content: bytes) -> None:
    expect(page.locator("#drop")).to_be_visible()  # a file can be put in before the page listens
    chooser = page.locator("#file")
    chooser.set_input_files(FilePayload(name=name, mimeType=media_type, buffer=content))


def test_a_picture_is_shown_with_its_answer_and_corrected(
    serve_type: ServeType, open_page: OpenPage
) -> None:
    served = serve_type("frames")
    page = open_page(served.url)
    choose(page, "wide.png", "image/png", picture(30, 10))
    expect(page.get_by_alt_text("Your picture, wide.png")).to_be_visible()
    expect(page.locator(".scores .chosen")).to_have_text("wide75%")
    page.get_by_role("button", name="Correct").click()
    page.get_by_role("radio", name="tall").check()
    page.get_by_role("button", name="Send correction").click()
    thanks(page)
    expect(page.locator("#file")).to_be_focused()
    [told] = served.feedback()
    assert (told.media_type, b64decode(told.input)) == ("image/png", picture(30, 10))
    assert told.expected == {"label": "tall"}


@pytest.mark.parametrize(
    ("name", "media_type", "content"),
    [
        ("noise.png", "image/png", picture(900, 600, noise=True)),
        ("other.webp", "image/webp", picture(900, 600, "WEBP")),
    ],
)
def test_a_picture_that_is_too_large_or_of_another_kind_is_made_smaller(
    serve_type: ServeType, open_page: OpenPage, name: str, media_type: str, content: bytes
) -> None:
    served = serve_type("frames")
    page = open_page(served.url)
    choose(page, name, media_type, content)
    expect(page.locator("#result")).to_contain_text("sent as a JPEG of 512 × 341 pixels")
    page.get_by_role("button", name="Approve").click()
    thanks(page)
    [told] = served.feedback()
    sent = b64decode(told.input)
    with Image.open(BytesIO(sent)) as smaller:
        assert (smaller.format, smaller.size) == ("JPEG", (512, 341))
    assert (told.media_type, len(sent) <= MAX_INPUT_BYTES) == ("image/jpeg", True)


def test_what_is_no_picture_is_refused(serve_type: ServeType, open_page: OpenPage) -> None:
    page = open_page(serve_type("frames").url)
    choose(page, "page.png", "image/png", b"%PDF-1.7")
    expect(page.locator("#problem")).to_have_text("The body is no picture.")
    choose(page, "x.webp", "image/webp", b"%PDF-1.7")
    expect(page.locator("#problem")).to_have_text(
        "x.webp is no picture that this browser can read."
    )


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_can_be_dropped_and_pasted(
    serve_type: ServeType, open_page: OpenPage, event: str
) -> None:
    page = open_page(serve_type("frames").url)
    page.locator("#file").wait_for()
    page.evaluate(
        """([event, content]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(content)], "x.png", { type: "image/png" }));
            const given = event === "drop"
                ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
            document.querySelector("#drop").dispatchEvent(given);
        }""",
        [event, list(picture(10, 30))],
    )
    expect(page.locator(".scores .chosen")).to_have_text("tall75%")


# For everybody


Step = Callable[[Page], None]


def ask_text(page: Page) -> None:
    answer_to(page, "Anna is glad, Björn is sad.")


def ask_and_correct(page: Page) -> None:
    ask_text(page)
    page.get_by_role("button", name="Correct").click()


def ask_picture(page: Page) -> None:
    choose(page, "tall.png", "image/png", picture(10, 30))
    page.locator("#answer").wait_for()


@pytest.mark.parametrize(
    ("model_type", "steps"),
    [
        ("tags", [ask_text, ask_and_correct]),
        ("moods", [ask_text, ask_and_correct]),
        ("frames", [ask_picture]),
    ],
)
def test_it_is_accessible_in_light_and_dark_and_on_a_phone(
    serve_type: ServeType, open_page: OpenPage, model_type: str, steps: list[Step]
) -> None:
    url = serve_type(model_type).url
    for dark, size in [(False, DESKTOP), (True, PHONE)]:
        page = open_page(url, dark=dark, size=size)
        page.locator("#served").wait_for()
        for step in steps:
            step(page)
            assert_accessible(page)
            wider = "document.scrollingElement.scrollWidth - innerWidth"
            assert page.evaluate(wider) <= 0
