"""The public data sets as folders that a training takes.

What is reported on is the test part, and what a training chooses on it splits off the train part:
so nothing is chosen on what is reported.
"""

from __future__ import annotations

import shutil
from pathlib import Path


def wnut17(data: Path, work: Path) -> Path:
    """Named entities in noisy text: 3,394 sentences, and 1,009 to report on (WNUT17's dev part)."""
    return _copied(data / "wnut17", {"train.conll": "train.conll", "dev.conll": "test.conll"}, work)


def tweeteval_emotion(data: Path, work: Path) -> Path:
    """Emotions of tweets: 3,257 of them, and 374 to report on (TweetEval's val part)."""
    return _copied(
        data / "tweeteval-emotion", {"train.csv": "train.csv", "val.csv": "test.csv"}, work
    )


def _copied(source: Path, names: dict[str, str], work: Path) -> Path:
    folder = work / source.name
    folder.mkdir(exist_ok=True)
    for name, part in names.items():
        shutil.copyfile(source / name, folder / part)
    return folder
