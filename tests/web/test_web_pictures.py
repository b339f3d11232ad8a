"""Pictures through the real app, with a small model of the model type `image_classification`."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from PIL import Image
from prometheus_client import CollectorRegistry

from model_types import TrainingJob, builtin_folder, load_predictor, load_trainer
from serving_image.app import Limits, create_app
from serving_image.metrics import Metrics
from serving_image.served_model import ServedModel
from trainshed.manifest import Manifest

from .conftest import CREATED_AT, MODEL_ID
from .test_web_app import started

FOLDERS = [builtin_folder()]
PATH = "/image_classification"
JPEG = {"Content-Type": "image/jpeg"}
PNG = {"Content-Type": "image/png"}

Post = Callable[..., httpx.Response]


def encode(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def picture(number: int = 1, side: int = 16) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
    return Image.fromarray(pixels)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header tells of many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header,
            struct.pack(">I", zlib.crc32(header)),
            b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")),
        ]
    )


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        for number in range(12):
            name = f"{('cat', 'dog')[number % 2]}/{number}.png"
            archive.writestr(name, encode(picture(number), "PNG"))
    described = json.loads((builtin_folder() / PATH[1:] / "model_type.json").read_bytes())
    values = {name: spec["default"] for name, spec in described["hyperparameters"].items()}
    values |= {"width": 4, "image_size": 16}
    (folder / "artifact").mkdir()
    job = TrainingJob(folder / "set.zip", folder / "artifact", 1, values, lambda _: None)
    load_trainer(PATH[1:], FOLDERS).train(job)
    return folder / "artifact"


@pytest.fixture
def post(artifact: Path) -> Post:
    """POST to a fresh app and give its answer."""
    manifest = Manifest(
        model_id=MODEL_ID, model_type=PATH[1:], attempt=1, created_at=CREATED_AT, files={}
    )
    served = ServedModel.read(artifact, manifest, "d" * 64, FOLDERS)

    async def ask(method: str, path: str, **request: Any) -> httpx.Response:
        app = create_app(
            served,
            lambda: load_predictor(PATH[1:], FOLDERS).load(artifact),
            Limits(),
            Metrics(CollectorRegistry()),
        )
        async with started(app) as client:
            return await client.request(method, path, **request)

    return lambda method="POST", path=PATH, **request: asyncio.run(ask(method, path, **request))


def problem(answer: httpx.Response, status: int) -> str:
    """What the answer's problem document says."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert answer.status_code == document["status"] == status, document
    return str(document["detail"])


def test_a_picture_gets_a_label_and_the_scores_of_all(post: Post) -> None:
    answer = post(content=encode(picture(), "PNG"), headers=PNG)
    assert answer.status_code == 200
    result = answer.json()
    assert set(result) == {"label", "score", "scores"}
    assert set(result["scores"]) == {"cat", "dog"}
    assert result["score"] == result["scores"][result["label"]] == max(result["scores"].values())


def test_jpeg_and_png_of_one_picture_are_answered_alike(post: Post) -> None:
    jpeg = encode(picture(), "JPEG")
    png = encode(Image.open(io.BytesIO(jpeg)), "PNG")
    one, other = post(content=jpeg, headers=JPEG), post(content=png, headers=PNG)
    assert one.status_code == 200
    assert one.json() == other.json()


def test_a_form_gets_a_list_in_the_files_order(post: Post) -> None:
    contents = [encode(picture(number), "PNG") for number in range(3)]
    alone = [post(content=content, headers=PNG).json() for content in contents]
    files = [("any", ("a.png", content, "image/png")) for content in contents]
    assert post(files=files, data={"comment": "left aside"}).json() == alone
    unnamed = [("any", ("a", content, "application/octet-stream")) for content in contents[:1]]
    assert post(files=unnamed).json() == alone[:1]


def test_the_boundary_may_be_quoted_and_in_any_case(post: Post) -> None:
    content = encode(picture(), "PNG")
    head = b'Content-Disposition: form-data; name="a"; filename="a"\r\n\r\n'
    body = b"--A b?\r\n" + head + content + b"\r\n--A b?--\r\n"
    answer = post(
        content=body, headers={"Content-Type": 'Multipart/Form-Data; Boundary="A b?"; x=y'}
    )
    assert answer.json() == [post(content=content, headers=PNG).json()]


@pytest.mark.parametrize("kind", ["", "; boundary=", '; boundary="a;b"', "; boundary=" + 71 * "a"])
def test_a_form_without_a_proper_boundary_is_refused(post: Post, kind: str) -> None:
    answer = post(content=b"", headers={"Content-Type": f"multipart/form-data{kind}"})
    assert "boundary" in problem(answer, 400)


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", PNG, "The body is empty"),
        (b"\0" * 100, PNG, "The body is no JPEG or PNG"),
        (encode(picture(), "PNG")[:-200], PNG, "damaged or cut off"),
        (encode(picture(1, 64), "JPEG")[:900], JPEG, "damaged or cut off"),
        (b"%PDF-1.7\n%...", JPEG, "looks like a PDF, and must be JPEG or PNG"),
        (encode(picture(), "GIF"), PNG, "looks like a GIF"),
        (encode(picture(), "PNG"), JPEG, "The body is image/png, and its type says image/jpeg"),
        (encode(picture(), "JPEG"), PNG, "The body is image/jpeg, and its type says image/png"),
    ],
)
def test_what_is_no_picture_is_a_bad_request(
    post: Post, content: bytes, kind: dict[str, str], message: str
) -> None:
    assert message in problem(post(content=content, headers=kind), 400)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (encode(picture().convert("CMYK"), "JPEG"), JPEG),
        (encode(picture().convert("RGBA"), "PNG"), PNG),
        (encode(picture().convert("P"), "PNG"), PNG),
        (encode(picture().convert("1"), "PNG"), PNG),
        (encode(Image.fromarray(np.full((9, 9), 40_000, np.uint16)), "PNG"), PNG),
        (encode(picture(), "PNG", save_all=True, append_images=[picture(2)]), PNG),
    ],
    ids=["CMYK", "alpha", "palette", "bits", "16 bits", "animated"],
)
def test_unusual_pictures_are_answered(post: Post, content: bytes, kind: dict[str, str]) -> None:
    assert post(content=content, headers=kind).status_code == 200


@pytest.mark.parametrize("width", [5001, 2**31 - 1])
def test_a_bomb_is_refused_by_its_header(post: Post, width: int) -> None:
    detail = problem(post(content=bomb(width, 5000), headers=PNG), 422)
    assert f"more than 25000000 pixels ({width} × 5000)" in detail
    files = [("a", ("a.png", bomb(5000, 1250), "image/png"))] * 4
    assert "damaged or cut off" in problem(post(files=files), 400)  # of as many as may be
    assert "pixels" in problem(post(files=[*files, files[0]]), 422)


@pytest.mark.parametrize("kind", ["text/plain", "image/gif", "application/pdf", "image/jpg"])
def test_another_media_type_is_refused(post: Post, kind: str) -> None:
    answer = post(content=encode(picture(), "PNG"), headers={"Content-Type": kind})
    assert f"The request has Content-Type {kind}" in problem(answer, 415)
    assert answer.headers["Accept"] == "image/jpeg, image/png, multipart/form-data"


def test_too_many_bytes_are_refused(post: Post) -> None:
    answer = post(content=bytes(1024**2 + 1), headers=PNG)
    assert "over 1048576 bytes" in problem(answer, 413)


def test_a_forms_bad_file_is_named(post: Post) -> None:
    good = ("a", ("good.png", encode(picture(), "PNG"), "image/png"))
    for content, kind, message in (
        (b"hello", "image/png", "File 2 ('bad.png') is no JPEG or PNG"),
        (
            encode(picture(), "PNG")[:-200],
            "image/png",
            "File 2 ('bad.png') is damaged",
        ),
        (encode(picture(), "PNG"), "image/gif", "is image/png, and its type says image/gif"),
    ):
        answer = post(files=[good, ("a", ("bad.png", content, kind))])
        assert message in problem(answer, 400)
    assert "1 to 100 files, not 0" in problem(post(files=[("a", (None, b"text"))]), 422)


def test_the_openapi_document_is_valid(post: Post) -> None:
    document = post("GET", "/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    body = document["paths"][PATH]["post"]["requestBody"]["content"]
    assert list(body) == ["image/jpeg", "image/png", "multipart/form-data"]
