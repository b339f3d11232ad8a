"""Training: a data set in CoNLL columns becomes a tagger, its ONNX graph and its report."""

from __future__ import annotations

import logging
import os
import random
import tempfile
import warnings
from pathlib import Path
from typing import Any

# Read by the libraries below when they are imported. Transformers needs no TensorFlow. Flair's
# cache doesn't belong in the home folder. Torch's idle threads mustn't spin: other trainings may
# want the cores (measured: beside those, spinning made this one 4 to 25 times slower).
os.environ.setdefault("USE_TF", "0")
os.environ.setdefault("FLAIR_CACHE_ROOT", str(Path(tempfile.gettempdir()) / "flair"))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import flair
import torch
from flair.data import Corpus, Sentence
from flair.datasets import FlairDatapointDataset
from flair.models import SequenceTagger
from flair.trainers import ModelTrainer
from flair.trainers.plugins import LinearSchedulerPlugin

from model_types import FRAMEWORK_FOLDER, TrainingJob
from model_types.golden import replay
from model_types.ner.answers import write_answers
from model_types.ner.conll import read_data_set
from model_types.ner.evaluation import evaluate
from model_types.ner.export import export
from model_types.ner.feedback import join
from model_types.ner.fine_tuning import ByLength, FineTunedTagger
from model_types.ner.monitor import Monitor
from model_types.ner.predict import load
from model_types.ner.quantize import quantize
from model_types.ner.tagger import SCRATCH, flair_sentences, make_tagger
from model_types.training_report import write_curves, write_history, write_metrics

_TRAIN_SAMPLE = 200
"""Sentences of the train part that are scored after each epoch."""

_WARM_UP = 0.1
"""Share of the steps in which the learning rate rises; then it falls to 0."""

_RATE_TIMES_WIDTH = 0.06
"""A transformer's rate is this over its width: what suits Adam goes down as networks get wider
(Yang et al., "Tensor Programs V", 2022)."""

_NEW_LAYER = 5
"""How many times faster than a pretrained transformer the layer on top of it learns."""


def train(job: TrainingJob) -> None:
    """Train a tagger on `job.dataset`, which `conll.py` describes.

    Raises `InvalidData` and `UnusableCheckpoint`.
    """
    if job.hyperparameters["embeddings"] != SCRATCH:
        _train(job)
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # its steps are too small to share: the threads would only wait
    try:
        _train(job)
    finally:
        torch.set_num_threads(threads)


def _train(job: TrainingJob) -> None:
    logging.getLogger("flair").setLevel(logging.WARNING)
    flair.set_seed(int(job.hyperparameters["seed"]))
    data = read_data_set(job.dataset)
    if job.feedback:
        data, joined = join(data, job.feedback)
        job.joined(joined)
    parts = {
        "train": flair_sentences(data.train),
        "dev": flair_sentences(data.dev),
        "test": flair_sentences(data.test),
    }
    tagger = make_tagger(job, data)
    monitor = _fit(tagger, parts["train"], parts["dev"], job)

    framework = job.output / FRAMEWORK_FOLDER
    framework.mkdir()
    tagger.save(framework / "model.pt")
    encoder = export(tagger, job.output)

    write_history(job.output, monitor.history)
    write_curves(job.output, monitor.history, "Named entities", "F1")
    write_answers(tagger, encoder, data.test, job.output)
    for difference in replay(job.output, load(job.output)):
        raise RuntimeError(f"model.onnx does not answer as Flair does: {difference}")

    int8 = job.hyperparameters["int8"]
    metrics = quantize(job.output, data) if int8 else evaluate(tagger, parts["test"]).metrics
    counts = {part: len(sentences) for part, sentences in parts.items()}
    write_metrics(job.output, metrics, "F1", metrics["micro"]["f1"], counts)


def _fit(
    tagger: SequenceTagger, train_part: list[Sentence], dev: list[Sentence], job: TrainingJob
) -> Monitor:
    """Train with AdamW (Loshchilov and Hutter, 2019); end with the weights that did best on dev."""
    settings = job.hyperparameters
    sample = random.Random(0).sample(train_part, min(_TRAIN_SAMPLE, len(train_part)))  # noqa: S311
    schedule = LinearSchedulerPlugin(_WARM_UP)
    monitor = Monitor(sample, dev, len(train_part), schedule, job)
    rate, batch_size = _learning_rate(job, tagger), int(settings["batch_size"])
    fine_tuning: dict[str, Any] = {}
    if isinstance(tagger, FineTunedTagger):
        fine_tuning = {
            "decoder_learning_rate": rate * _NEW_LAYER,
            "sampler": ByLength([tagger.length(sentence) for sentence in train_part], batch_size),
            "use_amp": _multiplies_halves(),
        }
    corpus = Corpus(train=FlairDatapointDataset(train_part), sample_missing_splits=False)
    with tempfile.TemporaryDirectory() as scrap, warnings.catch_warnings():
        # The trainer wants a folder, though it leaves nothing, and warns of its own use of torch.
        warnings.filterwarnings("ignore", ".*GradScaler", FutureWarning)
        ModelTrainer(tagger, corpus).train_custom(
            scrap,
            learning_rate=rate,
            mini_batch_size=batch_size,
            max_epochs=job.epochs,
            epoch=monitor.epochs_before,
            optimizer=torch.optim.AdamW,
            weight_decay=0.01,
            embeddings_storage_mode="none",
            use_final_model_for_eval=True,
            save_final_model=False,
            create_file_logs=False,
            create_loss_file=False,
            plugins=[schedule, monitor],
            **fine_tuning,
        )
    if tagger.model_card is not None:
        del tagger.model_card["training_parameters"]["sampler"]  # it holds the training sentences
    if len(monitor.history) < job.epochs:
        raise KeyboardInterrupt  # which the trainer keeps to itself, as a wish to end early
    monitor.restore_best(tagger)
    return monitor


def _learning_rate(job: TrainingJob, tagger: SequenceTagger) -> float:
    chosen = float(job.hyperparameters["learning_rate"])
    if chosen:
        return chosen
    if isinstance(tagger, FineTunedTagger):
        return _RATE_TIMES_WIDTH / tagger.embeddings.embedding_length
    return 4e-3


def _multiplies_halves() -> bool:
    """Whether matrices of 16 bits are quicker here than those of 32; the weights keep 32."""
    processor = torch.cpu.get_capabilities()
    return torch.cuda.is_available() or any(
        processor.get(name) for name in ("avx512_bf16", "amx_bf16")
    )
