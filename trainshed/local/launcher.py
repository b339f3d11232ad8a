"""LocalLauncher: a training is a child process, watched by a supervisor of its own.

A task's id is its client token, and its folder is named by it: launching twice finds the folder.
"""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from trainshed.errors import LaunchRefused, LaunchUncertain, StorageUnavailable
from trainshed.handoff import TASK_VARIABLE
from trainshed.local.files import write_atomically
from trainshed.ports import Launcher, LogPage, Phase, Task, TaskState
from trainshed.record import Cause, Launch

LOG_PAGE_BYTES = 1 << 20

# What an image and its host give a container, beside what the launch says; nothing else gets in.
_MACHINE_VARIABLES = (
    *("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "HF_HOME"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
)
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


class LocalLauncher(Launcher):
    def __init__(
        self,
        folder: Path,
        grace_seconds: float,
        threads: int = 1,
        command: Collection[str] = (sys.executable, "-m", "training_image"),
    ) -> None:
        self._folder = folder
        self._grace_seconds = grace_seconds
        self._threads = threads
        self._command = list(command)

    def launch(self, launch: Launch) -> str:
        if launch.image_digest is not None:
            raise LaunchRefused(
                f"It is to be trained in the image {launch.image_digest}, and the local engine has"
                " no images: only the aws engine can train it."
            )
        folder = self._task_folder(launch.token)
        try:
            if not (folder / "started").exists():
                folder.mkdir(parents=True, exist_ok=True)
                if not (folder / "launch.json").exists():
                    write_atomically(folder / "launch.json", self._description(launch))
                self._start_supervisor(folder)
        except OSError as error:
            # Another consumer may be about to start it, so this is no refusal.
            raise LaunchUncertain(f"The training could not be started: {error}") from error
        return launch.token

    def find(self, token: str) -> str | None:
        return token if (self._task_folder(token) / "started").exists() else None

    def describe(self, tasks: Collection[str]) -> dict[str, TaskState]:
        states = {}
        for task in tasks:
            folder = self._task_folder(task)
            # An OSError: its state cannot be read, so nothing is said of it.
            with suppress(OSError):
                if (folder / "started").exists():
                    states[task] = _running(folder) or _stopped(folder)
                elif self._folder.is_dir() and not folder.exists():
                    states[task] = TaskState(Phase.MISSING, reason=f"{folder} is gone.")
        return states

    def stop(self, task: str, reason: str) -> None:
        folder = self._task_folder(task)
        if folder.is_dir() and not (folder / "stop").exists():
            try:
                write_atomically(folder / "stop", reason)
            except OSError as error:
                raise StorageUnavailable(f"{folder} cannot be written: {error}.") from error

    def tasks(self) -> list[Task]:
        found = []
        for folder in sorted(self._folder.glob("?" * 64)):
            # A ValueError: its description is damaged, so it cannot be said whose it is.
            with suppress(OSError, ValueError, KeyError):
                found.append(_task(folder))
        return found

    def discard(self, task: str, with_log: bool) -> None:
        folder = self._task_folder(task)
        try:
            with (folder / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # neither does it begin meanwhile
                began = (folder / "started").exists()
                shutil.rmtree(folder / "work" if began and not with_log else folder)
        except (BlockingIOError, FileNotFoundError):
            return
        except OSError as error:
            raise StorageUnavailable(f"{folder} cannot be deleted: {error}.") from error

    def log(self, task: str, cursor: str | None = None) -> LogPage:
        start = int(cursor or 0)
        try:
            with (self._task_folder(task) / "log").open("rb") as file:
                file.seek(start)
                content = file.read(LOG_PAGE_BYTES)
        except FileNotFoundError:
            return LogPage("", cursor)
        # A character whose last bytes are not there yet is left for the next page.
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        text = decoder.decode(content)
        unread, _ = decoder.getstate()
        return LogPage(text, str(start + len(content) - len(unread)))

    def _description(self, launch: Launch) -> str:
        return json.dumps(
            {
                "command": self._command,
                "environment": {**launch.environment, TASK_VARIABLE: launch.token},
            }
        )

    def _machine_environment(self) -> dict[str, str]:
        return {
            # A training's share of the processors, as a container has one: frameworks that each
            # take all of them are several times slower together than one after the other.
            **dict.fromkeys(_THREAD_VARIABLES, str(self._threads)),
            "OMP_WAIT_POLICY": "PASSIVE",
            **{name: os.environ[name] for name in _MACHINE_VARIABLES if name in os.environ},
            "PYTHONUNBUFFERED": "1",
        }

    def _start_supervisor(self, folder: Path) -> None:
        with (folder / "supervisor.log").open("ab") as log:
            # It leaves a child of its own behind and ends when that child has begun.
            completed = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "trainshed.local.supervisor",
                    str(folder),
                    str(self._grace_seconds),
                ],
                cwd=folder,
                env=self._machine_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=False,
            )
        if completed.returncode != 0:
            raise OSError(f"its supervisor failed, see {folder / 'supervisor.log'}")

    def _task_folder(self, task: str) -> Path:
        if not re.fullmatch("[0-9a-f]{64}", task):
            raise ValueError(f"{task!r} is not the id of a local task")
        return self._folder / task


def _running(folder: Path) -> TaskState | None:
    # Only looked at once `started` is there, so that this look cannot keep a supervisor from
    # getting the lock that it starts with.
    with (folder / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return TaskState(Phase.RUNNING)
    return None


def _task(folder: Path) -> Task:
    environment = json.loads((folder / "launch.json").read_text(encoding="utf-8"))["environment"]
    started = (folder / "started").exists()
    running = started and _running(folder) is not None
    marks = [folder / name for name in ("launch.json", "started", "exit.json")]
    last = max(mark.stat().st_mtime for mark in marks if mark.exists())
    return Task(
        task=folder.name,
        model_id=environment["TRAINSHED_MODEL_ID"],
        attempt=int(environment["TRAINSHED_ATTEMPT"]),
        since=datetime.fromtimestamp(last, UTC),
        running=running,
        litter=not running and (not started or (folder / "work").exists()),
    )


def _stopped(folder: Path) -> TaskState:
    try:
        outcome = json.loads((folder / "exit.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return TaskState(
            Phase.STOPPED,
            cause=Cause.HOST_LOST,
            reason="Its supervisor was killed, and it died too.",
        )
    if outcome["exit_code"] is None:
        return TaskState(
            Phase.STOPPED,
            cause=Cause.START_FAILED,
            reason=f"It did not start: {outcome['start_failed']}",
        )
    if outcome.get("out_of_memory"):
        return TaskState(
            Phase.STOPPED,
            exit_code=outcome["exit_code"],
            cause=Cause.OUT_OF_MEMORY,
            reason="the kernel killed it",
        )
    return TaskState(Phase.STOPPED, exit_code=outcome["exit_code"])
