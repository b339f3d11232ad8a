"""Sentiment on TweetEval's emotions, over several seeds, and other classifiers beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from benchmarks.report import Goal, Row, Spread, Table
from benchmarks.setting import Setting
from benchmarks.shed import Trained
from benchmarks.training.data_sets import tweeteval_emotion
from benchmarks.training.experiment import Experiment
from benchmarks.training.program import answer_of

_SEEDS = (1, 2, 3, 4, 5)
_QUICK_EPOCHS = 2
_SCORE_GOAL = Goal(0.67, at_least=True)
_SECONDS_GOAL = Goal(60, at_least=False)

_TEXT = """**Sentiment** learns TweetEval's emotion train part with all defaults, once per seed,
which says which texts are held out for dev, where the weights start and in which order texts come.
It is scored on the val part, which no training sees and on which nothing was chosen: the recipe
comes from cross-validation on the train part. Seconds are those of the whole training, its process,
export and checks too. With 28 texts of the rarest label in val, one of them is worth 0.005 of the
score. Beside it, on all of the train part: scikit-learn's
[tf-idf](https://scikit-learn.org/stable/modules/feature_extraction.html#tfidf-term-weighting) of
words, pairs of words and character n-grams, the features of [TweetEval's own linear
baseline](https://aclanthology.org/2020.findings-emnlp.148/), under its linear support vector
machine and its logistic regression, both with balanced labels and otherwise with their defaults;
and the first generation's kind of network, an embedding and an LSTM over words stemmed by NLTK."""


def run(setting: Setting) -> Experiment:
    """Leaves the first seed's model in the shed, as "sentiment"."""
    if setting.data is None:
        return Experiment(_TEXT, skipped=["Sentiment's seeds: the public data sets aren't there."])
    data_set = tweeteval_emotion(setting.data, setting.work)
    seeds, epochs = (_SEEDS[:1], _QUICK_EPOCHS) if setting.quick else (_SEEDS, None)
    trained = {
        # The first one last, so that the shed remembers it.
        seed: setting.shed.train("sentiment", "sentiment", data_set, epochs, {"seed": seed})
        for seed in reversed(seeds)
    }
    peers = {} if setting.quick else _peers(data_set)
    return Experiment(_TEXT, rows(list(trained.values())), tables(trained, peers))


def rows(trained: Sequence[Trained]) -> list[Row]:
    scores = [float(each.metrics["score"]) for each in trained]
    seeds = "one seed" if len(scores) == 1 else f"{len(scores)} seeds"
    return [
        Row(
            f"sentiment on TweetEval emotion val: macro F1, mean of {seeds}",
            Spread(mean(scores), min(scores), max(scores)),
            "",
            _SCORE_GOAL,
            "in brackets the worst and the best seed",
        ),
        Row(
            "sentiment on TweetEval emotion: a training",
            Spread.of(each.seconds for each in trained),
            "s",
            _SECONDS_GOAL,
        ),
    ]


def tables(trained: Mapping[int, Trained], peers: Mapping[str, Mapping[str, float]]) -> list[Table]:
    figures = [
        (
            f"Trainshed, seed {seed}",
            f"{trained[seed].metrics['score']:.3f}",
            f"{trained[seed].seconds:.0f}",
        )
        for seed in sorted(trained)
    ]
    figures += [
        (name, f"{peer['score']:.3f}", f"{peer['seconds']:.0f}") for name, peer in peers.items()
    ]
    return [Table("Emotions on TweetEval val", ("", "macro F1", "seconds"), figures)]


def _peers(data_set: Path) -> dict[str, dict[str, float]]:
    parts = data_set / "train.csv", data_set / "test.csv"
    return dict(answer_of("benchmarks.training.classifiers", *parts))
