"""How many words per second fine-tuning takes in: Trainshed's and the first generation's, in turns.

    python -m benchmarks.training.first_generation TRANSFORMER DATA_SET REPEATS

prints two lists of words per second as JSON. Both train one epoch on the same sentences with the
same transformer, each as a whole training in Flair's own trainer; the clock runs from the first
batch to the last. A process of its own: the frameworks are large, and what is measured next should
have the memory.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Before Flair, because it settles how Flair is imported.
from model_types.ner import train as trainer  # isort: skip

from flair.data import Corpus
from flair.datasets import FlairDatapointDataset
from flair.embeddings import TransformerWordEmbeddings
from flair.models import SequenceTagger
from flair.trainers import ModelTrainer
from flair.trainers.plugins import TrainerPlugin

from model_types import Progress, TrainingJob, builtin_folder
from model_types.ner.conll import read_data_set
from model_types.ner.evaluation import LABEL
from model_types.ner.tagger import flair_sentences


class _Clock(TrainerPlugin):
    seconds = 0.0

    @TrainerPlugin.hook
    def before_training_epoch(self, **_: Any) -> None:
        self._started = time.monotonic()

    @TrainerPlugin.hook
    def after_training_epoch(self, **_: Any) -> None:
        self.seconds = time.monotonic() - self._started


def first_generation(transformer: Path, data_set: Path) -> float:
    """Sentences per second with all of Flair's defaults: `TransformerWordEmbeddings` under an LSTM
    of 256 units, a CRF and a layer that reprojects, SGD at 0.1, batches of 32, 32 bits."""
    data = read_data_set(data_set)
    corpus = Corpus(
        train=FlairDatapointDataset(flair_sentences(data.train)),
        dev=FlairDatapointDataset(flair_sentences(data.dev)),
        test=FlairDatapointDataset(flair_sentences(data.test)),
    )
    tagger = SequenceTagger(
        embeddings=TransformerWordEmbeddings(str(transformer)),
        tag_dictionary=corpus.make_label_dictionary(LABEL, add_unk=False),
        tag_type=LABEL,
        hidden_size=256,
    )
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        ModelTrainer(tagger, corpus).train(
            folder,
            learning_rate=0.1,
            mini_batch_size=32,
            max_epochs=1,
            plugins=[clock],
        )
    return len(data.train) / clock.seconds


def trainshed(transformer: Path, data_set: Path) -> float:
    """Sentences per second with all defaults."""
    spec = json.loads((builtin_folder() / "ner" / "model_type.json").read_text(encoding="utf-8"))
    values = {name: field["default"] for name, field in spec["hyperparameters"].items()}
    reports: list[Progress] = []
    with tempfile.TemporaryDirectory() as folder:
        job = TrainingJob(
            data_set, Path(folder), 1, {**values, "embeddings": str(transformer)}, reports.append
        )
        trainer.train(job)
    return float(reports[-1].samples_per_second or 0)


def main(transformer: Path, data_set: Path, repeats: int) -> None:
    sentences = read_data_set(data_set).train
    words = sum(len(sentence.words) for sentence in sentences) / len(sentences)
    rates: dict[str, list[float]] = {"trainshed": [], "first_generation": []}
    for _ in range(repeats):
        rates["trainshed"].append(words * trainshed(transformer, data_set))
        rates["first_generation"].append(words * first_generation(transformer, data_set))
    print(json.dumps(rates))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
