"""Keras' model behind falcon, in two ways: `model.predict`, and the model called, which is what it
advises for inputs that fit in one batch:
https://keras.io/api/models/model_training_apis/#predict-method
"""

from __future__ import annotations

import os
from typing import Any

import keras
import numpy as np
import tensorflow

from benchmarks.serving.peers.falcon_server import Predict, make_app
from benchmarks.serving.peers.told import Told
from model_types import FRAMEWORK_FOLDER, Json
from model_types.sentiment.predict import result
from model_types.sentiment.vocabulary import Batch, Vocabulary
from serving_image.request_body import App

CALLED = "BENCHMARK_KERAS_CALLED"
"""1: the model is called, as a compiled function."""


def get_app() -> App:
    return make_app(_load)


def _load(told: Told) -> Predict:
    # there is a process for each core
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.saving.load_model(told.artifact / FRAMEWORK_FOLDER / "model.keras", compile=False)
    vocabulary = Vocabulary.read(told.artifact)
    called = tensorflow.function(model, reduce_retracing=True)

    def scores(batch: Batch) -> Any:
        inputs = [batch.words, batch.features, batch.weights]
        if os.environ.get(CALLED) == "1":
            return called([tensorflow.constant(each) for each in inputs]).numpy()
        return model.predict(inputs, verbose=0)

    def predict(texts: Any) -> list[Json]:
        batch = Batch.of([vocabulary.encode(text) for text in texts])
        return [result(vocabulary.labels, np.asarray(row)) for row in scores(batch)]

    return predict
