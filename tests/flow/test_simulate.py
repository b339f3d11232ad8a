"""`trainshed simulate` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from command_line.main import main

from .shed import Shed

Invoke = Callable[..., Result]

TRACE = """at,name,model_type,priority,seconds
2026-03-04T00:00:00,long,ner,5,3600
2026-03-04T00:00:00,nightly-1,ner,5,3600
2026-03-04T00:30:00,mood,sentiment,5,1800
"""


@pytest.fixture
def trace(tmp_path: Path) -> str:
    path = tmp_path / "trace.csv"
    path.write_text(TRACE)
    return str(path)


@pytest.fixture
def invoke(shed: Shed) -> Invoke:
    def invoke(*arguments: str, **settings: str) -> Result:
        environment = {**shed.environment(), **settings}
        return CliRunner(env=environment).invoke(main, ["simulate", *arguments])

    return invoke


@pytest.fixture
def simulated(invoke: Invoke) -> Callable[..., list[dict[str, Any]]]:
    """The documents that it prints."""

    def simulated(*arguments: str, **settings: str) -> list[dict[str, Any]]:
        result = invoke(*arguments, "--output=json", **settings)
        assert result.exit_code == 0, result.output
        documents: list[dict[str, Any]] = json.loads(result.stdout)
        return documents

    return simulated


Simulated = Callable[..., list[dict[str, Any]]]


def test_caps_side_by_side(shed: Shed, invoke: Invoke, trace: str) -> None:
    result = invoke(trace, "--cap=1", "--cap=2", "--price=0.5")
    assert (result.exit_code, result.stderr) == (0, "")
    table, groups = result.stdout.split("\n\n")
    rows = [line.split("  ") for line in table.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        [
            *("CAP", "MODELS", "MEDIAN WAIT", "P95 WAIT", "LONGEST WAIT"),
            *("TO DRAIN", "USE", "SLOT-HOURS", "COST", "COST OF ALL SLOTS"),
        ],
        ["1", "3", "1:00:00", "1:30:00", "1:30:00", "2:00:00", "100%", "2.50", "$1.25", "$1.25"],
        ["2", "3", "0 s", "30:00", "30:00", "1:00:00", "83%", "2.50", "$1.25", "$1.50"],
    ]
    assert [line.split()[:3] for line in groups.splitlines()] == [
        ["TYPE", "PRIORITY", "CAP"],
        ["ner", "5", "1"],
        ["ner", "5", "2"],
        ["sentiment", "5", "1"],
        ["sentiment", "5", "2"],
    ]
    assert not shed.home.exists(), "a file needs no registry"


def test_what_if(simulated: Simulated, trace: str) -> None:
    [plain] = simulated(trace, "--cap=1")
    assert plain["wait_seconds"] == {"median": 3600, "p95": 5400, "longest": 5400}
    assert (plain["drain_seconds"], plain["span_seconds"]) == (7200, 9000)
    assert (plain["models"], plain["attempts"]) == (3, 3)
    assert (plain["slot_hours"], plain["use"]) == (2.5, 1.0)
    assert "cost" not in plain

    [later] = simulated(trace, "--cap=1", "--priority=nightly-*=2", "--price=2")
    assert [(group["priority"], group["wait_seconds"]["longest"]) for group in later["groups"]] == [
        (2, 5400),
        (5, 0),
        (5, 1800),
    ]
    assert (later["cost"], later["cost_of_all_slots"]) == (5.0, 5.0)

    [longer] = simulated(trace, "--cap=1", "--duration-factor=2", "--seconds=sentiment=60")
    assert longer["slot_hours"] == pytest.approx(4 + 1 / 60)
    [slower] = simulated(trace, "--cap=1", "--start-seconds=600")
    assert slower["slot_hours"] == pytest.approx(3)
    [cut] = simulated(trace, "--since=2026-03-04T00:10:00")
    assert cut["models"] == 1
    [delayed] = simulated(trace, "--cap=1", "--tick-seconds=7000")
    assert delayed["wait_seconds"]["median"] == 7000


def test_the_settings_say_the_rest(simulated: Simulated, trace: str) -> None:
    [run] = simulated(trace, TRAINSHED_CAP="3")
    assert run["cap"] == 3
    [run] = simulated(trace, "--cap=1", TRAINSHED_TICK_SECONDS="7000")
    assert run["wait_seconds"]["median"] == 7000
    [run] = simulated(
        trace, "--cap=1", "--duration-factor=0.999", TRAINSHED_ENGINE="aws", TRAINSHED_TABLE="x"
    )
    assert run["wait_seconds"]["median"] == 3596.4, "the end of a task wakes it"


def test_the_registry_is_the_trace_where_no_file_is_named(
    shed: Shed, invoke: Invoke, simulated: Simulated
) -> None:
    for name in ("a", "b"):
        shed.submit(name)
    shed.submit("bad", ending="error")
    shed.done("run", "--until-idle", TRAINSHED_CAP="4")
    waiting = shed.submit("waiting")
    shed.done("cancel", waiting)
    before = shed.records()

    recorded, one, four = simulated("--cap=1", "--cap=4")
    assert [run["cap"] for run in (recorded, one, four)] == [None, 1, 4]
    assert [run["models"] for run in (recorded, one, four)] == [3, 3, 3]
    assert (recorded["use"], recorded["attempts"]) == (None, 3)
    assert one["use"] > four["use"]
    assert one["slot_hours"] == pytest.approx(recorded["slot_hours"], rel=1e-9), "not ticked twice"
    assert recorded["slot_hours"] > 0
    assert one["wait_seconds"]["longest"] > four["wait_seconds"]["longest"]
    assert shed.records() == before, "nothing is written"

    text = invoke("--cap=1")
    assert "as recorded" in text.stdout
    assert text.stderr == "1 model(s) left out, which have not ended or were never launched.\n"


def test_twice_the_same(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "flood.jsonl"
    rows = ({"at": 0, "name": f"m-{n % 7}", "seconds": n % 11} for n in range(500))
    path.write_text("\n".join(map(json.dumps, rows)))
    arguments = (str(path), "--cap=3", "--output=json")
    assert invoke(*arguments).stdout == invoke(*arguments).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cap=0"], "--cap"),
        (["--cap=many"], "--cap"),
        (["--priority=ner"], "'ner' is not KEY=NUMBER"),
        (["--priority==3"], "is not KEY=NUMBER"),
        (["--priority=ner=10"], "--priority"),
        (["--priority=ner=high"], "--priority"),
        (["--priority=nre=2"], "the model type or the name 'nre'"),
        (["--seconds=ner=-1"], "--seconds"),
        (["--seconds=nobody=1"], "the model type or the name 'nobody'"),
        (["--duration-factor=inf"], "not a finite number"),
        (["--duration-factor=nan"], "not a finite number"),
        (["--duration-factor=1e200"], "beyond the year 9999"),
        (["--start-seconds=-1"], "--start-seconds"),
        (["--start-seconds=1e300"], "beyond the year 9999"),
        (["--tick-seconds=0"], "--tick-seconds"),
        (["--tick-seconds=nan"], "--tick-seconds"),
        (["--price=-1"], "--price"),
        (["--price=nan"], "not a finite number"),
        (["--since=tomorrow"], "--since"),
        (["--since=2999-01-01"], "no training that has ended"),
    ],
)
def test_a_wrong_option_is_2(invoke: Invoke, trace: str, arguments: list[str], words: str) -> None:
    assert_refused(invoke(trace, *arguments), words)


def test_a_wrong_trace_is_2(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    assert_refused(invoke(str(path)), "No such file")
    path.write_text("at,name,seconds\n0,a,1\n0,b,soon\n")
    assert_refused(invoke(str(path)), "line 3: seconds")
    path.write_text("")
    assert_refused(invoke(str(path)), "no training that has ended")
    assert_refused(invoke(str(tmp_path)), "must be a .csv or a .jsonl file")
    assert_refused(invoke("caf\udce9.csv"), "No such file")
    path.write_text("at,name,seconds,attempts\n0,a,2592000,2\n")
    assert_refused(invoke(str(path)), "more than 14 days")


def test_an_empty_registry_has_no_trace(invoke: Invoke) -> None:
    assert_refused(invoke(), "no training that has ended")


def assert_refused(result: Result, words: str) -> None:
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
