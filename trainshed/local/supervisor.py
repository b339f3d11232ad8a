"""The supervisor: one small process per training, which outlives the consumer that started it.

`python -m trainshed.local.supervisor FOLDER GRACE_SECONDS`, with the task's folder:

    launch.json   what to start, written by the launcher
    lock          held by the supervisor and its training, so it is free only when both are gone
    started       there before the training is: it is started at most once
    log           all that the training prints
    stop          there as soon as somebody asks the training to stop
    exit.json     how the training ended, written before the lock is freed
    work/         the training's folder for temporary files, gone when it ends

A free lock with no exit.json means that the supervisor was killed: the host was lost, so to say.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trainshed.local.files import write_atomically
from trainshed.local.oom import OomKills

POLL_SECONDS = 0.1


def main(folder: Path, grace_seconds: float) -> int:
    """Leave a supervisor behind; give 0 once its training is marked as started, or has been."""
    started, starting = os.pipe()
    if os.fork() > 0:
        os.close(starting)
        with os.fdopen(started, "rb") as answer:
            return 0 if answer.read(1) == b"1" else 1
    os.close(started)
    status = 1
    try:
        status = _supervise(folder, grace_seconds, starting)
    except BaseException:
        traceback.print_exc()  # into supervisor.log
        raise
    finally:
        os._exit(status)


def _supervise(folder: Path, grace_seconds: float, starting: int) -> int:
    with (folder / "lock").open("w") as lock:
        first = _is_first(folder, lock.fileno())
        if first:
            # Before the training, not after: a crash in between costs an attempt, the other way
            # round it could train twice.
            write_atomically(folder / "started", str(os.getpid()))
        os.write(starting, b"1")
        os.close(starting)
        if first:
            _write_exit(folder, _run(folder, grace_seconds, lock.fileno()))
            shutil.rmtree(folder / "work", ignore_errors=True)
    return 0


def _is_first(folder: Path, lock: int) -> bool:
    """Take the lock if the training is this supervisor's to start. While another one is about to
    start it, wait: if that one dies before it has, there must be one that does."""
    while not (folder / "started").exists():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(POLL_SECONDS)
        else:
            return not (folder / "started").exists()
    return False


def _run(folder: Path, grace_seconds: float, lock: int) -> dict[str, object]:
    """Run the training to its end and say how it ended."""
    try:
        training = _start(folder, lock)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        traceback.print_exc()
        return {"exit_code": None, "start_failed": str(error) or type(error).__name__}
    oom_kills = OomKills()
    code = _wait(folder, training, grace_seconds, oom_kills)
    out_of_memory = (
        code == -signal.SIGKILL and not (folder / "stop").exists() and oom_kills.lately()
    )
    # What it left behind goes with it, as in a container; it would keep the lock.
    with suppress(ProcessLookupError):
        os.killpg(training.pid, signal.SIGKILL)
    # As containers have it: a signal's number above 128.
    exit_code = code if code >= 0 else 128 - code
    return {"exit_code": exit_code, "out_of_memory": out_of_memory}


def _start(folder: Path, lock: int) -> subprocess.Popen[bytes]:
    work = folder / "work"
    work.mkdir(exist_ok=True)
    launch = json.loads((folder / "launch.json").read_text(encoding="utf-8"))
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            launch["command"],
            # The launcher gave this process what a machine and an image give, and no more.
            env={**os.environ, **launch["environment"], "TMPDIR": str(work)},
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            process_group=0,
            preexec_fn=_dies_with(os.getpid()) if sys.platform == "linux" else None,
        )


def _wait(
    folder: Path, training: subprocess.Popen[bytes], grace_seconds: float, oom_kills: OomKills
) -> int:
    """Wait for the end, or bring it about when somebody asks for it."""
    kill_at = None
    while True:
        try:
            return training.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            oom_kills.look()
            # A folder that is gone tells the launcher that there is no such task: then make it so.
            if kill_at is None and ((folder / "stop").exists() or not folder.exists()):
                kill_at = time.monotonic() + grace_seconds
                os.killpg(training.pid, signal.SIGTERM)
            elif kill_at is not None and time.monotonic() >= kill_at:
                os.killpg(training.pid, signal.SIGKILL)


def _write_exit(folder: Path, outcome: dict[str, object]) -> None:
    """Keep trying on a full disk: an exit code that is lost costs a training."""
    while True:
        try:
            write_atomically(folder / "exit.json", json.dumps(outcome))
        except OSError:
            if not folder.is_dir():
                return
            time.sleep(1)
        else:
            return


def _dies_with(supervisor: int) -> Callable[[], None]:
    """A container dies with its host; so a training must not outlive its supervisor unseen.

    The lock keeps its slot where the system is not Linux and it does outlive it.
    """
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    pr_set_pdeathsig = 1

    def in_child() -> None:
        prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != supervisor:  # it was killed before it was asked for
            os._exit(1)

    return in_child


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
