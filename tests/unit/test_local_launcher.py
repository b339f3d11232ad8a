"""The local launcher's supervisors: killed, doubled, or unable to start."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.building import launch_for, pending_record, wait_until
from trainshed.errors import LaunchUncertain
from trainshed.local import supervisor
from trainshed.local.launcher import LocalLauncher
from trainshed.local.oom import LATELY_SECONDS, OomKills
from trainshed.ports import Phase, TaskState
from trainshed.record import Cause, Launch

SLEEPER = "import time; print('begun', flush=True); time.sleep(120)"


@pytest.fixture
def launch() -> Launch:
    return launch_for(pending_record())


def launcher_of(tmp_path: Path, program: str, grace_seconds: float = 0.2) -> LocalLauncher:
    command = (sys.executable, "-c", program)
    return LocalLauncher(tmp_path / "tasks", grace_seconds, command=command)


def stopped(launcher: LocalLauncher, task: str) -> TaskState:
    wait_until(lambda: launcher.describe([task])[task].phase is Phase.STOPPED, "it stops")
    return launcher.describe([task])[task]


def begin(launcher: LocalLauncher, launch: Launch) -> str:
    task = launcher.launch(launch)
    wait_until(lambda: launcher.log(task).text != "", "it begins")
    return task


def supervisor_of(tmp_path: Path, task: str) -> psutil.Process:
    return psutil.Process(int((tmp_path / "tasks" / task / "started").read_text()))


def test_a_killed_supervisor_takes_its_training_along_and_is_a_lost_host(
    tmp_path: Path, launch: Launch
) -> None:
    launcher = launcher_of(tmp_path, SLEEPER)
    task = begin(launcher, launch)
    supervisor = supervisor_of(tmp_path, task)
    [training] = supervisor.children()
    supervisor.kill()
    state = stopped(launcher, task)
    assert (state.exit_code, state.cause) == (None, Cause.HOST_LOST)
    wait_until(lambda: not alive(training), "the training dies too")
    assert launcher.launch(launch) == task, "the attempt is over: it is not started again"
    assert stopped(launcher, task) == state


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_half_a_line_is_shown_but_no_half_character(tmp_path: Path, launch: Launch) -> None:
    program = f"import os, time; os.write(1, {'price €'.encode()[:-1]!r}); time.sleep(120)"
    launcher = launcher_of(tmp_path, program)
    task = begin(launcher, launch)
    page = launcher.log(task)
    assert page.text == "price "
    assert launcher.log(task, page.cursor).text == ""
    launcher.stop(task, "seen")
    stopped(launcher, task)


def test_while_a_training_lives_its_task_runs(tmp_path: Path, launch: Launch) -> None:
    launcher = launcher_of(tmp_path, SLEEPER)
    task = begin(launcher, launch)
    supervisor = supervisor_of(tmp_path, task)
    [training] = supervisor.children()
    training.suspend()
    supervisor.suspend()
    assert launcher.describe([task]) == {task: TaskState(Phase.RUNNING)}
    supervisor.resume()
    training.kill()
    assert stopped(launcher, task).exit_code == 128 + signal.SIGKILL


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_task_leaves_no_temporary_files(tmp_path: Path, launch: Launch) -> None:
    launcher = launcher_of(
        tmp_path,
        "import tempfile, os; print(tempfile.gettempdir() == os.getcwd());"
        "tempfile.mkstemp(); open('here', 'w')",
    )
    task = launcher.launch(launch)
    assert stopped(launcher, task).exit_code == 0
    assert launcher.log(task).text == "True\n"
    wait_until(lambda: not (tmp_path / "tasks" / task / "work").exists(), "its folder goes")


def test_each_training_gets_its_share_of_the_processors(tmp_path: Path, launch: Launch) -> None:
    program = "import os; print(os.environ['OMP_NUM_THREADS'])"
    launcher = LocalLauncher(
        tmp_path / "tasks", 1.0, threads=3, command=(sys.executable, "-c", program)
    )
    task = launcher.launch(launch)
    stopped(launcher, task)
    assert launcher.log(task).text == "3\n"


def test_a_folder_that_cannot_be_made_leaves_the_launch_open(
    tmp_path: Path, launch: Launch
) -> None:
    (tmp_path / "tasks").touch()
    with pytest.raises(LaunchUncertain, match="could not be started"):
        launcher_of(tmp_path, "pass").launch(launch)


def test_a_supervisor_that_fails_leaves_the_launch_open_and_says_why(
    tmp_path: Path, launch: Launch
) -> None:
    folder = tmp_path / "tasks" / launch.token
    (folder / "lock").mkdir(parents=True)
    launcher = launcher_of(tmp_path, "pass")
    with pytest.raises(LaunchUncertain, match=r"see .*supervisor\.log"):
        launcher.launch(launch)
    assert launcher.find(launch.token) is None
    assert launcher.describe([launch.token]) == {}
    assert "IsADirectoryError" in (folder / "supervisor.log").read_text()
    (folder / "lock").rmdir()
    task = launcher.launch(launch)
    assert stopped(launcher, task).exit_code == 0, "it can be tried again"


class LaunchInThread:
    def __init__(self, launcher: LocalLauncher, launch: Launch) -> None:
        self._launcher = launcher
        self._launch = launch
        self.task: str | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.task = self._launcher.launch(self._launch)

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        self._thread.join(timeout=60)
        assert self.is_over


@pytest.mark.parametrize("first_marks_it", [True, False])
def test_a_second_supervisor_waits_until_the_first_has_started_or_died(
    tmp_path: Path, launch: Launch, first_marks_it: bool
) -> None:
    """The test is the first supervisor: it has the lock, and then marks the start, or dies."""
    ledger = tmp_path / "ledger"
    launcher = launcher_of(tmp_path, f"open({str(ledger)!r}, 'a').write('x')")
    folder = tmp_path / "tasks" / launch.token
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        launching = LaunchInThread(launcher, launch)
        wait_until(lambda: second_supervisor_of(folder) is not None, "the second one is there")
        assert not launching.is_over
        if first_marks_it:
            (folder / "started").write_text(str(os.getpid()))
            launching.join()
            assert launcher.describe([launch.token]) == {launch.token: TaskState(Phase.RUNNING)}
    launching.join()
    assert launching.task == launch.token
    state = stopped(launcher, launch.token)
    if first_marks_it:
        assert (state.cause, ledger.exists()) == (Cause.HOST_LOST, False)
    else:
        assert (state.exit_code, ledger.read_text()) == (0, "x")


def test_a_training_that_is_started_between_a_look_and_the_lock_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock_late(handle: int, _: int) -> None:
        (tmp_path / "started").touch()  # by another supervisor, which is gone since

    monkeypatch.setattr(fcntl, "flock", lock_late)
    assert not supervisor._is_first(tmp_path, lock=0)


def test_what_never_began_leaves_nothing(tmp_path: Path, launch: Launch) -> None:
    launcher = launcher_of(tmp_path, "")
    folder = tmp_path / "tasks" / launch.token
    folder.mkdir(parents=True)
    (folder / "launch.json").write_text(json.dumps({"environment": launch.environment}))
    [task] = launcher.tasks()
    assert task.litter
    launcher.discard(task.task, with_log=False)
    assert launcher.tasks() == []


def second_supervisor_of(folder: Path) -> psutil.Process | None:
    """The supervisor proper, which the process that the launcher started has left behind."""
    for process in psutil.Process().children(recursive=True):
        try:
            if str(folder) in process.cmdline() and process.parent() != psutil.Process():
                return process
        except psutil.NoSuchProcess:
            continue
    return None


def test_a_launch_description_that_is_there_is_not_changed(tmp_path: Path, launch: Launch) -> None:
    folder = tmp_path / "tasks" / launch.token
    first = launcher_of(tmp_path, "print('first')")
    (folder / "lock").mkdir(parents=True)
    with pytest.raises(LaunchUncertain):
        first.launch(launch)
    before = json.loads((folder / "launch.json").read_text())
    (folder / "lock").rmdir()
    second = launcher_of(tmp_path, "print('second')")
    task = second.launch(launch)
    stopped(second, task)
    assert json.loads((folder / "launch.json").read_text()) == before
    assert second.log(task).text == "first\n"


def test_a_task_id_that_is_none_is_no_path(tmp_path: Path) -> None:
    launcher = launcher_of(tmp_path, "pass")
    for task in ("../x", "", "A" * 64, "0" * 63, "0" * 64 + "\n"):
        with pytest.raises(ValueError, match="not the id of a local task"):
            launcher.find(task)


V2 = "low 0\nhigh 7\nmax 7\noom 1\noom_kill {}\noom_group_kill 0\n"
V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"


@pytest.mark.parametrize("form", [V2, V1])
def test_the_kernels_count_of_those_it_killed_for_memory(tmp_path: Path, form: str) -> None:
    now = 100.0
    file = tmp_path / "counts"
    file.write_text(form.format(3))
    kills = OomKills(file, clock=lambda: now)
    assert not kills.lately(), "those were before"
    file.write_text(form.format(4))
    assert kills.lately()
    now += LATELY_SECONDS
    assert kills.lately()
    now += 0.1
    assert not kills.lately(), "that was another process"
    file.unlink()
    assert not kills.lately()


def test_where_nothing_is_counted_nothing_is_said(tmp_path: Path) -> None:
    assert not OomKills(tmp_path / "none").lately()
    assert not OomKills().lately(), "whatever this machine has"


@pytest.mark.parametrize(
    ("counts", "ending", "is_stopped", "known"),
    [
        ("oom_kill 1", "os.kill(os.getpid(), 9)", False, True),
        ("oom_kill 0", "os.kill(os.getpid(), 9)", False, False),
        ("oom_kill 1", "sys.exit(1)", False, False),
        ("oom_kill 1", "os.kill(os.getpid(), 9)", True, False),
    ],
)
def test_a_training_that_the_kernel_killed_for_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counts: str,
    ending: str,
    is_stopped: bool,
    known: bool,
) -> None:
    counting = tmp_path / "counts"
    counting.write_text("oom_kill 0")
    monkeypatch.setattr(supervisor, "OomKills", lambda: OomKills(counting))
    launch = launch_for(pending_record())
    task = launch.token
    folder = tmp_path / "tasks" / task
    folder.mkdir(parents=True)
    program = (
        f"import os, signal, sys, pathlib; pathlib.Path({str(counting)!r}).write_text({counts!r})"
    )
    if is_stopped:  # by the program, when the SIGTERM that follows does not end it any more
        program += "; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
        program += f"; pathlib.Path({str(folder / 'stop')!r}).write_text('cancelled')"
    command = [sys.executable, "-c", f"{program}; {ending}"]
    (folder / "launch.json").write_text(json.dumps({"command": command, "environment": {}}))
    with (folder / "lock").open("w") as lock:
        outcome = supervisor._run(folder, 60.0, lock.fileno())
    (folder / "started").touch()
    (folder / "exit.json").write_text(json.dumps(outcome))
    [state] = launcher_of(tmp_path, "").describe([task]).values()
    assert state.phase is Phase.STOPPED
    assert state.cause is (Cause.OUT_OF_MEMORY if known else None)
    assert state.exit_code == (1 if "exit" in ending else 137)
