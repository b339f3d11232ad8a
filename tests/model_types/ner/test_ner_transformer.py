"""Fine-tuning a transformer of two tiny layers that the test itself makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import model_types
from model_types import TrainingJob, load_predictor, load_trainer
from model_types.golden import agree, replay
from model_types.ner.conll import read_file
from model_types.ner.subwords import SubwordEncoder
from model_types.ner.text import sentences

SAMPLE = model_types.builtin_folder() / "ner" / "sample"
FOLDERS = [model_types.builtin_folder()]
POSITIONS = 130

MAKE_TRANSFORMER = f"""
import sys, torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

torch.manual_seed(0)
tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
words = [line.split("\\t")[0] for line in open(sys.argv[1], encoding="utf-8")]
trainer = trainers.WordPieceTrainer(vocab_size=800, special_tokens=special, show_progress=False)
tokenizer.train_from_iterator(words, trainer)
tokenizer.post_processor = processors.TemplateProcessing(
    single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
)
PreTrainedTokenizerFast(
    tokenizer_object=tokenizer,
    pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
).save_pretrained(sys.argv[2])
BertModel(BertConfig(
    vocab_size=tokenizer.get_vocab_size(), hidden_size=48, num_hidden_layers=2,
    num_attention_heads=2, intermediate_size=64, max_position_embeddings={POSITIONS},
)).save_pretrained(sys.argv[2])
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("transformer")
    transformer, output = root / "transformer", root / "out"
    output.mkdir()
    subprocess.run(
        [sys.executable, "-c", MAKE_TRANSFORMER, SAMPLE / "train.conll", transformer],
        check=True,
        env={**os.environ, "USE_TF": "0"},
    )
    spec = json.loads((SAMPLE.parent / "model_type.json").read_text(encoding="utf-8"))
    hyperparameters = {name: field["default"] for name, field in spec["hyperparameters"].items()}
    hyperparameters |= {"embeddings": str(transformer), "learning_rate": 0.003}
    job = TrainingJob(SAMPLE / "train.conll", output, 2, hyperparameters, lambda progress: None)
    load_trainer("ner", FOLDERS).train(job)
    return output


def test_learns_something(artifact: Path) -> None:
    metrics = json.loads((artifact / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["score"] > 0.3
    assert metrics["samples"] == {"train": 1600, "dev": 200, "test": 200}


def test_serving_files(artifact: Path) -> None:
    assert (artifact / "tokenizer.json").is_file()
    vocabulary = json.loads((artifact / "vocabulary.json").read_text(encoding="utf-8"))
    assert vocabulary["crf"] is None
    assert vocabulary["encoder"] == {"kind": "subwords", "max_subwords": POSITIONS - 2}


def test_golden_is_replayed(artifact: Path) -> None:
    assert list(replay(artifact, load_predictor("ner", FOLDERS).load(artifact))) == []


def test_framework_and_onnx_agree_on_every_dev_sentence(artifact: Path) -> None:
    from flair.models import SequenceTagger

    from model_types.ner.answers import framework_answers

    tagger = SequenceTagger.load(artifact / "framework" / "model.pt")
    encoder = SubwordEncoder.load(artifact / "tokenizer.json", POSITIONS - 2)
    texts = [" ".join(sentence.words) for sentence in read_file(SAMPLE / "dev.conll")]
    answers = load_predictor("ner", FOLDERS).load(artifact).predict(texts)
    expected = framework_answers(tagger, encoder, texts)
    assert sum(map(len, expected)) > 100
    for text, one, other in zip(texts, answers, expected, strict=True):
        assert agree(one, other), text


def test_long_sentences_are_cut_where_the_positions_end(artifact: Path) -> None:
    encoder = SubwordEncoder.load(artifact / "tokenizer.json", POSITIONS - 2)
    text = "Anna Tobrikova met qwxyz" * 40
    pieces = [piece for sentence in sentences(text) for piece in encoder.pieces(sentence)]
    assert len(pieces) > 1
    for piece in pieces:
        feeds = encoder.encode([[token.text for token in piece]])
        assert feeds["input_ids"].shape[1] <= POSITIONS - 2
        assert (feeds["first"] > 0).all()


def test_a_word_of_too_many_subwords_is_cut_off(artifact: Path) -> None:
    feeds = SubwordEncoder.load(artifact / "tokenizer.json", 6).encode([["Anna", "t-t-t-t-t-t"]])
    assert feeds["input_ids"].shape == (1, 6)


def test_a_word_of_nothing_that_the_tokenizer_knows(artifact: Path) -> None:
    feeds = SubwordEncoder.load(artifact / "tokenizer.json", 20).encode([["\x00", "Anna"]])
    assert feeds["first"].tolist() == [[-1, 1]]
    [entities] = load_predictor("ner", FOLDERS).load(artifact).predict(["\x00 Anna \x00"])
    assert all(found["end"] <= 8 for found in entities)
