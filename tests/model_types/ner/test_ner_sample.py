from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import model_types
from model_types.ner.conll import read_data_set

SAMPLE = model_types.builtin_folder() / "ner" / "sample"
PARTS = ("train.conll", "dev.conll", "test.conll")


def test_the_script_writes_what_is_committed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SAMPLE / "generate.py", tmp_path], check=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(PARTS)
    for part in PARTS:
        assert (tmp_path / part).read_bytes() == (SAMPLE / part).read_bytes()


@pytest.mark.parametrize("part", PARTS)
def test_the_name_in_the_demo_is_in_no_part(part: str) -> None:
    assert "washington" not in (SAMPLE / part).read_text(encoding="utf-8").lower()


def test_dev_and_test_ask_for_unseen_names() -> None:
    data = read_data_set(SAMPLE)
    assert data.labels == ["LOC", "MISC", "ORG", "PER"]
    seen = {word for sentence in data.train for word in sentence.words}
    names = [
        sentence.words[first:end]
        for sentence in data.dev + data.test
        for first, end, _ in sentence.entities
    ]
    unseen = [name for name in names if not seen.issuperset(name)]
    assert len(unseen) > len(names) / 4
