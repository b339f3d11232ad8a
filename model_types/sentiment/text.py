"""From a text to words and features; training and serving both come through here.

Nothing is dropped as a stop word: "not" turns a sentence round.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from .nltk_parts import PorterStemmer, TweetTokenizer

MAX_CHARACTERS = 4_000
"""Of a longer text only its beginning counts. NLTK's tokenizer is quadratic on some input, and
raises `TimeoutError` after seconds: at this length the worst that is known takes 0.1 s."""
MAX_TOKENS = 512
"""Of more tokens only the first count."""
MAX_TOKEN_CHARACTERS = 40
"""A longer token is cut."""

_CHARACTER_NGRAMS = (2, 3, 4, 5)
_NEGATIONS = {"not", "no", "never", "nor", "neither", "nobody", "nothing", "nowhere", "none"}
_NEGATIONS |= {"without", "hardly", "barely"}
_VERBS = {"ca": "can", "wo": "will", "sha": "shall", "ai": "is"}
_CLAUSE_END = re.compile(r"[.,:;!?]+|but")
_HASHTAG_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+|\d+")

_tokenizer = TweetTokenizer(preserve_case=True, reduce_len=True, match_phone_numbers=False)
_stemmer = PorterStemmer()


def tokenize(text: str) -> list[str]:
    """The text's tokens in lower case: "don't" gives "do", "not"; "#SoSad" gives "#", "sosad",
    "so", "sad"; every handle and every address gives the same token, whoever it names."""
    text = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS])[:MAX_CHARACTERS]
    text = text.replace("’", "'").replace("\\n", " ")  # exports often spell a line's end so
    tokens: list[str] = []
    for token in _tokenizer.tokenize(text):
        tokens.extend(_parts(token[:MAX_TOKEN_CHARACTERS]))
    return tokens[:MAX_TOKENS]


def _parts(token: str) -> Sequence[str]:
    lower = token.lower()
    if token.startswith("@") and len(token) > 1:
        return ("@user",)
    if lower.startswith(("http:", "https:", "www.")):
        return ("<url>",)
    if token.startswith("#") and len(token) > 1:
        words = [word.lower() for word in _HASHTAG_WORD.findall(token)]
        return ("#", lower.lstrip("#"), *(words if len(words) > 1 else ()))
    if lower == "cannot":
        return ("can", "not")
    if lower.endswith("n't"):
        verb = lower.removesuffix("n't")
        return (_VERBS.get(verb, verb), "not") if verb else ("not",)
    return (lower,)


@lru_cache(maxsize=50_000)
def stem(token: str) -> str:
    """Porter's stem. It costs more than all else in a request, and words repeat."""
    return str(_stemmer.stem(token))


def negated(tokens: Sequence[str]) -> list[bool]:
    """Which words a negation stands before in the same clause."""
    scope = False
    marks = []
    for word in tokens:
        if word in _NEGATIONS:
            scope = True
            marks.append(False)
            continue
        if _CLAUSE_END.fullmatch(word):
            scope = False
        marks.append(scope)
    return marks


def word_features(stems: Sequence[str], marks: Sequence[bool]) -> Iterator[str]:
    """Stems, those of negated words as other features than the same words' without a negation (Das
    and Chen 2001, "Yahoo! for Amazon"), and pairs of neighbours."""
    for word, mark in zip(stems, marks, strict=True):
        yield f"not {word}" if mark else f"w {word}"
    for one, other in zip(["^", *stems], [*stems, "$"], strict=True):
        yield f"p {one} {other}"


def character_features(token: str) -> Iterator[str]:
    """Character n-grams of a token between spaces, whether it is negated or not."""
    padded = f" {token} "
    for size in _CHARACTER_NGRAMS:
        for start in range(len(padded) - size + 1):
            yield "c" + padded[start : start + size]
