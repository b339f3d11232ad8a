"""Sentiment's peers: what one would write by hand with scikit-learn or Keras.

    python -m benchmarks.training.classifiers TRAIN TEST

prints each one's macro F1 on TEST and its seconds as JSON. A process of its own: the frameworks are
large, and what is measured next should have the memory.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from model_types.sentiment.dataset import Sample, read_file
from model_types.training_report import class_metrics

Classifier = Callable[[Sequence[Sample], Sequence[str]], Sequence[str]]
"""Learns from samples, and gives a label to each text."""


def support_vector_machine(train: Sequence[Sample], texts: Sequence[str]) -> Sequence[str]:
    from sklearn.svm import LinearSVC

    return _n_grams(LinearSVC(class_weight="balanced"), train, texts)


def logistic_regression(train: Sequence[Sample], texts: Sequence[str]) -> Sequence[str]:
    from sklearn.linear_model import LogisticRegression

    return _n_grams(LogisticRegression(class_weight="balanced", max_iter=1000), train, texts)


def first_generation(train: Sequence[Sample], texts: Sequence[str]) -> Sequence[str]:
    """Keras' own example of text classification, on stems: an embedding, an LSTM, a softmax."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np
    from nltk.stem.porter import PorterStemmer

    keras.utils.set_random_seed(1)
    stemmer = PorterStemmer()

    def stems(text: str) -> str:
        return " ".join(stemmer.stem(word) for word in text.lower().split())

    labels = sorted({sample.label for sample in train})
    vectorize = keras.layers.TextVectorization(max_tokens=20_000, output_sequence_length=50)
    words = [stems(sample.text) for sample in train]
    vectorize.adapt(words)
    model = keras.Sequential(
        [
            keras.layers.Embedding(len(vectorize.get_vocabulary()), 128, mask_zero=True),
            keras.layers.LSTM(128, dropout=0.2),
            keras.layers.Dense(len(labels), activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    numbers = np.array([labels.index(sample.label) for sample in train])
    model.fit(vectorize(words), numbers, batch_size=32, epochs=5, verbose=0)
    scores = model.predict(vectorize([stems(text) for text in texts]), verbose=0)
    return [labels[number] for number in scores.argmax(axis=1)]


CLASSIFIERS: dict[str, Classifier] = {
    "scikit-learn: n-grams, linear SVM": support_vector_machine,
    "scikit-learn: n-grams, logistic regression": logistic_regression,
    "Keras: embedding, LSTM (first generation)": first_generation,
}


def _n_grams(classifier: object, train: Sequence[Sample], texts: Sequence[str]) -> Sequence[str]:
    """tf-idf of words, pairs of words and character n-grams, as TweetEval's own baseline."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    pipeline = make_pipeline(features, classifier)
    pipeline.fit([sample.text for sample in train], [sample.label for sample in train])
    return [str(label) for label in pipeline.predict(texts)]


def main(train: Path, test: Path) -> None:
    learned, asked = read_file(train), read_file(test)
    found = {}
    for name, classify in CLASSIFIERS.items():
        started = time.monotonic()
        answers = classify(learned, [sample.text for sample in asked])
        seconds = time.monotonic() - started
        metrics = class_metrics((sample.label for sample in asked), answers)
        found[name] = {"score": metrics["macro"]["f1"], "seconds": seconds}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
