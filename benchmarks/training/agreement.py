"""Whether a model in ONNX answers as it did in the framework that trained it, on whole data sets.

    python -m benchmarks.training.agreement MODEL_TYPE ARTIFACT FILE

asks both about each text of one file, and prints an `Agreement` as JSON. A process of its own: the
frameworks are large, and what is measured next should have the memory.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import Goal, Row, Spread
from benchmarks.setting import Setting
from benchmarks.shed import Shed
from benchmarks.training.experiment import Experiment
from benchmarks.training.program import answer_of
from model_types import FRAMEWORK_FOLDER, Json

_GOAL = Goal(100, at_least=True)

_TEXT = """**The served model against the trained one**: each text of WNUT17 dev and of TweetEval
emotion val goes through Trainshed's predictor (ONNX) and through the framework's own model, as
training saved it. A text counts as the same if both give it the same entities, in the same places,
or the same label."""


@dataclass(frozen=True)
class Agreement:
    texts: int
    same: int
    """Of the texts."""
    found: int
    """Entities or labels that the framework gave: nothing found is easily agreed on."""

    @property
    def percent(self) -> float:
        return 100 * self.same / self.texts


class Subject(NamedTuple):
    name: str
    model: str
    """Its name in the shed."""
    model_type: str
    file: Path


def run(setting: Setting) -> Experiment:
    """Of those of the models that other experiments have left in the shed."""
    if setting.data is None:
        return Experiment(_TEXT, skipped=["Agreement: the public data sets aren't there."])
    dev = setting.data / "wnut17" / "dev.conll"
    val = setting.data / "tweeteval-emotion" / "val.csv"
    subjects = [
        Subject("scratch tagger, WNUT17 dev", "ner", "ner", dev),
        Subject("transformer tagger, WNUT17 dev", "ner-transformer", "ner", dev),
        Subject("sentiment, TweetEval emotion val", "sentiment", "sentiment", val),
    ]
    found = [(one.name, _ask(one, setting.shed)) for one in subjects if one.model in setting.shed]
    left_out = [one.name for one in subjects if one.model not in setting.shed]
    return report(found, [f"Agreement of {name}: it wasn't trained." for name in left_out])


def report(found: Sequence[tuple[str, Agreement]], skipped: Sequence[str]) -> Experiment:
    rows = [
        Row(
            f"ONNX against framework: same answers, {name}",
            Spread.of([agreement.percent]),
            "%",
            _GOAL,
            f"{agreement.same:,} of {agreement.texts:,} texts; "
            f"{agreement.found:,} entities or labels in them",
        )
        for name, agreement in found
    ]
    return Experiment(_TEXT, rows, skipped=skipped)


def compare(onnx: Sequence[Json], framework: Sequence[Json]) -> Agreement:
    """Answers to the same texts, without their scores: lists of entities, or labels."""
    same = sum(one == other for one, other in zip(onnx, framework, strict=True))
    found = sum(len(answer) if isinstance(answer, list) else 1 for answer in framework)
    return Agreement(len(framework), same, found)


def _ask(subject: Subject, shed: Shed) -> Agreement:
    artifact = shed.trained(subject.model, subject.model_type).artifact
    given = subject.model_type, artifact, subject.file
    return Agreement(**answer_of("benchmarks.training.agreement", *given))


def _ner(artifact: Path, file: Path) -> Agreement:
    # A framework is loaded for its own model type alone. `train` settles how Flair is imported.
    importlib.import_module("model_types.ner.train")
    from flair.models import SequenceTagger

    from model_types.ner.answers import framework_answers
    from model_types.ner.conll import read_file
    from model_types.ner.encoder import VOCABULARY, load_encoder
    from model_types.ner.predict import load

    texts = [" ".join(sentence.words) for sentence in read_file(file)]
    vocabulary = json.loads((artifact / VOCABULARY).read_text(encoding="utf-8"))
    encoder = load_encoder(vocabulary["encoder"], artifact)
    tagger = SequenceTagger.load(artifact / FRAMEWORK_FOLDER / "model.pt")
    answers = (load(artifact).predict(texts), framework_answers(tagger, encoder, texts))
    return compare(*([_places(entities) for entities in found] for found in answers))


def _places(entities: Json) -> Json:
    return [(entity["start"], entity["end"], entity["tag"]) for entity in entities]


def _sentiment(artifact: Path, file: Path) -> Agreement:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    from model_types.sentiment.dataset import read_file
    from model_types.sentiment.evaluation import framework_scores
    from model_types.sentiment.predict import load
    from model_types.sentiment.vocabulary import Vocabulary

    texts = [sample.text for sample in read_file(file)]
    vocabulary = Vocabulary.read(artifact)
    model = keras.saving.load_model(artifact / FRAMEWORK_FOLDER / "model.keras")
    scores = framework_scores(model, [vocabulary.encode(text) for text in texts])
    framework = [vocabulary.labels[number] for number in scores.argmax(axis=1)]
    return compare([answer["sentiment"] for answer in load(artifact).predict(texts)], framework)


_ASK = {"ner": _ner, "sentiment": _sentiment}


def main(model_type: str, artifact: str, file: str) -> None:
    print(json.dumps(asdict(_ASK[model_type](Path(artifact), Path(file)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
