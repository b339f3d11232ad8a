"""One short training on a part of the sample data set; the tests look at what it left."""

from __future__ import annotations

import csv
import itertools
import json
import logging
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

import model_types
from model_types import (
    Answers,
    Correctable,
    Example,
    InvalidData,
    InvalidInput,
    Progress,
    TrainingJob,
    load_predictor,
    load_trainer,
)
from model_types.golden import agree, read_golden, replay
from model_types.ner.predict import NerPredictor

SAMPLE = model_types.builtin_folder() / "ner" / "sample"
FOLDERS = [model_types.builtin_folder()]
EPOCHS = 5


class Trained(NamedTuple):
    folder: Path
    reports: list[Progress]
    log: str

    @property
    def predictor(self) -> NerPredictor:
        predictor = load_predictor("ner", FOLDERS).load(self.folder)
        assert isinstance(predictor, NerPredictor)
        return predictor


def defaults() -> dict[str, str | int | float | bool]:
    spec = json.loads((SAMPLE.parent / "model_type.json").read_text(encoding="utf-8"))
    return {name: field["default"] for name, field in spec["hyperparameters"].items()}


def make_data_set(folder: Path, sentences: int) -> Path:
    folder.mkdir()
    for part in ("train", "dev", "test"):
        content = (SAMPLE / f"{part}.conll").read_text(encoding="utf-8")
        kept = content.split("\n\n")[: sentences if part == "train" else sentences // 4]
        (folder / f"{part}.conll").write_text("\n\n".join(kept), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("ner")
    data_set, output, log = make_data_set(root / "data", 400), root / "out", root / "log"
    output.mkdir()
    reports: list[Progress] = []
    handler = logging.FileHandler(log)
    logger = logging.getLogger("model_types")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        job = TrainingJob(data_set, output, EPOCHS, defaults(), reports.append)
        load_trainer("ner", FOLDERS).train(job)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        handler.close()
    return Trained(output, reports, log.read_text(encoding="utf-8"))


def test_leaves_an_artifact_and_nothing_else(trained: Trained) -> None:
    files = {str(path.relative_to(trained.folder)) for path in trained.folder.rglob("*.*")}
    assert files == {
        "framework/model.pt",
        "model.onnx",
        "words.onnx",
        "vocabulary.json",
        "history.csv",
        "training_curves.png",
        "metrics.json",
        "golden.json",
    }


def test_learns_something(trained: Trained) -> None:
    metrics = json.loads((trained.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["score_name"] == "F1"
    assert metrics["score"] == metrics["micro"]["f1"] > 0.3
    assert set(metrics["labels"]) == {"LOC", "MISC", "ORG", "PER"}
    assert metrics["samples"] == {"train": 400, "dev": 100, "test": 100}


def test_history_has_a_row_per_epoch(trained: Trained) -> None:
    with (trained.folder / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert all(0 <= float(row["dev_score"]) <= 1 for row in rows)


def test_reports_each_epoch(trained: Trained) -> None:
    assert [r.epoch for r in trained.reports if r.score is not None][-1] == EPOCHS
    assert {r.epoch for r in trained.reports} >= {1, 2, 3, 4, 5}
    last = trained.reports[-1]
    assert last.epochs == EPOCHS
    assert last.score_name == "F1"
    assert last.seconds_left == 0
    assert last.samples_per_second is not None
    assert last.samples_per_second > 0


def test_logs_each_epoch(trained: Trained) -> None:
    lines = trained.log.splitlines()
    assert len(lines) == EPOCHS
    assert lines[0].startswith("epoch 1/5: loss ")


def test_golden_covers_several_sentences_and_odd_texts(trained: Trained) -> None:
    examples = read_golden(trained.folder)
    assert len(examples) >= 20
    assert any(example.output for example in examples)
    assert list(replay(trained.folder, trained.predictor)) == []


def test_framework_and_onnx_agree_on_every_dev_sentence(trained: Trained) -> None:
    from flair.models import SequenceTagger

    from model_types.ner.answers import framework_answers
    from model_types.ner.conll import read_file
    from model_types.ner.encoder import load_encoder

    tagger = SequenceTagger.load(trained.folder / "framework" / "model.pt")
    vocabulary = json.loads((trained.folder / "vocabulary.json").read_text(encoding="utf-8"))
    encoder = load_encoder(vocabulary["encoder"], trained.folder)
    texts = [" ".join(sentence.words) for sentence in read_file(SAMPLE / "dev.conll")]
    answers = trained.predictor.predict(texts)
    expected = framework_answers(tagger, encoder, texts)
    assert sum(map(len, expected)) > 100
    for text, one, other in zip(texts, answers, expected, strict=True):
        assert agree(one, other), text


def test_an_artifact_of_before_the_words_had_a_graph_is_refused(
    trained: Trained, tmp_path: Path
) -> None:
    for file in ("model.onnx", "vocabulary.json"):
        shutil.copy(trained.folder / file, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no words\.onnx\. Train it again\."):
        load_predictor("ner", FOLDERS).load(tmp_path)


def test_answers_the_same_alone_and_among_others(trained: Trained) -> None:
    texts = [
        "George Washington was president of the United States. " * 40,
        "\U0001f600",
        "Maria lives in Paris.\r\n\r\nOlga moved to Oslo!",
        "x" * 5000,
        "Anna " * 1000,
    ]
    predictor = trained.predictor
    together = predictor.predict(texts)
    assert agree(together, [predictor.predict([text])[0] for text in texts])
    assert together[1] == []
    for text, entities in zip(texts, together, strict=True):
        for found, following in itertools.pairwise(entities):
            assert found["end"] <= following["start"]
        for found in entities:
            assert text[found["start"] : found["end"]] == found["text"]
            assert 0 <= found["score"] <= 1


def test_decodes_texts(trained: Trained) -> None:
    inputs = trained.predictor.decode(b'{"texts": ["a", "b"]}', "application/json")
    assert inputs.many
    assert len(trained.predictor.predict(inputs.items)) == 2


def test_refuses_a_transformer_that_is_not_there(tmp_path: Path) -> None:
    job = TrainingJob(
        make_data_set(tmp_path / "data", 40),
        tmp_path,
        1,
        {**defaults(), "embeddings": "distilbert-base-cased"},
        lambda progress: None,
    )
    with pytest.raises(InvalidData, match="set TRAINSHED_ALLOW_DOWNLOADS=1 to fetch it"):
        load_trainer("ner", FOLDERS).train(job)


def test_refuses_a_folder_that_is_no_transformer(tmp_path: Path) -> None:
    job = TrainingJob(
        make_data_set(tmp_path / "data", 40),
        tmp_path,
        1,
        {**defaults(), "embeddings": str(tmp_path)},
        lambda progress: None,
    )
    with pytest.raises(InvalidData, match="cannot be loaded"):
        load_trainer("ner", FOLDERS).train(job)


def test_reports_within_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_trainer("ner", FOLDERS)
    monkeypatch.setattr("model_types.ner.monitor._REPORT_EVERY", 0.0)
    output = tmp_path / "out"
    output.mkdir()
    reports: list[Progress] = []
    hyperparameters = {**defaults(), "batch_size": 10}
    data_set = make_data_set(tmp_path / "data", 40)
    load_trainer("ner", FOLDERS).train(
        TrainingJob(data_set, output, 2, hyperparameters, reports.append)
    )
    assert [report.epoch for report in reports] == [0, 0, 0, 0, 1, 1, 1, 1, 1, 2]
    assert all(report.loss is not None for report in reports)
    assert [report.score is None for report in reports] == [True] * 4 + [False] * 6


def test_a_label_that_training_lacks_is_scored_too(tmp_path: Path) -> None:
    data_set, output = tmp_path / "data", tmp_path / "out"
    data_set.mkdir()
    output.mkdir()
    (data_set / "train.txt").write_text("Anna B-PER\nslept O\n\n" * 20, encoding="utf-8")
    (data_set / "dev.txt").write_text("Paris B-LOC\nslept O\n\n", encoding="utf-8")
    (data_set / "test.txt").write_text("Paris B-LOC\nslept O\n\n", encoding="utf-8")
    load_trainer("ner", FOLDERS).train(
        TrainingJob(data_set, output, 1, defaults(), lambda progress: None)
    )
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["labels"]["LOC"]["support"] == 1


def test_an_interrupted_training_leaves_no_model(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    output = tmp_path / "out"
    output.mkdir()
    job = TrainingJob(make_data_set(tmp_path / "data", 40), output, 2, defaults(), interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_trainer("ner", FOLDERS).train(job)
    assert list(output.iterdir()) == []


def test_its_own_answers_can_be_approved_and_corrected(trained: Trained) -> None:
    predictor = trained.predictor
    assert isinstance(predictor, Correctable)
    assert predictor.answers is Answers.SPANS
    assert predictor.labels == ["LOC", "MISC", "ORG", "PER"]
    texts = [example.body.decode() for example in read_golden(trained.folder)]
    for text, answer in zip(texts, predictor.predict(texts), strict=True):
        approved = predictor.expected(answer)
        predictor.check(text, approved)
        assert [text[span["start"] : span["end"]] for span in approved["spans"]] == [
            entity["text"] for entity in answer
        ]
    for wrong in ({"start": 0, "end": 3, "label": "PER"}, {"start": 0, "end": 4, "label": "O"}):
        with pytest.raises(InvalidInput):
            predictor.check("Anna slept", {"spans": [wrong]})


def test_feedback_that_cannot_be_learned_from_is_refused(tmp_path: Path) -> None:
    spans = {"spans": [{"start": 0, "end": 2, "label": "PER"}]}
    wrong = Example("text/plain", b"Rex barked.", spans, "Feedback 7")
    told: list[int] = []
    job = TrainingJob(SAMPLE, tmp_path, 1, defaults(), print, [wrong], told.append)
    with pytest.raises(InvalidData, match="Feedback 7: The span 'Re', from 0 to 2"):
        load_trainer("ner", FOLDERS).train(job)
    assert (told, list(tmp_path.iterdir())) == ([], [])


def test_a_model_that_has_learned_little_is_exported_as_it_is(tmp_path: Path) -> None:
    (output := tmp_path / "out").mkdir()
    job = TrainingJob(make_data_set(tmp_path / "data", 60), output, 5, defaults(), lambda _: None)
    load_trainer("ner", FOLDERS).train(job)
    assert not list(replay(output, load_predictor("ner", FOLDERS).load(output)))
