"""Text to sentences of tokens with character offsets, the same for training and serving.

The rules are few and deterministic, and the time is linear in the length of the text, whatever is
in it. Offsets count Unicode code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_TOKENS = 256
"""A longer sentence is cut into pieces of this many tokens."""

MAX_CHARACTERS = 64
"""A model sees this much of a longer token; its offsets still cover the whole of it."""

# Letters of many scripts are written with combining marks, which `\w` leaves out; the joiners
# (U+200C, U+200D) stand inside words too.
_LETTER = (
    r"[\w\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
    r"\u0e31-\u0e4e\u1ab0-\u1aff\u200c\u200d]"
)
_TITLES = "Mr|Mrs|Ms|Mx|Dr|Prof|St|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Gov|Sen|Rep"
_NOTHING = r"\s\u200b\u2060\ufeff"  # spaces, and the characters that are there without being seen

_TOKEN = re.compile(
    rf"""
      (?:https?://|www\.)[^{_NOTHING}<>"]*[\w/]            # address of a page
    | [\w.+-]{{1,64}}@\w[\w-]{{0,63}}(?:\.[\w-]{{1,63}})+ # address of a mailbox
    | [@#]{_LETTER}+                                      # @name, #topic
    | (?:[^\W\d_]\.){{2,}}                                # U.S. and p.m.
    | (?:{_TITLES})\.(?=[{_NOTHING}])                     # Dr.
    | [A-Z]\.(?=[ ]?[A-Z])                                # J. R. Smith
    | \d+(?:[.,:/]\d+)+                                   # 1,000.50 and 7:30
    | ['’][sS](?!\w)                                      # the possessive, a token of its own
    | {_LETTER}+(?:(?!['’][sS](?!\w))['’&-]{_LETTER}+)*   # a word, hyphens and apostrophes inside
    | [:;]-?[()DP](?!\w)                                  # :-)
    | ([.!?*=_~-])\1+                                     # a run of one sign
    | [^{_NOTHING}][\ufe0f\U0001f3fb-\U0001f3ff]*         # any other sign; an emoji with its parts
      (?:\u200d[^{_NOTHING}][\ufe0f\U0001f3fb-\U0001f3ff]*)*
    """,
    re.VERBOSE,
)
_STOPS = frozenset(".!?…。！？｡")
_STOPS_WITHOUT_SPACE = frozenset("。！？｡")
_CLOSERS = frozenset(")]}\"'”’»」』")


class Token(NamedTuple):
    text: str
    """At most `MAX_CHARACTERS` of it."""
    start: int
    end: int


def sentences(text: str) -> Iterator[list[Token]]:
    """Yield the sentences of `text`, each of 1 to `MAX_TOKENS` tokens.

    A sentence ends with an empty line, or with a stop that a space and no small letter follow.
    """
    sentence: list[Token] = []
    stopped = False
    for token in _tokens(text):
        if sentence:
            gap = text[sentence[-1].end : token.start]
            if stopped and not gap and token.text in _CLOSERS:
                sentence.append(token)
                continue
            if (stopped and _goes_on_anew(sentence[-1], gap, token)) or _has_empty_line(gap):
                yield from pieces(sentence)
                sentence = []
        sentence.append(token)
        stopped = token.text[0] in _STOPS
    yield from pieces(sentence)


def pieces(sentence: list[Token]) -> Iterator[list[Token]]:
    """Cut a long sentence into pieces of at most `MAX_TOKENS` tokens."""
    for start in range(0, len(sentence), MAX_TOKENS):
        yield sentence[start : start + MAX_TOKENS]


def clip(token: str) -> str:
    """What a model sees of a token: its head and its tail, if it is long."""
    if len(token) <= MAX_CHARACTERS:
        return token
    return token[: MAX_CHARACTERS // 2] + token[-MAX_CHARACTERS // 2 :]


def _tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        yield Token(clip(match.group()), *match.span())


def _goes_on_anew(last: Token, gap: str, token: Token) -> bool:
    if last.text[0] in _STOPS_WITHOUT_SPACE:
        return True
    return bool(gap) and not token.text[0].islower()


def _has_empty_line(gap: str) -> bool:
    return max(gap.count("\n"), gap.count("\r")) > 1
