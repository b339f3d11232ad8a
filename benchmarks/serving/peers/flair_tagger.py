"""Flair's tagger behind falcon: up to eight sentences at a time, one thread a process."""

from __future__ import annotations

import json

import torch
from flair.models import SequenceTagger

import model_types.ner.embeddings  # noqa: F401  tells Flair of the embeddings in the saved tagger
from benchmarks.serving.peers.falcon_server import Predict, make_app
from benchmarks.serving.peers.told import Told
from model_types import FRAMEWORK_FOLDER
from model_types.ner.answers import framework_answers
from model_types.ner.encoder import VOCABULARY, load_encoder
from serving_image.request_body import App


def get_app() -> App:
    return make_app(_load)


def _load(told: Told) -> Predict:
    torch.set_num_threads(1)  # there is a process for each core
    tagger = SequenceTagger.load(told.artifact / FRAMEWORK_FOLDER / "model.pt")
    vocabulary = json.loads((told.artifact / VOCABULARY).read_text("utf-8"))
    encoder = load_encoder(vocabulary["encoder"], told.artifact)
    return lambda texts: framework_answers(tagger, encoder, list(texts))
