"""A little real, noisy text: skipped where the data set is not beside the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import model_types
from model_types import TrainingJob, load_predictor, load_trainer
from model_types.golden import agree
from model_types.ner.conll import read_file

ROOT = Path(__file__).parents[3]
WNUT = ROOT.parent / "shared" / "data" / "wnut17"
FOLDERS = [model_types.builtin_folder()]

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(not WNUT.is_dir(), reason=f"no data set in {WNUT}"),
]


def test_framework_and_onnx_agree_on_every_dev_sentence(tmp_path: Path) -> None:
    spec = json.loads((ROOT / "model_types/ner/model_type.json").read_text(encoding="utf-8"))
    hyperparameters = {name: field["default"] for name, field in spec["hyperparameters"].items()}
    hyperparameters["unknown_rate"] = 0.1  # to learn some names by heart, and quickly
    job = TrainingJob(WNUT / "dev.conll", tmp_path, 6, hyperparameters, lambda progress: None)
    load_trainer("ner", FOLDERS).train(job)

    # Flair comes after the trainer, which settles how it is to be imported.
    from flair.models import SequenceTagger

    from model_types.ner.answers import framework_answers
    from model_types.ner.encoder import load_encoder

    tagger = SequenceTagger.load(tmp_path / "framework" / "model.pt")
    vocabulary = json.loads((tmp_path / "vocabulary.json").read_text(encoding="utf-8"))
    encoder = load_encoder(vocabulary["encoder"], tmp_path)
    texts = [" ".join(sentence.words) for sentence in read_file(WNUT / "dev.conll")]
    answers = load_predictor("ner", FOLDERS).load(tmp_path).predict(texts)
    expected = framework_answers(tagger, encoder, texts)
    assert sum(map(len, expected)) > 20
    for text, one, other in zip(texts, answers, expected, strict=True):
        assert agree(one, other), text
