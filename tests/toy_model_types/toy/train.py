"""A training without a framework, which does what its hyperparameters tell it to."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from functools import partial
from pathlib import Path

from model_types import InvalidData, Progress, TrainingJob, UnusableCheckpoint

GATE_SECONDS = 60.0
"""How long a gate is waited for at most, so that a failing test ends."""

_STATE = "epochs-done.txt"


def train(job: TrainingJob) -> None:
    options = job.hyperparameters
    if options["stubborn"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(options["says"] or "training", flush=True)  # noqa: T201
    ledger = str(options["ledger"])
    note(ledger, "begin" if _is_alone(ledger) else "overlap")
    for epoch in range(_epochs_done(job) + 1, job.epochs + 1):
        time.sleep(float(options["seconds"]))
        job.report(Progress(epoch, job.epochs, 1 / epoch, 1 - 1 / epoch, "luck", 10.0, 0.0))
        job.save_checkpoint(epoch, partial(_write_checkpoint, epoch))
        note(ledger, "epoch", epoch=epoch)
        if epoch == options["gate_after"]:
            _wait_for(str(options["gate"]))
    if not options["gate_after"]:
        _wait_for(str(options["gate"]))
    _end(str(options["ending"]), job.output, int(options["bytes"]))
    (job.output / "words.json").write_text(
        json.dumps(sorted(path.name for path in job.dataset.iterdir())), encoding="utf-8"
    )
    if job.feedback:
        right = {example.body.decode(): example.expected for example in job.feedback}
        (job.output / "feedback.json").write_text(json.dumps(right), encoding="utf-8")
        job.joined(len(job.feedback))
    note(ledger, "end")


def _epochs_done(job: TrainingJob) -> int:
    if job.checkpoint is None:
        return 0
    try:
        return int((job.checkpoint / _STATE).read_text(encoding="utf-8"))
    except ValueError:
        raise UnusableCheckpoint(f"{_STATE} holds no number.") from None


def _write_checkpoint(epoch: int, folder: Path) -> None:
    (folder / _STATE).write_text(str(epoch), encoding="utf-8")


def _end(ending: str, output: Path, size: int) -> None:
    match ending:
        case "error":
            raise ArithmeticError("the loss is not a number")
        case "invalid data":
            raise InvalidData("line 3 has no tag")
        case "out of memory":
            raise MemoryError("no room for it")
        case "exit code":
            os._exit(7)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "no file":
            os._exit(0)
        case "evil file":
            (output / "a file with spaces").touch()
    (output / "model.bin").write_bytes(b"x" * size)


def note(ledger: str, what: str, **more: int) -> None:
    """One line per event, appended whole: event, modelId, attempt, process id, time, and `more`."""
    if ledger:
        entry = {
            "event": what,
            "model_id": os.environ["TRAINSHED_MODEL_ID"],
            "attempt": int(os.environ["TRAINSHED_ATTEMPT"]),
            "pid": os.getpid(),
            "at": time.monotonic(),
            **more,
        }
        handle = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{json.dumps(entry)}\n".encode())
        os.close(handle)


def _is_alone(ledger: str) -> bool:
    """Whether no other process trains this model now. The lock goes with the process, however it
    ends, and no moment between two looks is missed."""
    if not ledger:
        return True
    path = f"{ledger}.{os.environ['TRAINSHED_MODEL_ID']}"
    handle = os.open(path, os.O_RDWR | os.O_CREAT)  # left open: held to the process's end
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for(gate: str) -> None:
    deadline = time.monotonic() + GATE_SECONDS
    while gate and not Path(gate).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
