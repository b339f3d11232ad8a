"""Start-up: the command line, the consumer, the serving process's imports, a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.report import Part, Row, Spread, Table
from benchmarks.setting import Setting
from benchmarks.shed import Shed
from benchmarks.startup.processes import import_times, python, take_turns
from trainshed.local.database import open_database
from trainshed.local.registry import LocalRegistry

_TEXT = """
Whole processes, from their start to their end, with what they need in the file cache. They take
turns with a bare `python -c pass`, and the rows are ratios to that. The consumer's import is
Lambda's cold start, less what Lambda itself does: the handler, the AWS adapters and boto3. What
its first invocation takes on top, to make its clients most of all, stands under
[Dispatch](#dispatch). How long the serving process takes to be ready stands under
[Serving](#serving); here is what it imports. A training is one epoch on the packaged sample,
through the local launcher.
"""

_CONSUMER = ("queue_consumer.handler", "trainshed.aws.parts")
_SERVING = ("serving_image.asgi", "serving_image.worker")
_MODEL_TYPES = ("ner", "sentiment", "image_classification")
_PACKAGES = 8
"""So many of the largest are shown."""


def run(setting: Setting) -> Part:
    shed = setting.shed
    environment = shed.environment()
    bare = "python -c pass"
    commands = {
        bare: python("-c", "pass"),
        "`trainshed --help`": shed.command("--help"),
        "`trainshed ls`": shed.command("ls"),
        "`trainshed submit`": shed.command("submit", "start-up", "--model-type", "sentiment"),
        "consumer, import": python("-c", f"import {', '.join(_CONSUMER)}"),
    }
    # A home of its own: nothing of what is submitted here is to be trained.
    submitting = {**environment, "TRAINSHED_HOME": str(setting.work / "start-up")}
    found = take_turns(commands, submitting, 3 if setting.quick else 10)
    rows = [
        Row(
            f"{name} vs `{bare}`",
            Spread.of(a / b for a, b in zip(seconds, found[bare], strict=True)),
            "×",
            None,
            f"{Spread.of(seconds).median:.2f} s",
        )
        for name, seconds in found.items()
        if name != bare
    ]
    tables = [
        _seconds(found),
        _imports("The consumer's imports", import_times(_CONSUMER, environment)),
        _imports("The serving process's imports", import_times(_SERVING, environment)),
    ]
    skipped = []
    if setting.quick:
        skipped.append("trainings' start: each takes ten seconds and more")
    else:
        tables.append(_trainings(shed))
    return Part("Start-up", _TEXT, rows, tables, skipped)


def _seconds(found: Mapping[str, Sequence[float]]) -> Table:
    spreads = {name: Spread.of(seconds) for name, seconds in found.items()}
    return Table(
        "Whole processes, in seconds",
        ("what", "median", "lowest", "highest"),
        [(name, f"{x.median:.3f}", f"{x.low:.3f}", f"{x.high:.3f}") for name, x in spreads.items()],
    )


def _imports(caption: str, times: Mapping[str, float]) -> Table:
    largest = list(times.items())[:_PACKAGES]
    rest = sum(times.values()) - sum(seconds for _, seconds in largest)
    return Table(
        f"{caption}, by package, in ms",
        ("package", "its own modules"),
        [
            *((package, f"{1000 * seconds:.0f}") for package, seconds in largest),
            ("all others", f"{1000 * rest:.0f}"),
        ],
    )


def _trainings(shed: Shed) -> Table:
    return Table(
        "A training of one epoch on the sample, in seconds since its launch",
        ("model type", "its container claims it", "its first report", "its artifact"),
        list(_timed_trainings(shed)),
    )


def _timed_trainings(shed: Shed) -> Iterator[Sequence[str]]:
    for model_type in _MODEL_TYPES:
        trained = shed.train(f"start-{model_type.replace('_', '-')}", model_type, epochs=1)
        with open_database(shed.home / "trainshed.db") as database:
            registry = LocalRegistry(database)
            record = registry.get(trained.model_id)
            reports = registry.reports([(trained.model_id, 1)])
        if record is None or record.launched_at is None or record.claimed_at is None:
            raise RuntimeError(f"{trained.model_id} has not been launched and claimed.")
        moments = record.claimed_at, reports[trained.model_id, 1].at, record.ended_at
        yield (
            model_type,
            *(f"{(at - record.launched_at).total_seconds():.1f}" for at in moments if at),
        )
