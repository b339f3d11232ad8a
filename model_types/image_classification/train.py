"""Train a network for pictures with torch, and leave it ready to be served."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

# Read by torch when it is imported: its idle threads mustn't spin, for other trainings may want
# the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from PIL import Image

from model_types import FRAMEWORK_FOLDER, TrainingJob, golden
from model_types.training_report import class_metrics, write_curves, write_history, write_metrics

from . import feedback, predict
from .dataset import Parts, Sample, read_parts
from .evaluation import SCORE_NAME, Part, logits
from .export import export
from .fit import fit
from .network import Network
from .picture import Picture, Pixels

logger = logging.getLogger(__name__)

_GOLDEN_TEST_PICTURES = 12


def train(job: TrainingJob) -> None:
    """Train on `job.dataset` (see dataset.py for its layout). Raises `InvalidData`,
    `UnusableCheckpoint`, and `RuntimeError` when the exported network doesn't answer as the trained
    one does."""
    settings = job.hyperparameters
    size = int(settings["image_size"])
    parts = read_parts(job.dataset, size, int(settings["seed"]))
    if job.feedback:
        parts, joined = feedback.join(parts, job.feedback, size)
        job.joined(joined)
    labels = parts.labels
    logger.info("%d training pictures of %d classes", len(parts.train), len(labels))
    network = _network(job, parts)
    history = fit(network, _part(parts.train, labels), _part(parts.dev, labels), job)
    network.cpu().eval()

    framework = job.output / FRAMEWORK_FOLDER
    framework.mkdir()
    torch.save(network.state_dict(), framework / "model.pt")
    export(network, labels, size, job.output)
    write_history(job.output, history)
    write_curves(job.output, history, "Image classification", SCORE_NAME)
    _write_metrics(job.output, network, parts)
    _write_golden(job.output, network, parts, size)
    for difference in golden.replay(job.output, predict.load(job.output)):
        raise RuntimeError(f"model.onnx does not answer as the network does: {difference}")


def _network(job: TrainingJob, parts: Parts) -> Network:
    """On the GPU, if there is one."""
    with torch.random.fork_rng(devices=[]):  # the process' own generator is none of ours
        torch.manual_seed(int(job.hyperparameters["seed"]))
        network = Network(len(parts.labels), int(job.hyperparameters["width"]))
    network.normalise_by(_tensor([sample.pixels for sample in parts.train]))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Channels last is what a GPU's tensor cores want, and a processor's vectors.
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _tensor(pictures: Sequence[Pixels]) -> torch.Tensor:
    """(pictures, 3, size, size), in memory with the channels last."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def _part(samples: Sequence[Sample], labels: Sequence[str]) -> Part:
    numbers = {label: number for number, label in enumerate(labels)}
    return Part(
        _tensor([sample.pixels for sample in samples]),
        torch.tensor([numbers[sample.label] for sample in samples]),
    )


def _write_metrics(folder: Path, network: Network, parts: Parts) -> None:
    numbers = logits(network, _part(parts.test, parts.labels).pictures).argmax(1)
    predicted = (parts.labels[number] for number in numbers.tolist())
    metrics = class_metrics((sample.label for sample in parts.test), predicted)
    sizes = {name: len(part) for name, part in vars(parts).items()}
    write_metrics(folder, metrics, SCORE_NAME, metrics["accuracy"], sizes)


def _write_golden(folder: Path, network: Network, parts: Parts, size: int) -> None:
    """Pictures of the test part, and some in every form that a file can have."""
    files = [*_test_files(parts.test), *_odd_files()]
    pictures = [Picture(body).square(size) for body, _ in files]
    scores = logits(network, _tensor(pictures)).softmax(1).numpy()
    golden.write_golden(
        folder,
        [
            golden.Example(body, media_type, predict.result(parts.labels, row))
            for (body, media_type), row in zip(files, scores, strict=True)
        ],
    )


def _test_files(test: Sequence[Sample]) -> Iterator[tuple[bytes, str]]:
    """Some of every class that there is room for."""
    step = max(1, len(test) // _GOLDEN_TEST_PICTURES)
    for sample in test[::step]:
        yield _file(Image.fromarray(sample.pixels), "PNG")


def _odd_files() -> Iterator[tuple[bytes, str]]:
    """One picture of no meaning, in all modes that JPEG and PNG know."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 4), np.uint8)
    smooth = Image.fromarray(noise[:6, :8]).resize((64, 48), Image.Resampling.BICUBIC)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        converted = smooth.convert("RGB") if mode in ("1", "P") else smooth
        yield _file(converted.convert(mode), "PNG")
    yield _file(Image.fromarray(noise[..., 0].astype(np.uint16) << 8), "PNG")
    for mode in ("L", "RGB", "CMYK"):
        yield _file(smooth.convert("RGB").convert(mode), "JPEG")


def _file(picture: Image.Image, form: str) -> tuple[bytes, str]:
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue(), f"image/{form.lower()}"
