"""`trainshed simulate`"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from command_line.output import notice, output_option, print_json, print_table
from trainshed.engine import open_registry
from trainshed.settings import Settings
from trainshed.words import duration

if TYPE_CHECKING:
    from queue_consumer.simulation.figures import Figures, Waits
    from queue_consumer.simulation.trace import Training
    from trainshed.record import ModelRecord

_ALL_RECORDS = 1_000_000
_AWS_TICK_SECONDS = 60.0
"""As the schedule in terraform/platform says; there the end of a task wakes the consumer too."""
_MIN_TICK_SECONDS = 0.001

_WAITS = ("MEDIAN WAIT", "P95 WAIT", "LONGEST WAIT")


class _Finite(click.FloatRange):
    """Neither infinite nor no number, which `FloatRange` lets through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def _by_key(number: click.ParamType[Any]) -> Callable[..., list[tuple[str, Any]]]:
    """The callback of a repeatable option KEY=NUMBER."""

    def convert(
        ctx: click.Context, param: click.Parameter, values: Sequence[str]
    ) -> list[tuple[str, Any]]:
        pairs = []
        for value in values:
            key, equals, text = value.rpartition("=")
            if not equals or not key:
                raise click.BadParameter(f"{value!r} is not KEY=NUMBER.", ctx, param)
            pairs.append((key, number.convert(text, param, ctx)))
        return pairs

    return convert


@click.command()
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@click.option(
    "--since",
    type=click.DateTime(),
    metavar="DATE[THH:MM:SS]",
    help="Only what was asked for from then on, in UTC.",
)
@click.option(
    "--cap",
    "caps",
    type=click.IntRange(1, 10_000),
    multiple=True,
    help="Repeat it to compare.  [default: TRAINSHED_CAP]",
)
@click.option(
    "--priority",
    "priorities",
    multiple=True,
    metavar="KEY=N",
    callback=_by_key(click.IntRange(0, 9)),
    help="KEY is a model type, a name or a pattern of names, such as 'nightly-*'; repeatable.",
)
@click.option(
    "--duration-factor", type=_Finite(min=0), help="Let trainings take so many times as long."
)
@click.option(
    "--seconds",
    "lengths",
    multiple=True,
    metavar="KEY=N",
    callback=_by_key(_Finite(min=0)),
    help="Let those of KEY take so long, all attempts together; repeatable.",
)
@click.option(
    "--start-seconds",
    type=_Finite(min=0),
    default=0.0,
    show_default=True,
    help="What each attempt takes on top, to start up. Records have it in their durations.",
)
@click.option(
    "--tick-seconds",
    type=_Finite(_MIN_TICK_SECONDS, 86400),
    help="Between two ticks.  [default: TRAINSHED_TICK_SECONDS; 60 on aws]",
)
@click.option("--price", type=_Finite(min=0), help="Of one slot, in dollars per hour.")
@output_option
def command(
    trace: Path | None,
    since: datetime | None,
    caps: tuple[int, ...],
    priorities: list[tuple[str, int]],
    duration_factor: float | None,
    lengths: list[tuple[str, float]],
    start_seconds: float,
    tick_seconds: float | None,
    price: float | None,
    output: str,
) -> None:
    """Replay what was trained under another cap, other priorities or durations.

    TRACE is a .csv file with a header, or a .jsonl file, with the columns at, name and seconds, and
    if you like model_type, priority and attempts. Without it the registry's records that have ended
    are replayed; those that were never launched are left out.

    It runs the consumer's own code on a virtual clock; nothing is queued, launched or written. It
    does not know of cancelled requests, or a consumer that was not running; hosts and quotas are
    never short, and a training takes as long beside others as alone. An attempt that the platform
    has ended ends so again, after the same time. Of timeouts it knows the longest alone: a trace is
    refused in which the platform ends an attempt after more than 14 days.
    """
    from queue_consumer.simulation.figures import measure
    from queue_consumer.simulation.replay import Pace, replay
    from queue_consumer.simulation.trace import with_factor, with_priority, with_seconds

    settings = Settings.from_environment(os.environ)
    trainings, recorded = _read(trace, since.replace(tzinfo=UTC) if since else None, settings)
    if duration_factor is not None:
        trainings = with_factor(trainings, duration_factor)
    for key, length in lengths:
        trainings = with_seconds(trainings, key, length)
    for key, priority in priorities:
        trainings = with_priority(trainings, key, priority)
    on_aws = settings.aws is not None
    if tick_seconds is None:
        tick_seconds = _AWS_TICK_SECONDS if on_aws else settings.tick_seconds
    pace = Pace(
        tick=timedelta(seconds=max(tick_seconds, _MIN_TICK_SECONDS)),
        # A recorded attempt ends when a tick has seen its end: that must not be waited for twice.
        woken=on_aws or bool(recorded),
        start_seconds=start_seconds,
    )
    runs: list[tuple[int | None, Figures]] = [
        (cap, measure(replay(trainings, replace(settings, cap=cap), pace)))
        for cap in dict.fromkeys(caps or (settings.cap,))
    ]
    if recorded:
        runs.insert(0, (None, measure(recorded)))
    if output == "json":
        print_json([_document(cap, figures, price) for cap, figures in runs])
    else:
        _print(runs, price)


def _read(
    path: Path | None, begin: datetime | None, settings: Settings
) -> tuple[list[Training], list[ModelRecord]]:
    """The trace, and the records that it comes from where it comes from any."""
    from queue_consumer.simulation.trace import has_trained, read_trace, trace_of

    if path is not None:
        trainings = read_trace(path)
        return [each for each in trainings if begin is None or each.at >= begin], []
    with open_registry(settings) as registry:
        found = registry.newest(_ALL_RECORDS)
    found = [record for record in found if begin is None or record.created_at >= begin]
    trained = [record for record in found if has_trained(record)]
    if left_out := len(found) - len(trained):
        notice(f"{left_out} model(s) left out, which have not ended or were never launched.")
    return trace_of(trained), trained


def _document(cap: int | None, figures: Figures, price: float | None) -> dict[str, Any]:
    document = {
        "cap": cap,
        "models": figures.waits.models,
        "attempts": figures.attempts,
        "wait_seconds": _waits(figures.waits),
        "drain_seconds": figures.drain,
        "span_seconds": figures.span,
        "slot_hours": figures.slots / 3600,
        "use": None if cap is None else figures.use(cap),
        "groups": [
            {
                "model_type": model_type,
                "priority": priority,
                "models": waits.models,
                "wait_seconds": _waits(waits),
            }
            for (model_type, priority), waits in figures.groups.items()
        ],
    }
    if price is not None:
        document["cost"] = figures.cost(price)
        document["cost_of_all_slots"] = None if cap is None else figures.cost_of_all(cap, price)
    return document


def _waits(waits: Waits) -> dict[str, float]:
    return {"median": waits.median, "p95": waits.p95, "longest": waits.longest}


def _print(runs: Sequence[tuple[int | None, Figures]], price: float | None) -> None:
    costs = [] if price is None else ["COST", "COST OF ALL SLOTS"]
    print_table(
        ["CAP", "MODELS", *_WAITS, "TO DRAIN", "USE", "SLOT-HOURS", *costs],
        (
            [
                _name(cap),
                str(figures.waits.models),
                *_spans(figures.waits),
                duration(figures.drain),
                "" if cap is None else f"{figures.use(cap):.0%}",
                f"{figures.slots / 3600:,.2f}",
                *_costs(cap, figures, price),
            ]
            for cap, figures in runs
        ),
    )
    groups = {group for _, figures in runs for group in figures.groups}
    if len(groups) == 1:
        return
    click.echo()
    print_table(
        ["TYPE", "PRIORITY", "CAP", "MODELS", *_WAITS],
        (
            [model_type, str(priority), _name(cap), str(waits.models), *_spans(waits)]
            for model_type, priority in sorted(groups, key=lambda group: (-group[1], group[0]))
            for cap, figures in runs
            if (waits := figures.groups.get((model_type, priority)))
        ),
    )


def _name(cap: int | None) -> str:
    return "as recorded" if cap is None else str(cap)


def _spans(waits: Waits) -> list[str]:
    return [duration(waits.median), duration(waits.p95), duration(waits.longest)]


def _costs(cap: int | None, figures: Figures, price: float | None) -> list[str]:
    if price is None:
        return []
    whole = "" if cap is None else f"${figures.cost_of_all(cap, price):,.2f}"
    return [f"${figures.cost(price):,.2f}", whole]
