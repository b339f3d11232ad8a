"""Texts with the names that people have marked in them, as training reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import takewhile

from model_types import InvalidInput, Json
from model_types.corrections import TextSpan, shown, spans_of
from model_types.ner.conll import Sentence
from model_types.ner.text import Token, sentences


def marked_sentences(text: str, expected: Json, labels: Collection[str]) -> Iterator[Sentence]:
    """Yield the sentences of `text`, cut as serving cuts it, with the spans of a right answer.

    A model can only mark whole tokens of one sentence, so that a span which begins or ends within
    a token, on a space, or in another sentence is refused: made wider, it would no longer be what
    the person said. Raises `InvalidInput`.
    """
    left = spans_of(expected, text, labels)[::-1]
    for tokens in sentences(text):
        entities = []
        while left and left[-1].start < tokens[-1].end:
            entities.append(_entity(text, tokens, left.pop()))
        yield Sentence([token.text for token in tokens], entities)
    if left:
        raise InvalidInput(f"{_named(text, left[-1])} holds no word.")


def _entity(text: str, tokens: list[Token], span: TextSpan) -> tuple[int, int, str]:
    """As a sentence holds it: first token, the token after the last, label."""
    first = len(list(takewhile(lambda token: token.end <= span.start, tokens)))
    end = len(list(takewhile(lambda token: token.start < span.end, tokens)))
    if span.end > tokens[-1].end and text[tokens[-1].end : span.end].strip():
        raise InvalidInput(
            f"{_named(text, span)} goes on in the next sentence, or in the next part of a very "
            "long one. Mark what is in one alone."
        )
    if first == end:
        raise InvalidInput(f"{_named(text, span)} holds no word.")
    start, stop = tokens[first].start, tokens[end - 1].end
    if (span.start, span.end) != (start, stop):
        raise InvalidInput(
            f"{_named(text, span)} is not made of whole words: mark {shown(text[start:stop])}, "
            f"from {start} to {stop}."
        )
    return first, end, span.label


def _named(text: str, span: TextSpan) -> str:
    return f"The span {shown(text[span.start : span.end])}, from {span.start} to {span.end},"
