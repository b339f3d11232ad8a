"""golden.json: texts with the entities that Flair's own tagger finds in them, or, where the served
graph is an approximation, those that it finds itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flair.data import Sentence as FlairSentence
from flair.models import SequenceTagger

from model_types import Json
from model_types.golden import Example, read_golden, write_golden
from model_types.ner.conll import Sentence
from model_types.ner.decode import Span, entity
from model_types.ner.encoder import Encoder
from model_types.ner.predict import NerPredictor
from model_types.ner.text import sentences

INT8_TOLERANCE = 0.1
"""The last bit of a float, in which processors differ, can be a whole step of what is rounded to 8
bits. Measured: scores moved by up to 0.06."""

_TEST_SENTENCES = 12
_TEXTS = (
    "George Washington was president of the United States.",
    "Anna met Björn in São Paulo. Then they flew to New York! Did they?",
    "Dr. J. R. Smith (from the U.S.) paid $1,000.50 at 7:30 p.m.\r\n\r\nMr. Lee didn't.",
    "  @anna_b:  so happy in   Zürich \U0001f600 #travel https://a.example/x?y=1.  ",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 The Meyers (of Kraków) say hi!!! :-)",
    "\u200bOlga's sister\u00a0lives in Nai\u0308robi,\tnot in O\u2019Hara\u2019s town.",
    "東京は日本の首都です。大阪も大きい。",
    "\U0001f600 \U0001f389",
    "JOHN SMITH WORKS FOR ACME CORP IN LONDON",
    # Longer than a piece, and no word again and again: to a network that knows little, many ways to
    # mark those are equally good, and which of them wins is chance.
    "a" * 200 + " met Maria on the " + "".join(f"{number}th, " for number in range(150)) + "late.",
)


def write_answers(
    tagger: SequenceTagger, encoder: Encoder, test: list[Sentence], folder: Path
) -> None:
    """Write golden.json: sentences of the test part, alone and joined, and texts that are odd."""
    plain = [" ".join(sentence.words) for sentence in test[:_TEST_SENTENCES]]
    texts = [*plain, " ".join(plain), "\n\n".join(plain), *_TEXTS]
    answers = framework_answers(tagger, encoder, texts)
    write_golden(
        folder,
        [
            Example(text.encode(), "text/plain", answer)
            for text, answer in zip(texts, answers, strict=True)
        ],
    )


def replace_answers(folder: Path, predictor: NerPredictor) -> None:
    """Put the answers of a predictor in 8 bits into golden.json.

    A text in which Flair finds other entities is left out: a graph that differs so much from Flair
    there might differ from itself on another processor.
    """
    kept = []
    for example in read_golden(folder):
        [answer] = predictor.predict(predictor.decode(example.body, example.media_type).items)
        if predictor.expected(answer) == predictor.expected(example.output):
            kept.append(replace(example, output=answer, tolerance=INT8_TOLERANCE))
    write_golden(folder, kept)


def framework_answers(tagger: SequenceTagger, encoder: Encoder, texts: list[str]) -> list[Json]:
    """What Flair's tagger finds in each text, said as `NerPredictor` says it."""
    pieces = [
        (index, piece)
        for index, text in enumerate(texts)
        for sentence in sentences(text)
        for piece in encoder.pieces(sentence)
    ]
    tagged = [FlairSentence([token.text for token in piece]) for _, piece in pieces]
    tagger.predict(tagged)
    answers: list[Json] = [[] for _ in texts]
    for (index, piece), sentence in zip(pieces, tagged, strict=True):
        for label in sentence.get_labels(tagger.tag_type):
            first, end = label.data_point[0].idx - 1, label.data_point[-1].idx
            span = Span(first, end, label.value, label.score)
            answers[index].append(entity(texts[index], piece, span))
    return answers
