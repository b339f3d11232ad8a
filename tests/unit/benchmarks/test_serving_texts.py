"""The texts that are posted."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.serving.load import SEPARATOR
from benchmarks.serving.texts import LONG, SENTENCES, SHORT, Texts, read


def test_columns_become_sentences(tmp_path: Path) -> None:
    (tmp_path / "wnut17").mkdir()
    file = tmp_path / "wnut17/dev.conll"
    file.write_text("Anna\tB-person\nsleeps\tO\n\t\nYes\tO\n\n\n", encoding="utf-8")
    texts = read("ner", tmp_path)
    assert texts.source == "wnut17/dev.conll"
    assert sorted(texts.short) == ["Anna sleeps", "Yes"]


def test_rows_become_texts(tmp_path: Path) -> None:
    (tmp_path / "tweeteval-emotion").mkdir()
    file = tmp_path / "tweeteval-emotion/val.csv"
    file.write_text('text,label\n"so, happy",joy\n" ",joy\n', encoding="utf-8")
    assert read("sentiment", tmp_path).short == ["so, happy"]


@pytest.mark.parametrize("model_type", ["ner", "sentiment"])
def test_without_data_sets_the_samples_do(model_type: str, tmp_path: Path) -> None:
    for texts in (read(model_type, None), read(model_type, tmp_path)):
        assert texts.source.startswith(f"model_types/{model_type}/sample/")
        assert 0 < len(texts.short) <= SHORT
        assert all(text.strip() and SEPARATOR.decode() not in text for text in texts.short)


def test_long_texts_are_made_of_short_ones_and_always_the_same() -> None:
    sentences = [f"Sentence {number}." for number in range(7)]
    texts = Texts.of("a test", sentences)
    assert texts == Texts.of("a test", sentences)
    assert len(texts.long) == LONG
    assert all(text.count(".") == SENTENCES for text in texts.long)
