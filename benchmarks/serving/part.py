"""Serving: the same models behind Trainshed and its peers, under the same load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from benchmarks.report import Goal, Part, Row, Spread, Table
from benchmarks.serving import load, stage
from benchmarks.serving.contenders import (
    BENTOML,
    FASTAPI,
    FIRST_GENERATION,
    FLAIR,
    KERAS_CALLED,
    KERAS_PREDICT,
    LITSERVE,
    LITSERVE_BATCHING,
    SERVING_PROCESS,
    TRAINSHED,
    Contender,
    Place,
)
from benchmarks.serving.load import Load
from benchmarks.serving.server import Memory
from benchmarks.serving.stage import ALONE, FLOOR, GOAL, OTHERS, Plan, Stage
from benchmarks.serving.texts import LONG, SENTENCES, SHORT, Texts, read
from benchmarks.setting import Setting

_TAGGERS = (TRAINSHED, FASTAPI, LITSERVE, LITSERVE_BATCHING, BENTOML, FIRST_GENERATION, FLAIR)
_CLASSIFIERS = (TRAINSHED, FASTAPI, LITSERVE_BATCHING, BENTOML, KERAS_PREDICT, KERAS_CALLED)
_TITLES = {"ner": "NER", "sentiment": "Sentiment"}
_STARTS = 5
"""Times that the serving process is started; once in a quick run."""


def run(setting: Setting) -> Part:
    if not load.is_there():
        return Part(
            "Serving",
            "Not measured.",
            (),
            (),
            ["Serving: wrk, which makes the load, is not there."],
        )
    skipped = []
    if setting.peers is None:
        skipped.append("The peers of serving: their environment is not there.")
    plan, few = (Plan(2, 0, 1), Plan(2, 0, 1)) if setting.quick else (Plan(5, 1, 2), Plan(5, 0, 2))
    texts = {model_type: read(model_type, setting.data) for model_type in ("ner", "sentiment")}

    def at(model_type: str, workers: int) -> Place:
        return Place(model_type, setting.shed.trained(model_type, model_type), workers)

    def contest(
        place: Place, wanted: Sequence[Contender], plan: Plan, with_floor: bool = False
    ) -> Stage:
        there = [each for each in wanted if setting.peers or not each.needs_peers]
        return stage.run(setting, place, there, texts[place.model_type], plan, with_floor)

    one_worker = [each for each in _TAGGERS if not each.slow]
    taggers = contest(at("ner", 2), _TAGGERS, plan)
    alone = contest(at("ner", 1), (TRAINSHED,) if setting.quick else one_worker, plan, True)
    classifiers = contest(at("sentiment", 2), _CLASSIFIERS, plan)
    small = contest(at("sentiment", 1), (TRAINSHED,), few, True)
    startups, memory = _start(setting, at("sentiment", 1), texts["sentiment"])

    stages = (taggers, alone, classifiers, small)
    for each in stages:
        skipped += each.failed
    rows = [
        *_tagger_rows(taggers),
        *_row(
            "Sentiment, requests/s at 32 connections, 2 workers: against Keras' `model.predict` "
            "behind the same server",
            classifiers.ratio(TRAINSHED.name, KERAS_PREDICT.name, _speed),
            Goal(50, at_least=True),
            "the server batches for Keras too; the table has the model called as well",
        ),
        *_floor_rows(alone, small),
        *_row(
            "NER, 99th percentile of the latency at 32 connections, 2 workers: against FastAPI's",
            taggers.ratio(TRAINSHED.name, FASTAPI.name, lambda found: found.p99),
            Goal(0.5, at_least=False),
        ),
        Row(
            "Serving process: start to the first answer",
            Spread.of(startups),
            "s",
            Goal(1, at_least=False),
            "sentiment, 1 worker: `python -m serving_image`, as its container runs it",
        ),
        Row(
            "Serving process: memory",
            Spread.of(each.proportional / 1e6 for each in memory),
            "MB",
            Goal(150, at_least=False),
            "sentiment, with NLTK: PSS of the master and its one worker, after all texts",
        ),
    ]
    return Part("Serving", _text(texts), rows, [_speeds(stages), _sizes(stages)], skipped)


def _tagger_rows(taggers: Stage) -> Iterator[Row]:
    litserve = max((LITSERVE, LITSERVE_BATCHING), key=lambda each: taggers.speed(each.name))
    for peer, bound, note in (
        (FASTAPI, 1.7, "the same ONNX model"),
        (litserve, 1.5, "the better of with and without batching"),
        (BENTOML, 1.5, ""),
        (FIRST_GENERATION, 25, "in one process, as it was"),
    ):
        yield from _row(
            f"NER, requests/s at 32 connections, 2 workers: against {peer.name}",
            taggers.ratio(TRAINSHED.name, peer.name, _speed),
            Goal(bound, at_least=True),
            note,
        )


def _floor_rows(*stages: Stage) -> Iterator[Row]:
    for each in stages:
        yield from _row(
            f"{_TITLES[each.place.model_type]}, requests/s at 32 connections, 1 worker: "
            "against the floor",
            each.ratio(TRAINSHED.name, FLOOR, _speed),
            Goal(0.8, at_least=True),
            "the floor: the predictor in a loop, one text at a time, no HTTP",
        )


def _row(name: str, figure: Spread | None, goal: Goal, note: str = "") -> Iterator[Row]:
    """No row where a peer has no figure; `skipped` says why."""
    if figure is not None:
        yield Row(name, figure, "×", goal, note)


def _speed(found: Load) -> float:
    return found.requests_per_second


def _start(setting: Setting, place: Place, texts: Texts) -> tuple[list[float], list[Memory]]:
    """Start the serving process alone, again and again: seconds and memory of each."""
    seconds, memory = [], []
    for _ in range(1 if setting.quick else _STARTS):
        with SERVING_PROCESS.server(setting, place) as server:
            server.start(texts.short[0].encode())
            server.answers([text.encode() for text in texts.short])
            seconds.append(server.startup)
            memory.append(server.memory)
    return seconds, memory


def _speeds(stages: Sequence[Stage]) -> Table:
    def line(each: Stage, name: str) -> Iterator[Sequence[str]]:
        for cell in (ALONE, OTHERS[1], GOAL, *OTHERS[2:]):
            loads = each.figures[name].loads.get(cell)
            if loads:
                yield (
                    each.place.model_type,
                    str(each.place.workers),
                    cell.texts,
                    "none" if name == FLOOR else str(cell.connections),
                    name,
                    _spread(loads, _speed, "{:,.0f}"),
                    _spread(loads, lambda found: found.p50 * 1e3, "{:.1f}"),
                    _spread(loads, lambda found: found.p99 * 1e3, "{:.1f}"),
                )

    lines = [row for each in stages for name in each.figures for row in line(each, name)]
    return Table(
        "Requests per second and latency: medians of the rounds, with the lowest and the highest",
        ("model", "workers", "texts", "connections", "server", "requests/s", "p50, ms", "p99, ms"),
        sorted(lines, key=_place_in_table),
    )


def _place_in_table(row: Sequence[str]) -> tuple[str, int, bool, int]:
    """Rows of one load stand together."""
    model, workers, texts, connections = row[:4]
    return model, -int(workers), texts == "long", int(connections) if connections != "none" else 32


def _spread(loads: Sequence[Load], figure: Callable[[Load], float], form: str) -> str:
    found = Spread.of(map(figure, loads))
    median, low, high = (form.format(each) for each in (found.median, found.low, found.high))
    return median if low == high else f"{median} [{low}, {high}]"


def _sizes(stages: Sequence[Stage]) -> Table:
    lines = []
    for each in stages:
        for name, found in each.figures.items():
            if found.startup is None or found.memory is None:
                continue
            lines.append(
                (
                    each.place.model_type,
                    str(each.place.workers),
                    name,
                    f"{found.startup:.1f}",
                    f"{found.memory.proportional / 1e6:,.0f}",
                    f"{found.memory.resident / 1e6:,.0f}",
                    str(found.memory.processes),
                )
            )
    return Table(
        "Start-up, from the first process's start to the first answer, and memory after the load, "
        "of all processes of a server (PSS counts shared pages once)",
        ("model", "workers", "server", "start, s", "PSS, MB", "RSS, MB", "processes"),
        lines,
    )


def _text(texts: dict[str, Texts]) -> str:
    sources = " and ".join(f"`{each.source}`" for each in texts.values())
    setup = (
        "A tagger and a sentiment model, each trained once, stand behind every server. All but the "
        "first generation, Flair and Keras run the artifact's ONNX graph with Trainshed's own pre- "
        "and post-processing, so that what differs is the server. `wrk` posts texts over loopback, "
        "each connection the next one when it has its answer: "
        f"{SHORT} short texts, a sentence or a tweet each, or {LONG} long ones of {SENTENCES} "
        f"such, of {sources}. Every server first answers all of them, which warms it up, and must "
        "answer as the predictor does; after one answer with another status than 2xx a server has "
        "no figure. All servers of one model and number of workers are up at once and take turns "
        "of two seconds; a ratio is of two turns of one round. The load itself takes a part of the "
        "same cores. The predictor remembers what it worked out of single words (vectors of the "
        "tagger, stems of the sentiment model), and the texts come again: so every server with it "
        "answers from a memory that is warm, as one that has run for a while."
    )
    the_floor = (
        f"- **{FLOOR}**: the predictor's `decode` and `predict` and `json.dumps`, in a loop over "
        "the same texts in one process."
    )
    slow = (
        "The slow ones (the first generation, Flair and Keras) are measured with 1 and 32 "
        "connections and short texts, at 2 workers."
    )
    reasons = (
        "Where a goal is missed or near: the first generation has the same small network, and "
        "spends most of its time in it as Trainshed does; what was gained there (the vectors of "
        "words are kept, a batch takes its Viterbi steps together, its sentences are of about "
        "one length) made a request cheaper by half. Keras stands behind Trainshed's own "
        "batcher, which hands `predict` up to 8 texts at a time. Of a sentiment request's time at "
        "32 connections three quarters are the predictor's own (tokens, features and a small "
        "network), which a batch makes about a sixth cheaper; HTTP comes on top of that. A "
        "task for each request, to notice when its client left, took an eighth of a NER request's "
        "processor time, and now begins after 50 ms. Joining the head and the body of an "
        "answer in one write saved 2% and was left out."
    )
    peers = dict.fromkeys((*_TAGGERS, *_CLASSIFIERS))
    settings = (f"- **{peer.name}**: {peer.settings}" for peer in peers)
    return "\n".join([setup, "", *settings, the_floor, "", slow, "", reasons])
