"""What training leaves, and whether it has learnt anything."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from model_types import FRAMEWORK_FOLDER, Example, InvalidData, Predictor, TrainingJob, golden
from model_types.sentiment import export, network, predict, wide
from model_types.sentiment.dataset import read_file
from model_types.sentiment.evaluation import deep_logits, framework_scores
from model_types.sentiment.train import train
from model_types.sentiment.vocabulary import Batch, Encoded, Vocabulary

from .conftest import Trained

# Keras on TensorFlow, about NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_the_artifact_holds_what_the_contract_asks_for(trained: Trained) -> None:
    files = {
        file.relative_to(trained.folder).as_posix()
        for file in trained.folder.rglob("*")
        if file.is_file()
    }
    assert files == {
        f"{FRAMEWORK_FOLDER}/model.keras",
        "model.onnx",
        "vocabulary.json",
        "history.csv",
        "training_curves.png",
        "metrics.json",
        "golden.json",
    }


def test_it_learns_the_sample(trained: Trained) -> None:
    metrics = json.loads((trained.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["score_name"] == "macro F1"
    assert metrics["score"] == metrics["macro"]["f1"]
    assert metrics["score"] > 0.9
    assert set(metrics["labels"]) == {"negative", "neutral", "positive"}
    assert metrics["samples"] == {"train": 2400, "dev": 300, "test": 300}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I am so sad", "negative"),
        ("I love this", "positive"),
        ("I do not like it", "negative"),
        ("not good", "negative"),
        ("not bad at all", "positive"),
        ("The museum opens at nine", "neutral"),
    ],
)
def test_it_answers_what_is_not_in_its_data(predictor: Predictor, text: str, label: str) -> None:
    [answer] = predictor.predict([text])
    assert answer["sentiment"] == label


def test_history_has_a_row_per_epoch(trained: Trained) -> None:
    with (trained.folder / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, trained.epochs + 1))
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert all(0 <= float(row[f"{part}_score"]) <= 1 for row in rows for part in ("train", "dev"))
    assert (trained.folder / "training_curves.png").read_bytes().startswith(b"\x89PNG")


def test_progress_comes_with_every_epoch(trained: Trained) -> None:
    assert {report.epoch for report in trained.reports} >= set(range(1, trained.epochs + 1))
    last = trained.reports[-1]
    assert (last.epoch, last.epochs, last.seconds_left) == (trained.epochs, trained.epochs, 0)
    assert last.score is not None
    assert last.score > 0.9
    assert last.loss is not None
    assert last.samples_per_second is not None


def test_golden_examples_are_many_and_replay(trained: Trained, predictor: Predictor) -> None:
    assert len(golden.read_golden(trained.folder)) >= 20
    assert list(golden.replay(trained.folder, predictor)) == []


def test_golden_replay_notices_another_model(trained: Trained, tmp_path: Path) -> None:
    """The check at the end of training can fail."""
    for file in ("model.onnx", "vocabulary.json", "golden.json"):
        (tmp_path / file).write_bytes((trained.folder / file).read_bytes())
    model = onnx.load(tmp_path / "model.onnx")
    [table] = [each for each in model.graph.initializer if each.name == "wide_table"]
    table.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(table), table.name))
    onnx.save(model, tmp_path / "model.onnx")
    assert list(golden.replay(tmp_path, predict.load(tmp_path)))


@pytest.mark.parametrize("batch_size", [1, 7, 128])
def test_onnx_agrees_with_keras_on_every_dev_text(
    trained: Trained, predictor: Predictor, sample: Path, batch_size: int
) -> None:
    """Whatever they are padded to: batches hold other texts than in serving."""
    import keras

    model = keras.models.load_model(trained.folder / FRAMEWORK_FOLDER / "model.keras")
    vocabulary = Vocabulary.read(trained.folder)
    texts = [each.text for each in read_file(sample / "dev.csv")]
    texts = texts[:20] if batch_size == 1 else texts
    encoded = [vocabulary.encode(text) for text in texts]
    batches = (
        Batch.of(encoded[start : start + batch_size])
        for start in range(0, len(encoded), batch_size)
    )
    expected = np.concatenate(
        [model.predict_on_batch([b.words, b.features, b.weights]) for b in batches]
    )
    answers = predictor.predict(texts)
    actual = np.array([[each["scores"][name] for name in vocabulary.labels] for each in answers])
    np.testing.assert_allclose(actual, expected, atol=1e-3)
    labels = [vocabulary.labels[number] for number in expected.argmax(axis=1)]
    assert [each["sentiment"] for each in answers] == labels


def test_the_keras_model_can_go_on_training(trained: Trained) -> None:
    import keras

    model = keras.models.load_model(trained.folder / FRAMEWORK_FOLDER / "model.keras")
    model.compile("sgd", "sparse_categorical_crossentropy")
    vocabulary = Vocabulary.read(trained.folder)
    batch = Batch.of([vocabulary.encode("I love this"), vocabulary.encode("so sad")])
    inputs = [batch.words, batch.features, batch.weights]
    labels = np.array([2, 0])
    before = model.test_on_batch(inputs, labels)
    for _ in range(5):
        model.train_on_batch(inputs, labels)
    assert model.test_on_batch(inputs, labels) < before


def test_the_graph_has_no_loop_and_no_custom_operator(trained: Trained) -> None:
    model = onnx.load(trained.folder / "model.onnx")
    operators = {node.op_type for node in model.graph.node}
    assert "GRU" in operators
    assert "Loop" not in operators
    assert [opset.domain for opset in model.opset_import] == [""]


def test_a_model_that_does_not_export_well_fails_the_training(
    defaults: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = export.export

    def export_another(model: Any, folder: Path) -> None:
        layer = model.get_layer("wide")
        [table] = layer.get_weights()
        layer.set_weights([-table])
        write(model, folder)
        layer.set_weights([table])

    monkeypatch.setattr(export, "export", export_another)
    dataset = tmp_path / "texts.csv"
    rows = [f"{word} {number},{word}" for word in ("good", "bad") for number in range(10)]
    dataset.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"model\.onnx answers otherwise"):
        train(_small_job(defaults, dataset, tmp_path / "out"))


def test_any_labels_and_the_same_seed_give_the_same_model(defaults: Any, tmp_path: Path) -> None:
    words = ("1", "zwei", "drei, vier")
    rows = [f'{number},"{word} {number}","{word}"' for word in words for number in range(12)]
    dataset = tmp_path / "texts.csv"
    dataset.write_text("\n".join(["id,text,label_text", *rows]), encoding="utf-8")
    for name in ("one", "other"):
        train(_small_job(defaults, dataset, tmp_path / name))
    metrics = json.loads((tmp_path / "one" / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics["labels"]) == set(words)
    one, other = ((tmp_path / name / "model.onnx").read_bytes() for name in ("one", "other"))
    assert one == other


def test_bad_data_is_refused_before_tensorflow_is_imported(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("text,label\ngood,yes\n", encoding="utf-8")
    program = """
import sys
from pathlib import Path
from model_types import InvalidData, TrainingJob
from model_types.sentiment.train import train
try:
    train(TrainingJob(Path(sys.argv[1]), Path(), 1, {"seed": 1}, print))
except InvalidData as error:
    print(error, "tensorflow" in sys.modules)
"""
    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "bad.csv")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "has one label only, 'yes'" in answer.stdout
    assert answer.stdout.endswith("False\n")


def test_nothing_is_left_where_the_data_is_missing(defaults: Any, tmp_path: Path) -> None:
    job = _small_job(defaults, tmp_path / "nowhere.csv", tmp_path / "out")
    with pytest.raises(InvalidData, match="does not exist"):
        train(job)
    assert list(job.output.iterdir()) == []


def test_feedback_that_cannot_be_learned_from_is_refused(
    defaults: Any, sample: Path, tmp_path: Path
) -> None:
    wrong = Example("text/plain", b"new", {"spans": []}, "Feedback 7")
    told: list[int] = []
    job = _small_job(defaults, sample, tmp_path / "out")
    with pytest.raises(InvalidData, match="Feedback 7: A right answer is"):
        train(replace(job, feedback=[wrong], joined=told.append))
    assert (told, list(job.output.iterdir())) == ([], [])


def test_export_names_the_layers_that_the_network_has() -> None:
    built = network.build(np.zeros((5, 2), np.float32), 7, 4, 3, 0.5)
    assert built.model.output_shape == (None, 2)
    assert set(built.deep.output_names) == {"recurrent", "convolution"}


def test_the_model_answers_with_the_weighted_mean_of_its_heads() -> None:
    wide_weights = np.arange(10, dtype=np.float32).reshape(5, 2)
    built = network.build(wide_weights, 7, 4, 3, 0.5)
    texts = [
        Encoded(np.array(words, np.int32), np.array([1, 3], np.int32), np.ones(2, np.float32))
        for words in ([2, 3, 4], [5, 6])
    ]
    by_wide = wide.logits(wide_weights, texts)
    np.testing.assert_allclose(by_wide, [[8, 10], [8, 10]])
    by_deep = deep_logits(built.deep, texts)
    built.mix(0.25)
    expected = np.exp(0.75 * by_wide + 0.25 * by_deep)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(framework_scores(built.model, texts), expected, rtol=1e-5)


def _small_job(defaults: Any, dataset: Path, output: Path) -> TrainingJob:
    values = {name: field["default"] for name, field in defaults["hyperparameters"].items()}
    output.mkdir()
    small = {"embedding_size": 4, "hidden_size": 3, "batch_size": 8}
    return TrainingJob(dataset, output, 2, values | small, report=lambda _: None)
