from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from model_types.sentiment.dataset import read_file, read_parts

PARTS = ("train.csv", "dev.csv", "test.csv")


def test_the_script_writes_what_is_committed(sample: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, sample / "generate.py", tmp_path], check=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(PARTS)
    for part in PARTS:
        assert (tmp_path / part).read_bytes() == (sample / part).read_bytes()


@pytest.mark.parametrize("part", PARTS)
def test_what_the_demo_asks_is_in_no_part(sample: Path, part: str) -> None:
    asked = {"i am so sad", "i love this", "i do not like it"}
    texts = {re.sub(r"\W+", " ", each.text.lower()).strip() for each in read_file(sample / part)}
    assert not asked & texts


def test_no_text_is_in_two_parts_or_has_two_labels(sample: Path) -> None:
    parts = read_parts(sample, seed=1)
    texts = [each.text for part in (parts.train, parts.dev, parts.test) for each in part]
    assert len(texts) == len(set(texts)) == 3000
