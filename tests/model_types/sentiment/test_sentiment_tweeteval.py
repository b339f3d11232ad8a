"""Real, noisy texts: skipped where the data set is not beside the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_types import FRAMEWORK_FOLDER, TrainingJob, load_predictor, load_trainer
from model_types.sentiment.dataset import read_file
from model_types.sentiment.vocabulary import Batch, Vocabulary
from model_types.training_report import class_metrics

from .conftest import FOLDERS

TWEETS = Path(__file__).parents[3].parent / "shared" / "data" / "tweeteval-emotion"

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(not TWEETS.is_dir(), reason=f"no data set in {TWEETS}"),
    # Keras on TensorFlow, about NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def test_a_short_training_learns_and_onnx_agrees_on_every_text(
    defaults: Any, tmp_path: Path
) -> None:
    values = {name: field["default"] for name, field in defaults["hyperparameters"].items()}
    job = TrainingJob(TWEETS / "train.csv", tmp_path, 3, values, report=lambda _: None)
    load_trainer("sentiment", FOLDERS).train(job)
    import keras

    tweets = read_file(TWEETS / "val.csv")
    vocabulary = Vocabulary.read(tmp_path)
    batch = Batch.of([vocabulary.encode(tweet.text) for tweet in tweets])
    model = keras.models.load_model(tmp_path / FRAMEWORK_FOLDER / "model.keras")
    expected = model.predict_on_batch([batch.words, batch.features, batch.weights])

    answers = load_predictor("sentiment", FOLDERS).load(tmp_path).predict([t.text for t in tweets])
    actual = np.array(
        [[answer["scores"][label] for label in vocabulary.labels] for answer in answers]
    )
    np.testing.assert_allclose(actual, expected, atol=1e-3)
    predicted = [answer["sentiment"] for answer in answers]
    assert predicted == [vocabulary.labels[number] for number in expected.argmax(axis=1)]
    metrics = class_metrics((tweet.label for tweet in tweets), predicted)
    assert metrics["macro"]["f1"] > 0.57  # what an LSTM(32, relu) reaches
