"""Texts in which people have marked names, as training reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

from model_types import Example, InvalidInput, Json
from model_types.corrections import TextSpan, read_known, shown, spans_of
from model_types.ner.conll import DataSet, Sentence
from model_types.ner.text import Token, sentences
from model_types.text_input import decode_text


def join(data: DataSet, feedback: Sequence[Example]) -> tuple[DataSet, int]:
    """Give the data set with the sentences of `feedback` behind the training part, and the number
    of examples that they are of.

    Sentences of dev or test are left out, and so are neighbours that together are one of them. Of
    several examples with one sentence the last counts, and it takes the place of what the training
    part says of that sentence, also where the training part has it and its neighbours as one. An
    example with a label that the data set does not have is left out, with a warning. Raises
    `InvalidData`.
    """
    held_out = {key for part in (data.dev, data.test) for each in part for key in _keys(each)}
    labels = data.labels
    trained = {_key(sentence) for sentence in data.train}
    known = sorted(held_out | trained)
    joining: dict[str, tuple[int, Sentence]] = {}
    replaced: set[str] = set()
    examples = read_known(feedback, lambda example: marked_example(example, labels))
    for number, read in enumerate(examples):
        runs = list(_runs(read, known))
        left_out = {index for run, key in runs if key in held_out for index in run}
        for index, sentence in enumerate(read):
            if index not in left_out:
                joining[_key(sentence)] = number, sentence
        replaced |= {key for run, key in runs if key in trained and not left_out.issuperset(run)}
    kept = [sentence for sentence in data.train if _key(sentence) not in replaced]
    joined = replace(data, train=[*kept, *(sentence for _, sentence in joining.values())])
    return joined, len({number for number, _ in joining.values()})


def marked_example(example: Example, labels: Collection[str] | None) -> list[Sentence]:
    """`marked_sentences` of an example. Raises `InvalidInput`, and for a label that is none of
    `labels` `UnknownLabel`."""
    if example.media_type != "text/plain":
        raise InvalidInput(f"its input is {example.media_type}, not text/plain.")
    [text] = decode_text(example.body, example.media_type).items
    return list(marked_sentences(text, example.expected, labels))


def _keys(sentence: Sentence) -> Iterator[str]:
    """A data set may hold what serving takes for several sentences: of all, and of each."""
    yield _key(sentence)
    for tokens in sentences(" ".join(sentence.words)):
        yield "".join(token.text for token in tokens)


def _key(sentence: Sentence) -> str:
    """The same however the words were told apart."""
    return "".join(sentence.words)


def _runs(read: Sequence[Sentence], known: Sequence[str]) -> Iterator[tuple[range, str]]:
    """Yield the neighbours among the sentences whose keys together are one of `known`, which are
    sorted, and that key: a data set may hold as one sentence what serving takes for several."""
    keys = [_key(sentence) for sentence in read]
    for first in range(len(keys)):
        together = ""
        for last in range(first, len(keys)):
            together += keys[last]
            at = bisect_left(known, together)
            if at == len(known) or not known[at].startswith(together):
                break
            if known[at] == together:
                yield range(first, last + 1), together


def marked_sentences(
    text: str, expected: Json, labels: Collection[str] | None
) -> Iterator[Sentence]:
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
