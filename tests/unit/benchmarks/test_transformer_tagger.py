from __future__ import annotations

from benchmarks.training.transformer_tagger import first_sentences


def test_the_first_sentences_of_columns() -> None:
    conll = "Anna\tB-person\nslept\tO\n\t\nParis\tB-location\n\n\nno\tO\n"
    assert first_sentences(conll, 2) == "Anna\tB-person\nslept\tO\n\nParis\tB-location\n"
    assert first_sentences(conll, 9).endswith("\n\nno\tO\n\n")
