from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_types import Answers, Correctable, InvalidInput, Predictor
from model_types.sentiment import predict
from model_types.sentiment.text import MAX_CHARACTERS

from .conftest import Trained

LABELS = {"negative", "neutral", "positive"}


@pytest.mark.parametrize(
    "text",
    [
        "😀",
        "\x01\x02\x7f",
        "\u200b",
        "  \n x \t",
        "日本語",
        "not " * 3,
        "?",
        "ع" * 100,
        "&#0;",
        "I love this " * 100_000,
    ],
)
def test_any_text_gets_a_label_and_scores_that_sum_to_one(predictor: Predictor, text: str) -> None:
    [answer] = predictor.predict([text])
    assert answer.keys() == {"sentiment", "scores"}
    assert answer["scores"].keys() == LABELS
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["sentiment"] == max(answer["scores"], key=answer["scores"].__getitem__)
    assert json.loads(json.dumps(answer)) == answer


def test_many_texts_get_the_answers_that_each_gets_alone(predictor: Predictor) -> None:
    texts = ["I love this", "I hate this film " * 30, "😀", "the shop opens at ten"] * 40
    together = predictor.predict(texts)
    for text, answer in zip(texts[:4], together[:4], strict=True):
        [alone] = predictor.predict([text])
        assert alone["sentiment"] == answer["sentiment"]
        assert alone["scores"] == pytest.approx(answer["scores"], abs=1e-3)
    assert [each["sentiment"] for each in together[4:]] == [
        each["sentiment"] for each in together[:-4]
    ]
    assert predictor.predict([]) == []


def test_only_the_beginning_of_a_long_text_counts(predictor: Predictor) -> None:
    text = ("I love this. " * MAX_CHARACTERS)[:MAX_CHARACTERS]
    assert predictor.predict([text]) == predictor.predict([text + "I hate it." * 1_000_000])


def test_the_answer_is_what_the_schema_says(predictor: Predictor) -> None:
    schema = predictor.result_schema
    assert set(schema["properties"]["sentiment"]["enum"]) == LABELS
    assert set(schema["properties"]["scores"]["required"]) == LABELS


def test_bodies_are_texts(predictor: Predictor) -> None:
    assert set(predictor.request_schemas) == {"text/plain", "application/json"}
    assert list(predictor.decode("naïve".encode(), "text/plain").items) == ["naïve"]
    many = predictor.decode(b'{"texts": ["a", "b"]}', "application/json")
    assert (list(many.items), many.many) == (["a", "b"], True)
    with pytest.raises(InvalidInput, match="empty"):
        predictor.decode(b"  ", "text/plain")


def test_nothing_is_read_after_loading(trained: Trained, tmp_path: Path) -> None:
    for name in ("model.onnx", "vocabulary.json"):
        (tmp_path / name).write_bytes((trained.folder / name).read_bytes())
    loaded = predict.load(tmp_path)
    for name in ("model.onnx", "vocabulary.json"):
        (tmp_path / name).unlink()
    assert loaded.predict(["I love this"])[0]["sentiment"] == "positive"


def test_answers_can_be_approved_and_corrected(predictor: Predictor) -> None:
    assert isinstance(predictor, Correctable)
    assert predictor.answers is Answers.LABEL
    assert set(predictor.labels) == LABELS
    [answer] = predictor.predict(["I love this"])
    approved = predictor.expected(answer)
    assert approved == {"label": answer["sentiment"]}
    predictor.check("I love this", approved)
    with pytest.raises(InvalidInput, match="'anger' is not known"):
        predictor.check("I love this", {"label": "anger"})
