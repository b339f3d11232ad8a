"""Fine-tuning a transformer of two tiny layers that the test itself makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import model_types
from model_types import load_predictor, load_trainer
from model_types.golden import agree, replay
from model_types.ner.conll import Sentence, read_file
from model_types.ner.subwords import SubwordEncoder
from model_types.ner.text import sentences
from tests.resuming import history_of, train_and_keep
from tests.tiny_transformer import POSITIONS, SAMPLE, make_few, make_job, make_transformer

FOLDERS = [model_types.builtin_folder()]


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_transformer(tmp_path_factory.mktemp("transformer") / "transformer")


@pytest.fixture(scope="module", params=[16, 32])
def artifact(
    transformer: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """Of a training in 16 bits, and of one in 32, whatever the processor has."""
    trainer = load_trainer("ner", FOLDERS)
    job = make_job(
        transformer, SAMPLE / "train.conll", tmp_path_factory.mktemp("trained") / "out", 8
    )
    job.output.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "_multiplies_halves", lambda: request.param == 16)
        trainer.train(job)
    return job.output


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


def test_the_table_of_subwords_is_left_as_it_was(artifact: Path, transformer: Path) -> None:
    from safetensors.torch import load_file

    trained = torch.load(artifact / "framework" / "model.pt", weights_only=False)["state_dict"]
    pretrained = load_file(transformer / "model.safetensors")
    for name, same in (("word_embeddings", True), ("position_embeddings", False)):
        one = trained[f"embeddings.model.embeddings.{name}.weight"]
        assert one.dtype == torch.float32
        assert torch.equal(one, pretrained[f"embeddings.{name}.weight"]) is same


def test_a_batchs_loss_is_flairs(artifact: Path) -> None:
    load_trainer("ner", FOLDERS)
    from flair.models import SequenceTagger

    from model_types.ner.fine_tuning import FineTunedTagger
    from model_types.ner.tagger import flair_sentences

    few = list(read_file(SAMPLE / "dev.conll"))[:20]
    nothing = Sentence(["\x00", "Anna"], [(1, 2, "PER")])
    too_long = Sentence(["qwxyz"] * POSITIONS, [(POSITIONS - 1, POSITIONS, "PER")])
    tagger = FineTunedTagger.load(artifact / "framework" / "model.pt")
    assert isinstance(tagger, FineTunedTagger)
    for batch in (few, [*few, nothing], [too_long]):
        sentences = flair_sentences(batch)
        loss, words = tagger.forward_loss(sentences)
        expected, count = SequenceTagger.forward_loss(tagger, sentences)
        assert words == count == sum(len(sentence.words) for sentence in batch)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_it_goes_on_as_if_it_had_not_been_interrupted(transformer: Path, tmp_path: Path) -> None:
    trainer = load_trainer("ner", FOLDERS)
    few = make_few(tmp_path / "few.conll")
    job = make_job(transformer, few, tmp_path / "whole", 2)
    assert train_and_keep(trainer, job, tmp_path / "kept") == [1, 2]
    resumed = replace(job, output=tmp_path / "out", checkpoint=tmp_path / "kept" / "1")
    assert train_and_keep(trainer, resumed, tmp_path / "kept-again") == [2]
    assert history_of(resumed.output) == history_of(job.output)
    one, other = (
        torch.load(folder / "framework" / "model.pt", weights_only=False)["state_dict"]
        for folder in (job.output, resumed.output)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_batches_are_shuffled_and_of_one_length() -> None:
    load_trainer("ner", FOLDERS)
    from model_types.ner.fine_tuning import ByLength

    lengths = [3 + index * 7 % 90 for index in range(1000)]
    sampler = ByLength(lengths, 16)
    first, second = list(sampler), list(sampler)
    assert first != second
    for order in (first, second):
        assert sorted(order) == list(range(1000))
        batches = [order[start : start + 16] for start in range(0, 1000, 16)]
        padding = sum(
            sum(max(lengths[i] for i in batch) - lengths[i] for i in batch) for batch in batches
        )
        assert padding < 0.1 * sum(lengths)
        assert sorted(batches, key=lambda batch: lengths[batch[0]]) != batches


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
