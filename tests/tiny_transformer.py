"""A transformer of two tiny layers, and the job of fine-tuning it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import model_types
from model_types import TrainingJob

SAMPLE = model_types.builtin_folder() / "ner" / "sample"
POSITIONS = 130

_MAKE = f"""
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


def make_transformer(folder: Path) -> Path:
    """In a process of its own: transformers is to see no TensorFlow."""
    subprocess.run(
        [sys.executable, "-c", _MAKE, SAMPLE / "train.conll", folder],
        check=True,
        env={**os.environ, "USE_TF": "0"},
    )
    return folder


def make_job(transformer: Path, data_set: Path, output: Path, epochs: int) -> TrainingJob:
    spec = json.loads((SAMPLE.parent / "model_type.json").read_text(encoding="utf-8"))
    hyperparameters = {name: field["default"] for name, field in spec["hyperparameters"].items()}
    hyperparameters |= {"embeddings": str(transformer), "learning_rate": 0.003}
    return TrainingJob(data_set, output, epochs, hyperparameters, lambda progress: None)


def make_few(file: Path) -> Path:
    """A data set of a hundred sentences of the sample."""
    content = (SAMPLE / "train.conll").read_text(encoding="utf-8")
    file.write_text("\n\n".join(content.split("\n\n")[:100]), encoding="utf-8")
    return file
