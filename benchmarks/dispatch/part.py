"""Dispatch: how soon, how many, how many calls, and what the past costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.dispatch import history, life, rate, slot
from benchmarks.dispatch.calls import PRICED, Calls, dollars
from benchmarks.dispatch.history import Load, Looked
from benchmarks.dispatch.platform import emulator
from benchmarks.dispatch.slot import Filled
from benchmarks.report import Goal, Part, Row, Spread, Table
from benchmarks.setting import Setting

_TEXT = f"""
One consumer, alone. AWS is [moto](https://docs.getmoto.org)'s server, over HTTP on loopback,
with the project's own ECS stage; its time says nothing of AWS's, so what a call takes is left
out (`whole` has it), and calls are counted by botocore's events, whoever makes them. No peer is
measured: what a user would pick instead hands its jobs to workers that run already (Celery,
dramatiq, huey, procrastinate) or starts them at fixed times (cron, Airflow's scheduler), and
nothing of that takes a slot under a cap and starts a container in it.

- **Slot free → next launch**: a consumer in a process of its own, as Lambda keeps one, gets the
  event that a task has stopped. It judges the model, verifies its artifact, and launches the
  next that waits. The figure goes to RunTask's answer, less what was spent inside calls. On AWS
  there come on top, by assumption and in no figure: EventBridge to Lambda, 0.1 to 0.5 s; nine
  calls to DynamoDB, S3 and ECS in one region, 5 to 30 ms each; RunTask, 0.3 to 1 s.
- **AWS calls per model**: ten models live their whole lives, from `submit` to Completed:
  launched at one tick, trained for one epoch each, and judged at one tick. The goal is about
  the calls of the queue, the registry and the launcher; S3's, which go with the artifact's
  files (here two and their manifest: a PUT for each, a GET or HEAD for each, and a LIST for
  what is left of checkpoints) are in the table. Where the ends do not come together, each
  further event is a tick of its own, as the table says.
- **Dollars** are the platform's part without the training's own Fargate time: prices of
  {PRICED}.
- **A tick and the past**: the local engine, SQLite with every write synced, with so many ended
  models in its database. Each tick judges one training that has ended, takes one request in,
  and launches it. The loads take turns. On AWS, where the emulator's time says nothing: calls,
  and items read.
"""

_STAGES = (life.SUBMIT, life.LAUNCHING, life.CONTAINER, life.JUDGING)
_GB_SECONDS = 0.5 * 0.25
"""Of one invocation: 512 MB for a quarter of a second, by assumption."""


def run(setting: Setting) -> Part:
    repeats = 5 if setting.quick else 20
    loads = [Load(10), Load(1_000), Load(100_000 if setting.quick else 1_000_000), Load(10, 10_000)]
    with emulator(setting.work / "moto.log") as server:
        first, filled = slot.fill(server, setting.work, repeats)
        calls = life.live(server)
        on_aws = {
            load: history.look_on_aws(server, load) for load in (Load(10), Load(100), Load(10, 100))
        }
        aws_rate = rate.aws(server, 10 if setting.quick else 40)
    ticks = history.time_ticks(setting.work / "ticks", loads, repeats * 2)
    local_rate = rate.local(setting.work / "rate", 50 if setting.quick else 200)
    models = 1_000 if setting.quick else 10_000
    simulated = rate.simulation(models)

    few, many = ticks[loads[0]], ticks[loads[2]]
    per_model = sum(_of_platform(calls).values()) / life.MODELS
    rows = [
        Row(
            "slot free → next launch, event path, without the emulator",
            Spread.of(each.own for each in filled),
            "s",
            Goal(1.0, at_least=False),
            f"with it {Spread.of(each.whole for each in filled).median:.2f} s,"
            f" in {len(filled[0].calls)} calls",
        ),
        Row(
            "AWS calls per model, batches of 10: queue, registry, launcher",
            Spread.of([per_model]),
            "",
            Goal(8, at_least=False),
            f"with S3's for two files and their manifest {_all(calls):.1f}",
        ),
        Row(
            f"tick with {loads[2].past:,} past records vs 10",
            Spread.of(b / a for a, b in zip(few, many, strict=True)),
            "×",
            Goal(1.2, at_least=False),
            "local engine; each tick has an end, a request and a launch",
        ),
    ]
    tables = [
        _calls_table(calls),
        _dollars_table(calls),
        _slot_table(first, filled),
        _ticks_table(ticks, on_aws),
        Table(
            "One consumer",
            ("what", "found"),
            [
                ("launches/s, local engine, tasks that start nothing", f"{local_rate:.0f}"),
                ("launches/s, aws engine, without the emulator", f"{aws_rate[1]:.0f}"),
                ("launches/s, aws engine, with the emulator", f"{aws_rate[0]:.1f}"),
                (f"`trainshed simulate`, {models:,} requests", f"{simulated:.1f} s"),
            ],
        ),
    ]
    return Part("Dispatch", _TEXT, rows, tables)


def _of_platform(calls: Calls) -> Mapping[tuple[str, str, str], int]:
    """Those of the queue, the registry and the launcher in the models' lives."""
    return {
        key: count for key, count in calls.counted().items() if key[0] in _STAGES and key[1] != "s3"
    }


def _all(calls: Calls) -> float:
    return sum(call.stage in _STAGES for call in calls.made) / life.MODELS


def _calls_table(calls: Calls) -> Table:
    return Table(
        "AWS calls of one of ten models",
        ("when", "service", "operation", "calls", "USD per 1,000 models"),
        [
            (
                stage,
                service,
                operation,
                f"{count / life.MODELS:.1f}",
                f"{1000 / life.MODELS * _price(calls, stage, service, operation):.4f}",
            )
            for (stage, service, operation), count in calls.counted().items()
            if stage in _STAGES
        ],
    )


def _dollars_table(calls: Calls) -> Table:
    asked = {
        service: sum(
            call.dollars for call in calls.made if call.stage in _STAGES and call.service == service
        )
        / life.MODELS
        for service in ("sqs", "dynamodb", "s3")
    }
    event = [call for call in calls.made if call.stage == life.EVENT]
    invocation = dollars("invocation") + _GB_SECONDS * dollars("gigabyte second")
    a_tick = invocation + sum(call.dollars for call in event)
    thousand = {
        "SQS": asked["sqs"],
        "DynamoDB": asked["dynamodb"],
        "S3": asked["s3"],
        f"two events of its task, each a Lambda invocation with {len(event)} calls": 2 * a_tick,
    }
    rows = [(what, f"{1000 * each:.3f}") for what, each in thousand.items()]
    return Table(
        "The platform's part of 1,000 models",
        ("what", "USD"),
        [*rows, ("together", f"{1000 * sum(thousand.values()):.3f}")],
    )


def _price(calls: Calls, stage: str, service: str, operation: str) -> float:
    return sum(
        call.dollars
        for call in calls.made
        if (call.stage, call.service, call.operation) == (stage, service, operation)
    )


def _slot_table(first: float, filled: Sequence[Filled]) -> Table:
    own, whole = (
        Spread.of(getattr(each, name) * 1000 for each in filled) for name in ("own", "whole")
    )
    return Table(
        f"A slot that came free, {len(filled)} times, in ms",
        ("what", "median", "lowest", "highest"),
        [
            ("the consumer itself", *_cells(own)),
            ("with the emulator", *_cells(whole)),
            (
                "a new process's first invocation, without the emulator",
                f"{1000 * first:.0f}",
                "",
                "",
            ),
            (f"until RunTask: {', '.join(filled[0].calls)}", "", "", ""),
        ],
    )


def _cells(spread: Spread) -> tuple[str, str, str]:
    return f"{spread.median:.0f}", f"{spread.low:.0f}", f"{spread.high:.0f}"


def _ticks_table(ticks: Mapping[Load, Sequence[float]], on_aws: Mapping[Load, Looked]) -> Table:
    timed = [
        (f"local, {load.name}", *_cells(Spread.of(each * 1000 for each in seconds)), "", "")
        for load, seconds in ticks.items()
    ]
    counted = [
        (f"aws, {load.name}, nothing to do", "", "", "", str(looked.calls), str(looked.items))
        for load, looked in on_aws.items()
    ]
    return Table(
        "One tick",
        ("what", "ms, median", "lowest", "highest", "calls", "items read"),
        [*timed, *counted],
    )
