"""The contract of `Launcher`: one task per client token, its end told truly, its log whole."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from tests.building import launch_for, pending_record, wait_until
from tests.racing import race
from trainshed.errors import LaunchRefused
from trainshed.ports import Launcher, Phase, TaskState
from trainshed.record import Cause, Launch, client_token

from .benches import Bench


@pytest.fixture(params=["local", "aws"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """The engines whose launchers really run something."""
    bench: Bench = request.getfixturevalue(f"{request.param}_bench")
    return bench


@pytest.fixture
def launch(bench: Bench) -> Launch:
    return launch_for(
        pending_record(), TRAINSHED_ENGINE=bench.name, TRAINSHED_TEXT="ä 'b' $c\n\"d\""
    )


def end_of(launcher: Launcher, task: str) -> TaskState:
    def has_stopped() -> bool:
        state = launcher.describe([task]).get(task)
        return state is not None and state.phase is Phase.STOPPED

    wait_until(has_stopped, "the task stops")
    return launcher.describe([task])[task]


def log_of(launcher: Launcher, task: str) -> str:
    text, cursor = "", None
    while (page := launcher.log(task, cursor)).text:
        text, cursor = text + page.text, page.cursor
    return text


def test_a_task_that_ends_well(bench: Bench, launch: Launch) -> None:
    launcher = bench.launcher("print('hello')")
    task = launcher.launch(launch)
    state = end_of(launcher, task)
    assert (state.phase, state.exit_code, state.cause) == (Phase.STOPPED, 0, None)
    assert log_of(launcher, task) == "hello\n"


def test_a_task_that_ends_with_an_exit_code(bench: Bench, launch: Launch) -> None:
    launcher = bench.launcher("import sys; sys.exit(7)")
    assert end_of(launcher, launcher.launch(launch)).exit_code == 7


def test_a_task_that_dies_of_a_signal_has_its_number_above_128(
    bench: Bench, launch: Launch
) -> None:
    launcher = bench.launcher("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert end_of(launcher, launcher.launch(launch)).exit_code == 128 + signal.SIGKILL


def test_a_running_task_is_running_and_can_be_found(
    bench: Bench, launch: Launch, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    launcher = bench.launcher(waiting_for(gate))
    task = launcher.launch(launch)
    wait_until(lambda: log_of(launcher, task) == "begun\n", "the task runs")
    assert {key: x.phase for key, x in launcher.describe([task]).items()} == {task: Phase.RUNNING}
    assert launcher.find(launch.token) == task
    gate.touch()
    assert end_of(launcher, task).exit_code == 0
    assert launcher.find(launch.token) == task, "also after its end"


def test_an_unknown_token_finds_nothing(bench: Bench) -> None:
    assert bench.launcher("pass").find(client_token("nobody", 1)) is None


def test_describe_leaves_out_what_it_does_not_know_or_says_so(bench: Bench, launch: Launch) -> None:
    launcher = bench.launcher("pass")
    task, unknown = launcher.launch(launch), bench.unknown_task()
    assert launcher.describe([]) == {}
    for asked in ([unknown], [unknown, task]):
        states = dict(launcher.describe(asked))
        assert states.pop(unknown, TaskState(Phase.MISSING)).phase is Phase.MISSING
        assert set(states) == set(asked) - {unknown}


def test_a_task_gets_the_environment_of_its_launch_and_its_own_id(
    bench: Bench, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINSHED_CAP", "9")
    monkeypatch.setenv("SECRET", "none of its business")
    launcher = bench.launcher(
        "import json, os\n"
        "from trainshed.engine import own_task\n"
        "from trainshed.settings import Settings\n"
        "told = own_task(Settings.from_environment(os.environ), os.environ)\n"
        "print(json.dumps([told, dict(os.environ)]))"
    )
    task = launcher.launch(launch)
    end_of(launcher, task)
    told, environment = json.loads(log_of(launcher, task))
    assert told == task
    ours = {key: value for key, value in environment.items() if key.startswith("TRAINSHED_")}
    ours.pop("TRAINSHED_TASK", None)
    assert ours == launch.environment
    assert "SECRET" not in environment


def test_launching_twice_starts_one_task(bench: Bench, launch: Launch, tmp_path: Path) -> None:
    launcher = bench.launcher(noting_in(tmp_path / "ledger"))
    task = launcher.launch(launch)
    assert launcher.launch(launch) == task
    end_of(launcher, task)
    assert launcher.launch(launch) == task, "also after its end"
    assert end_of(launcher, task).exit_code == 0
    assert (tmp_path / "ledger").read_text() == "x"


def test_another_attempt_is_another_task(bench: Bench, tmp_path: Path) -> None:
    record = pending_record()
    launcher = bench.launcher(noting_in(tmp_path / "ledger"))
    tasks = {launcher.launch(launch_for(record, attempt)) for attempt in (1, 2)}
    assert len(tasks) == 2
    for task in tasks:
        end_of(launcher, task)
    assert (tmp_path / "ledger").read_text() == "xx"


def test_launching_at_once_starts_one_task(bench: Bench, launch: Launch, tmp_path: Path) -> None:
    program = noting_in(tmp_path / "ledger")

    def run(_: int, start: Barrier) -> str:
        launcher = bench.launcher(program)
        start.wait()
        return launcher.launch(launch)

    [task] = set(race(5, run))
    assert isinstance(task, str)
    assert end_of(bench.launcher(program), task).exit_code == 0
    assert (tmp_path / "ledger").read_text() == "x"


def test_a_task_outlives_its_launcher(bench: Bench, launch: Launch, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    task = bench.launcher(waiting_for(gate)).launch(launch)
    another = bench.launcher("pass")
    assert another.describe([task])[task].phase is not Phase.STOPPED
    gate.touch()
    assert end_of(another, task).exit_code == 0


def test_a_task_that_cannot_start_says_so(bench: Bench, launch: Launch) -> None:
    launcher = bench.broken_launcher()
    try:
        task = launcher.launch(launch)
    except LaunchRefused:
        return
    state = end_of(launcher, task)
    assert (state.phase, state.exit_code) == (Phase.STOPPED, None)
    assert state.cause is Cause.START_FAILED
    assert "/no/such/program" in state.reason


def test_stopping_sends_sigterm_first(bench: Bench, launch: Launch) -> None:
    launcher = bench.launcher(
        "import signal, sys, time\n"
        "def on_term(*_):\n"
        "    print('asked to stop', flush=True)\n"
        "    sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, on_term)\n"
        "print('begun', flush=True)\n"
        "time.sleep(60)\n"
    )
    task = launcher.launch(launch)
    wait_until(lambda: log_of(launcher, task) == "begun\n", "the task runs")
    launcher.stop(task, "cancelled")
    launcher.stop(task, "cancelled")
    assert end_of(launcher, task).exit_code == 5
    assert log_of(launcher, task) == "begun\nasked to stop\n"


def test_stopping_sends_sigkill_after_the_grace_time(bench: Bench, launch: Launch) -> None:
    launcher = bench.launcher(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('never', flush=True))\n"
        "print('begun', flush=True)\n"
        "while True: time.sleep(60)\n"
    )
    task = launcher.launch(launch)
    wait_until(lambda: log_of(launcher, task) == "begun\n", "the task runs")
    launcher.stop(task, "cancelled")
    assert end_of(launcher, task).exit_code == 128 + signal.SIGKILL
    assert log_of(launcher, task) == "begun\nnever\n"


def test_stopping_what_has_ended_or_is_unknown_changes_nothing(
    bench: Bench, launch: Launch
) -> None:
    launcher = bench.launcher("pass")
    task = launcher.launch(launch)
    before = end_of(launcher, task)
    launcher.stop(task, "late")
    assert launcher.describe([task])[task] == before
    launcher.stop(bench.unknown_task(), "unknown")


def test_a_log_is_given_page_by_page(bench: Bench, launch: Launch, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    launcher = bench.launcher(waiting_for(gate) + "\nprint('ended')")
    task = launcher.launch(launch)
    wait_until(lambda: launcher.log(task).text == "begun\n", "the first line")
    first = launcher.log(task)
    empty = launcher.log(task, first.cursor)
    assert (empty.text, empty.cursor) == ("", first.cursor)
    gate.touch()
    end_of(launcher, task)
    assert launcher.log(task, first.cursor).text == "ended\n"
    assert launcher.log(task).text == "begun\nended\n"


def test_a_log_longer_than_a_page_is_given_whole(bench: Bench, launch: Launch) -> None:
    launcher = bench.launcher("for n in range(300_000): print(n)")
    task = launcher.launch(launch)
    end_of(launcher, task)
    assert log_of(launcher, task) == "".join(f"{number}\n" for number in range(300_000))


def test_a_character_that_is_half_there_is_left_for_the_next_page(
    bench: Bench, launch: Launch, tmp_path: Path
) -> None:
    written, gate = tmp_path / "written", tmp_path / "gate"
    euro = "€".encode()
    launcher = bench.launcher(
        "import os, pathlib\n"
        f"os.write(1, b'begun\\nprice ' + {euro[:2]!r})\n"
        f"pathlib.Path({str(written)!r}).touch()\n"
        f"{waiting_for(gate, says='')}\n"
        f"os.write(1, {euro[2:]!r} + b' each\\n')\n"
    )
    task = launcher.launch(launch)
    wait_until(lambda: written.exists() and launcher.log(task).text != "", "the first page")
    first = launcher.log(task)
    assert first.text in ("begun\n", "begun\nprice "), "half a line may be held back, too"
    gate.touch()
    end_of(launcher, task)
    rest = launcher.log(task, first.cursor)
    assert first.text + rest.text == "begun\nprice € each\n"


def test_bytes_that_are_no_utf8_do_not_end_a_log(bench: Bench, launch: Launch) -> None:
    launcher = bench.launcher(r"import os; os.write(1, b'a\xff\xfeb\n')")
    task = launcher.launch(launch)
    end_of(launcher, task)
    assert log_of(launcher, task) == "a\ufffd\ufffdb\n"


def test_a_log_has_what_the_task_printed_as_errors_too(bench: Bench, launch: Launch) -> None:
    launcher = bench.launcher("raise SystemExit('no good')")
    task = launcher.launch(launch)
    assert end_of(launcher, task).exit_code == 1
    assert log_of(launcher, task) == "no good\n"


def test_a_task_that_has_printed_nothing_has_an_empty_log(bench: Bench, launch: Launch) -> None:
    launcher = bench.launcher("pass")
    assert launcher.log(bench.unknown_task()).text == ""
    task = launcher.launch(launch)
    end_of(launcher, task)
    assert launcher.log(task).text == ""


def waiting_for(gate: Path, says: str = "begun\n") -> str:
    """A program that prints, then waits for a file; not for ever, so that a failing test ends."""
    return (
        "import pathlib, time\n"
        f"print({says!r}, end='', flush=True)\n"
        "for _ in range(6000):\n"
        f"    if pathlib.Path({str(gate)!r}).exists(): break\n"
        "    time.sleep(0.01)\n"
    )


def noting_in(ledger: Path) -> str:
    """A program that leaves one character for each time that it runs."""
    return f"open({str(ledger)!r}, 'a').write('x')"


def test_a_task_is_listed_with_what_its_launch_named_while_it_runs(
    bench: Bench, launch: Launch, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    launcher = bench.launcher(waiting_for(gate))
    assert launcher.tasks() == []
    before = datetime.now(UTC) - timedelta(seconds=2)
    task = launcher.launch(launch)
    wait_until(lambda: log_of(launcher, task) == "begun\n", "the task runs")
    [found] = launcher.tasks()
    named = launch.environment
    assert (found.task, found.running, found.litter) == (task, True, False)
    assert found.model_id == named["TRAINSHED_MODEL_ID"]
    assert found.attempt == int(named["TRAINSHED_ATTEMPT"])
    assert before < found.since < datetime.now(UTC) + timedelta(seconds=2)
    launcher.discard(task, with_log=True)
    assert launcher.describe([task])[task].phase is Phase.RUNNING, "nothing happens to it"
    gate.touch()
    end_of(launcher, task)
    assert [found.task for found in launcher.tasks() if found.running or found.litter] == []
    assert log_of(launcher, task) == "begun\n"


def test_what_a_task_has_left_behind_can_be_taken_away(bench: Bench, launch: Launch) -> None:
    launcher = bench.launcher("print('hello')")
    task = launcher.launch(launch)
    end_of(launcher, task)
    launcher.discard(task, with_log=False)
    assert log_of(launcher, task) == "hello\n"
    launcher.discard(task, with_log=True)
    assert launcher.tasks() == []
    launcher.discard(task, with_log=True)
    launcher.discard(bench.unknown_task(), with_log=True)
