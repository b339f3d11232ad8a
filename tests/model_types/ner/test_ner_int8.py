"""A fine-tuned transformer that is served in 8 bits, if that costs little."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

import model_types
from model_types import InvalidData, TrainingJob, load_predictor, load_trainer
from model_types.golden import TOLERANCE, read_golden, replay, write_golden
from model_types.ner.conll import DataSet, read_data_set, read_file
from model_types.ner.predict import NerPredictor
from tests.tiny_transformer import SAMPLE, make_few, make_job, make_transformer

FOLDERS = [model_types.builtin_folder()]
FILES = {
    "framework",
    "golden.json",
    "history.csv",
    "metrics.json",
    "model.onnx",
    "tokenizer.json",
    "training_curves.png",
    "vocabulary.json",
}


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_transformer(tmp_path_factory.mktemp("transformer") / "transformer")


@pytest.fixture(scope="module")
def artifact(transformer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a training with `int8`, kept whatever this processor's floats make of the scores."""
    load_trainer("ner", FOLDERS)
    output = tmp_path_factory.mktemp("trained") / "out"
    output.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model_types.ner.quantize.MARGIN", 1)
        with_int8(make_job(transformer, SAMPLE / "train.conll", output, 5))
    return output


@pytest.fixture(scope="module")
def with_floats(transformer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a short training without it."""
    root = tmp_path_factory.mktemp("floats")
    (output := root / "out").mkdir()
    job = make_job(transformer, make_few(root / "few.conll"), output, 2)
    load_trainer("ner", FOLDERS).train(job)
    return output


def with_int8(job: TrainingJob) -> None:
    settings = {**job.hyperparameters, "int8": True}
    load_trainer("ner", FOLDERS).train(replace(job, hyperparameters=settings))


def load(folder: Path) -> NerPredictor:
    predictor = load_predictor("ner", FOLDERS).load(folder)
    assert isinstance(predictor, NerPredictor)
    return predictor


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def products(artifact: Path) -> tuple[int, int]:
    """How many products with weights there are of integers, and how many of floats."""
    graph = onnx.load(artifact / "model.onnx").graph
    weights = {tensor.name for tensor in graph.initializer}
    kinds = [node.op_type for node in graph.node if weights & set(node.input)]
    return kinds.count("MatMulInteger"), kinds.count("MatMul")


def test_the_graph_in_8_bits_is_served(artifact: Path) -> None:
    assert {path.name for path in artifact.iterdir()} == FILES
    assert products(artifact) == (13, 0)  # six in each of two layers, and the last one
    assert read(artifact / "vocabulary.json")["int8"] is True


def test_the_score_is_of_what_is_served(artifact: Path) -> None:
    metrics = read(artifact / "metrics.json")
    int8 = metrics["int8"]
    assert set(int8) == {"kept", "dev_f1", "float_dev_f1", "f1", "float_f1"}
    assert int8["kept"] is True
    assert metrics["score"] == metrics["micro"]["f1"] == int8["f1"] > 0.1
    assert set(metrics["labels"]) == {"LOC", "MISC", "ORG", "PER"}
    assert metrics["samples"] == {"train": 1600, "dev": 200, "test": 200}


def test_the_float_graphs_score_is_flairs(artifact: Path) -> None:
    load_trainer("ner", FOLDERS)
    from flair.models import SequenceTagger

    from model_types.ner.evaluation import evaluate
    from model_types.ner.tagger import flair_sentences

    tagger = SequenceTagger.load(artifact / "framework" / "model.pt")
    test = flair_sentences(read_data_set(SAMPLE / "train.conll").test)
    flairs = evaluate(tagger, test).f1
    assert read(artifact / "metrics.json")["int8"]["float_f1"] == pytest.approx(flairs)


def test_golden_answers_are_its_own(artifact: Path) -> None:
    examples = read_golden(artifact)
    assert sum(len(example.output) for example in examples) > 10
    assert {example.tolerance for example in examples} == {0.1}
    assert list(replay(artifact, load(artifact))) == []


def test_an_answer_does_not_depend_on_what_is_asked_with_it(artifact: Path) -> None:
    predictor = load(artifact)
    texts = [" ".join(sentence.words) for sentence in read_file(SAMPLE / "dev.conll")]
    assert predictor.predict(texts) == [predictor.predict([text])[0] for text in texts]


def test_texts_in_which_flair_finds_others_are_not_golden(artifact: Path, tmp_path: Path) -> None:
    load_trainer("ner", FOLDERS)
    from model_types.ner.answers import replace_answers

    examples = read_golden(artifact)
    number = next(index for index, example in enumerate(examples) if example.output)
    flairs = list(examples)
    flairs[number] = replace(examples[number], output=[])
    write_golden(tmp_path, flairs)
    replace_answers(tmp_path, load(artifact))
    assert read_golden(tmp_path) == examples[:number] + examples[number + 1 :]


@pytest.mark.parametrize(
    ("float_dev", "dev", "float_test", "test", "kept"),
    [(0.5, 0.495, 0.5, 0.3, True), (0.5, 0.6, 0.5, 0.3, True), (0.5, 0.48, 0.5, 0.6, False)],
)
def test_the_dev_part_decides(
    with_floats: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    float_dev: float,
    dev: float,
    float_test: float,
    test: float,
    kept: bool,
) -> None:
    load_trainer("ner", FOLDERS)
    from model_types.ner import quantize

    folder = shutil.copytree(with_floats, tmp_path / "artifact")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    scores = {"dev": [float_dev, dev], "test": [float_test, test]}

    def evaluate_served(predictor: NerPredictor, part: Any) -> Any:
        return {"micro": {"f1": scores[part].pop(0)}}

    monkeypatch.setattr(quantize, "evaluate_served", evaluate_served)
    data: Any = DataSet([], "dev", "test")  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO):
        metrics = quantize.quantize(folder, data)
    assert metrics == {
        "micro": {"f1": test if kept else float_test},
        "int8": {
            "kept": kept,
            "dev_f1": dev,
            "float_dev_f1": float_dev,
            "f1": test,
            "float_f1": float_test,
        },
    }
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == ({"model.onnx", "vocabulary.json", "golden.json"} if kept else set())
    [record] = [record for record in caplog.records if record.name == "model_types.ner.quantize"]
    assert (record.levelno == logging.WARNING) is not kept
    assert f"{dev:.4f}" in record.getMessage()
    assert f"{float_dev:.4f}" in record.getMessage()


def test_a_graph_that_is_not_kept_leaves_the_float_one(
    transformer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_trainer("ner", FOLDERS)
    monkeypatch.setattr("model_types.ner.quantize.MARGIN", -1.1)
    (output := tmp_path / "out").mkdir()
    with_int8(make_job(transformer, make_few(tmp_path / "few.conll"), output, 2))
    assert {path.name for path in output.iterdir()} == FILES
    assert products(output) == (0, 13)
    metrics = read(output / "metrics.json")
    assert metrics["int8"]["kept"] is False
    assert metrics["score"] == metrics["int8"]["float_f1"]
    assert {example.tolerance for example in read_golden(output)} == {TOLERANCE}
    assert list(replay(output, load(output))) == []


def test_scratch_has_no_8_bits(tmp_path: Path) -> None:
    job = make_job(Path("scratch"), SAMPLE / "train.conll", tmp_path, 1)
    with pytest.raises(InvalidData, match="int8: only a transformer is served in 8 bits"):
        with_int8(job)
    assert list(tmp_path.iterdir()) == []
