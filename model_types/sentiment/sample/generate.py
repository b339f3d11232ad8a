"""Writes the sample data set: short texts put together from the templates and word lists below.

    python generate.py [FOLDER]

writes train.csv, dev.csv and test.csv into the folder (this one, if none is given), always the same
bytes. The sample is plain and made up: it shows that training works and that negations count, and
its scores say nothing about real texts.
"""

from __future__ import annotations

import csv
import random
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

SEED = 2024
TEXTS_PER_LABEL = 1_000
PARTS = {"train": 0.8, "dev": 0.1, "test": 0.1}

# What the guide asks a trained model is not in its training data.
KEPT_OUT = {"i am so sad", "i love this", "i do not like it", "not good", "not bad at all"}

WORDS: Mapping[str, str] = {
    "thing": (
        "film|book|song|meal|soup|coffee|hotel|room|view|phone|battery|screen|camera|app|"
        "update|game|story|ending|concert|band|service|waiter|staff|driver|trip|flight|train|lesson|"
        "teacher|talk|weather|garden|jacket|bike|chair|lamp|website|delivery|price|cake"
    ),
    "this": "it|this|that|this {thing}|the {thing}|that {thing}|my new {thing}|everything here",
    "subject": "it|this|that|the {thing}|this {thing}|my {thing}|their {thing}|our {thing}",
    "good": (
        "good|great|lovely|wonderful|excellent|brilliant|fantastic|amazing|superb|beautiful|"
        "pleasant|charming|delightful|perfect|impressive|nice|fun|helpful|tasty|comfortable|fresh|clever|"
        "friendly|reliable|awesome|marvellous|enjoyable|outstanding"
    ),
    "bad": (
        "bad|awful|terrible|horrible|dreadful|poor|boring|dull|ugly|disgusting|useless|broken|dirty|"
        "rude|slow|disappointing|annoying|unpleasant|painful|cheap and nasty|stale|noisy|"
        "unreliable|a mess|a disaster|a waste of time|a waste of money|a letdown"
    ),
    "glad": (
        "happy|glad|delighted|thrilled|excited|pleased|grateful|proud|cheerful|relieved|hopeful|"
        "overjoyed|content|calm|amused|thankful"
    ),
    "sad": (
        "sad|unhappy|angry|upset|miserable|depressed|lonely|worried|afraid|furious|heartbroken|"
        "disappointed|tired of this|frustrated|hurt|ashamed|bored|devastated|anxious"
    ),
    "love": "love|like|enjoy|adore|recommend|appreciate|admire",
    "hate": "hate|dislike|regret|despise|loathe",
    "loved": "loved|liked|enjoyed|adored|appreciated",
    "hated": "hated|disliked|regretted|despised|loathed",
    "very": "very|so|really|just|truly|quite|absolutely|rather|simply",
    "not_be": "is not|isn't|was not|wasn't",
    "do_not": "do not|don't|did not|didn't|really do not|really don't|cannot|can't",
    "be": "is|was|has been|turned out",
    "number": "two|three|four|five|six|seven|ten|twelve|twenty",
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "place": "shop|station|library|museum|office|school|market|bank|bakery|pool",
    "colour": "red|blue|green|grey|white|black|brown|yellow",
    "person": "my sister|my neighbour|the manager|a colleague|our guide|my uncle|the teacher",
}

NEGATED = 0.3
"""The share of texts in which a negation turns round what is said."""

TEMPLATES: Mapping[str, Sequence[str]] = {
    "positive": (
        "{subject} {be} {good}",
        "{subject} {be} {very} {good}",
        "what a {good} {thing}",
        "i {love} {this}",
        "i {love} {this} {very} much",
        "we {loved} {this}",
        "i am {glad}",
        "i am {very} {glad}",
        "i'm {very} {glad} today",
        "i feel {glad}",
        "{this} makes me {glad}",
        "{subject} made my day",
        "{good}, simply {good}",
        "the best {thing} ever",
        "thank you for the {good} {thing}",
        "i would buy {this} again",
        "{subject} works like a charm",
        "five stars for {this}",
    ),
    "positive, negated": (
        "{subject} {not_be} {bad}",
        "{subject} {not_be} {bad} at all",
        "not {bad} at all",
        "not {bad}",
        "i am not {sad} any more",
        "i {do_not} {hate} {this}",
        "i {do_not} {hate} {this} at all",
        "i never {hated} {this}",
        "{subject} never lets me down",
        "no problems with {this} so far",
        "nothing to complain about, {subject} {be} {good}",
        "i could not be more {glad}",
        "i thought {this} would be {bad}, but {subject} {be} {good}",
    ),
    "negative": (
        "{subject} {be} {bad}",
        "{subject} {be} {very} {bad}",
        "how {bad} can a {thing} be",
        "i {hate} {this}",
        "i {hate} {this} {very} much",
        "we {hated} {this}",
        "i am {sad}",
        "i am {very} {sad}",
        "i'm {very} {sad} today",
        "i feel {sad}",
        "{this} makes me {sad}",
        "{subject} ruined my day",
        "{bad}, simply {bad}",
        "the worst {thing} ever",
        "i want my money back for {this}",
        "{subject} broke after one day",
        "one star for {this}",
        "stay away from {this}",
    ),
    "negative, negated": (
        "{subject} {not_be} {good}",
        "{subject} {not_be} {very} {good}",
        "not {good} at all",
        "not {good}",
        "i am not {glad}",
        "i am not {very} {glad} with {this}",
        "i {do_not} {love} {this}",
        "i {do_not} {love} {this} at all",
        "i {do_not} like {this}",
        "i {do_not} like {this}",
        "i never {loved} {this}",
        "{subject} never works",
        "i would not buy {this} again",
        "nothing {good} about {this}",
        "i thought {this} would be {good}, but {subject} {be} {bad}",
    ),
    "neutral": (
        "the {place} opens at {number}",
        "the {place} is closed on {day}",
        "the {thing} is {colour}",
        "i bought the {thing} on {day}",
        "{person} has {number} {colour} boxes",
        "the {thing} comes with {number} parts",
        "we meet at the {place} on {day}",
        "{person} works at the {place}",
        "{person} asked about the {thing}",
        "there are {number} people at the {place}",
        "the {thing} starts at {number} on {day}",
        "turn left at the {place}",
        "it is {day} and i am at the {place}",
        "the {colour} {thing} belongs to {person}",
        "{person} will call on {day}",
        "does the {place} sell a {colour} {thing}",
        "{number} minutes to the {place}",
    ),
    "neutral, negated": (
        "{person} is not at the {place} on {day}",
        "the {thing} does not come in {colour}",
        "i have not seen the {thing} yet",
        "the {place} does not open on {day}",
        "there is no {place} here",
    ),
}

OPENINGS = ("", "", "", "", "", "", "honestly, ", "well, ", "to be fair, ", "@friend ", "ok so ")
ENDINGS: Mapping[str, Sequence[str]] = {
    "positive": ("", "", ".", ".", ".", "!", "!!", " :)", " 😀", " 👍", " #happy"),
    "negative": ("", "", ".", ".", ".", "!", "!!", " :(", " 😡", " 👎", " #fail"),
    "neutral": ("", "", ".", ".", ".", "..", " #news"),
}


def texts(label: str, count: int, rng: random.Random) -> list[str]:
    """So many different texts of the label."""
    found: dict[str, None] = {}
    while len(found) < count:
        templates = TEMPLATES[f"{label}, negated" if rng.random() < NEGATED else label]
        text = rng.choice(OPENINGS) + _fill(rng.choice(templates), rng)
        if re.sub(r"\W+", " ", text).strip() in KEPT_OUT:
            continue
        if rng.random() < 0.7:
            text = text[0].upper() + re.sub(r"\bi\b", "I", text[1:])
        found[text + rng.choice(ENDINGS[label])] = None
    return list(found)


def _fill(template: str, rng: random.Random) -> str:
    while "{" in template:
        template = re.sub(
            r"\{(\w+)\}", lambda slot: rng.choice(WORDS[slot[1]].split("|")), template
        )
    return template


def write(folder: Path) -> None:
    """Write train.csv, dev.csv and test.csv, each with the labels in equal numbers."""
    rng = random.Random(SEED)  # noqa: S311 (no secret)
    rows: dict[str, list[tuple[str, str]]] = {part: [] for part in PARTS}
    for label in ENDINGS:
        remaining = texts(label, TEXTS_PER_LABEL, rng)
        for part, share in PARTS.items():
            size = round(share * TEXTS_PER_LABEL)
            rows[part] += [(text, label) for text in remaining[:size]]
            remaining = remaining[size:]
    for part, samples in rows.items():
        rng.shuffle(samples)
        with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("text", "label"))
            writer.writerows(samples)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
