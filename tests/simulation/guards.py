"""The guards of the protocol, and a way to run tests without one of them.

`python -m tests.simulation.guards NAME…` drops each named guard in turn, runs the test that is to
miss it, and prints `NAME caught` or `NAME survived`. A guard is dropped in the source of its module
when that is imported, in a process of its own: whoever imports from it gets what was changed.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]

_MODEL = "tests/simulation/test_exhaustive.py::test_no_interleaving_breaks_an_invariant"


@dataclass(frozen=True)
class Guard:
    name: str
    module: str
    text: str
    """As it stands in the module, once."""
    instead: str
    caught_by: str
    """The test that fails without it."""


def _model(search: str) -> str:
    return f"{_MODEL}[{search}]"


_RECORD, _REGISTRY = "trainshed.record", "tests/contract/test_registry.py"
_UNIT = "tests/unit"

GUARDS = [
    # A record's transitions.
    Guard(
        "reserve: the attempt is the next one",
        _RECORD,
        "if record.status is not Status.PENDING or record.attempt != attempt - 1:",
        "if record.status is not Status.PENDING:",
        f"{_UNIT}/test_record.py",
    ),
    Guard(
        "reserve: the record is Pending",
        _RECORD,
        "if record.status is not Status.PENDING or record.attempt != attempt - 1:",
        "if record.attempt != attempt - 1:",
        f"{_UNIT}/test_record.py",
    ),
    Guard(
        "note_task: a task that is known stays",
        _RECORD,
        "if record.attempt != attempt or record.task is not None:",
        "if record.attempt != attempt:",
        _model("one_request_and_an_hour"),
    ),
    Guard(
        "claim: one container only",
        _RECORD,
        "        if record.task == task:\n            return record\n        raise Stale(",
        "        if record.task == task or task:\n            return record\n        raise Stale(",
        _model("one_request_and_an_hour"),
    ),
    Guard(
        "what is told of an attempt is about the current one",
        _RECORD,
        "if self.attempt != attempt or self.status not in _RUNNING:",
        "if self.status not in _RUNNING:",
        _model("two_attempts"),
    ),
    Guard(
        "what is told of an attempt is about one that runs",
        _RECORD,
        "if self.attempt != attempt or self.status not in _RUNNING:",
        "if self.attempt != attempt:",
        f"{_UNIT}/test_record.py",
    ),
    Guard(
        "a verdict is about the task that the record follows",
        _RECORD,
        '    if record.task != task:\n        raise Stale(f"Attempt {attempt} of',
        '    if False:\n        raise Stale(f"Attempt {attempt} of',
        f"{_UNIT}/test_record.py",
    ),
    Guard(
        "cancelled: about the task that the record follows",
        _RECORD,
        "if record.status is not Status.CANCELLING or (record.attempt, record.task) !="
        " (attempt, task):",
        "if record.status is not Status.CANCELLING:",
        f"{_UNIT}/test_record.py",
    ),
    Guard(
        "a status becomes what the table allows: terminal ones never change",
        _RECORD,
        "if status is not self.status and status not in _NEXT[self.status]:",
        "if False:",
        f"{_UNIT}/test_record.py",
    ),
    Guard(
        "stop_for: once",
        _RECORD,
        "if record.stop_cause is not None:",
        "if False:",
        f"{_UNIT}/test_record.py",
    ),
    Guard(
        "a token is of one attempt",
        _RECORD,
        'f"{model_id}|{attempt}".encode()',
        "model_id.encode()",
        _model("two_attempts"),
    ),
    # Intake.
    Guard(
        "a message goes when its record is there",
        "queue_consumer.intake",
        "        engine.registry.put_new(*records)\n        engine.queue.delete(*accepted)",
        "        engine.queue.delete(*accepted)\n        engine.registry.put_new(*records)",
        _model("two_requests"),
    ),
    Guard(
        "a bad message is buried when its record is there",
        "queue_consumer.intake",
        "            engine.registry.put_new(rejected(message.body, message.message_id, str(error),"
        " now))\n            engine.queue.bury(message, str(error))",
        "            engine.queue.bury(message, str(error))\n            engine.registry.put_new("
        "rejected(message.body, message.message_id, str(error), now))",
        f"{_UNIT}/test_crash_points.py",
    ),
    # Dispatch.
    Guard(
        "a slot is taken under the cap",
        "queue_consumer.dispatch",
        "amend_each(records, take_slot, settings.cap)",
        "amend_each(records, take_slot, None)",
        f"{_UNIT}/test_dispatch.py",
    ),
    Guard(
        "no launch is repeated past the horizon",
        "queue_consumer.dispatch",
        "if clock() - record.launched_at < LAUNCH_HORIZON:",
        "if True:",
        f"{_UNIT}/test_dispatch.py",
    ),
    Guard(
        "no launch is begun past the deadline",
        "queue_consumer.dispatch",
        "return deadline is not None and clock() >= deadline",
        "return False",
        f"{_UNIT}/test_dispatch.py",
    ),
    # Reconcile and verdict.
    Guard(
        "a missing task is believed after a while only",
        "queue_consumer.reconcile",
        "now - record.updated_at < BELIEVED_AFTER:",
        "False:",
        _model("two_attempts"),
    ),
    Guard(
        "an artifact is verified",
        "queue_consumer.verdict",
        "digest = verify(engine.artifacts, record.model_id, attempt)",
        'digest = "0" * 64',
        _model("one_request_and_an_hour"),
    ),
    Guard(
        "no exit code is no success",
        "queue_consumer.verdict",
        "if state.exit_code != EXIT_OK or record",
        "if state.exit_code not in (EXIT_OK, None) or record",
        f"{_UNIT}/test_reconcile.py",
    ),
    Guard(
        "what is being cancelled is never Completed",
        "queue_consumer.verdict",
        "if state.exit_code != EXIT_OK or record.status is Status.CANCELLING:",
        "if state.exit_code != EXIT_OK:",
        _model("a_cancel"),
    ),
    Guard(
        "a cancel is sticky",
        "queue_consumer.verdict",
        "        if current.status is Status.CANCELLING:\n            return cancelled(",
        "        if False:\n            return cancelled(",
        _model("a_cancel"),
    ),
    Guard(
        "what was stopped for its timeout has failed of it",
        "queue_consumer.verdict",
        "if current.stop_cause is Cause.TIMEOUT:",
        "if False:",
        f"{_UNIT}/test_reconcile.py",
    ),
    Guard(
        "attempts are counted",
        "queue_consumer.verdict",
        "if attempt >= attempts:",
        "if False:",
        _model("two_attempts"),
    ),
    # The container and its artifact.
    Guard(
        "a container works on what it has claimed only",
        "training_image.run_training",
        "        raise NotClaimed(str(error)) from error",
        "        pass",
        f"{_UNIT}/test_run_training.py",
    ),
    Guard(
        "an artifact is the attempt's own",
        "trainshed.manifest",
        "    if (manifest.model_id, manifest.attempt) != (model_id, attempt):",
        "    if False:",
        f"{_UNIT}/test_manifest.py",
    ),
    Guard(
        "an artifact is what the manifest says",
        "trainshed.manifest",
        "    if actual != expected:",
        "    if False:",
        f"{_UNIT}/test_manifest.py",
    ),
    Guard(
        "an artifact is the one that was told",
        "trainshed.manifest",
        "if digest is not None and digest_of(content) != digest:",
        "if False:",
        f"{_UNIT}/test_manifest.py",
    ),
    # The local engine.
    Guard(
        "local: a record is written once",
        "trainshed.local.registry",
        ":created_at, :record) ON CONFLICT DO NOTHING",
        ":created_at, :record) ON CONFLICT DO UPDATE SET record = excluded.record",
        f"{_REGISTRY}",
    ),
    Guard(
        "local: a record is replaced by who has read it last",
        "trainshed.local.registry",
        "WHERE model_id = :model_id AND version = :old_version",
        "WHERE model_id = :model_id AND :old_version = :old_version",
        f"{_REGISTRY}",
    ),
    Guard(
        "local: slots are counted in the transaction",
        "trainshed.local.registry",
        "        if limit is not None and self.slots_in_use() >= limit:\n"
        "            raise CapReached\n        cursor",
        "        cursor",
        f"{_REGISTRY}",
    ),
    Guard(
        "local: a transaction lets no other writer in between",
        "trainshed.local.database",
        "BEGIN IMMEDIATE",
        "BEGIN",
        f"{_REGISTRY}",
    ),
    Guard(
        "local: a delay is waited for",
        "trainshed.local.registry",
        "status = 'Pending' AND (not_before <= :now OR",
        "status = 'Pending' AND (not_before <= :now + 86400 OR",
        f"{_REGISTRY}",
    ),
    Guard(
        "local: a received message is hidden",
        "trainshed.local.queue",
        "        latest = now + self._visibility_seconds",
        "        latest = now",
        "tests/contract/test_queue.py",
    ),
    Guard(
        "local: a key is written once",
        "trainshed.local.artifacts",
        "os.link(name, target)",
        "shutil.copyfile(name, target)",
        "tests/contract/test_artifact_store.py",
    ),
    Guard(
        "local: a task is started once",
        "trainshed.local.supervisor",
        '            return not (folder / "started").exists()\n',
        "            return True\n",
        "tests/unit/test_local_launcher.py",
    ),
    # The aws engine.
    Guard(
        "aws: a record is written once",
        "trainshed.aws.registry",
        '_IS_NEW = "attribute_not_exists(model_id)"',
        '_IS_NEW = "attribute_not_exists(no_such)"',
        f"{_REGISTRY}",
    ),
    Guard(
        "aws: a record is replaced by who has read it last",
        "trainshed.aws.registry",
        'self._put(new, "version = :version"',
        'self._put(new, "version = :version OR version <> :version"',
        f"{_REGISTRY}",
    ),
    Guard(
        "aws: a slot is taken under the cap",
        "trainshed.aws.registry",
        'f"used <= :others{first}"',
        'f"used <= :others OR used > :others{first}"',
        f"{_REGISTRY}",
    ),
    Guard(
        "aws: slots are mended as they were counted",
        "trainshed.aws.registry",
        '"changes = :changes OR attribute_not_exists(changes)"',
        '"changes = :changes OR changes <> :changes OR attribute_not_exists(changes)"',
        f"{_REGISTRY}",
    ),
    Guard(
        "aws: a delay is waited for",
        "trainshed.aws.registry",
        '            FilterExpression="not_before <= :now",\n'
        '            ExpressionAttributeNames={"#state": "state"},\n'
        '            ExpressionAttributeValues={":state": {"S": _PENDING}, ":now"',
        '            FilterExpression="not_before <= :now OR not_before > :now",\n'
        '            ExpressionAttributeNames={"#state": "state"},\n'
        '            ExpressionAttributeValues={":state": {"S": _PENDING}, ":now"',
        f"{_REGISTRY}",
    ),
    Guard(
        "aws: a key is written once",
        "trainshed.aws.artifacts",
        '                ChecksumAlgorithm="SHA256",\n                IfNoneMatch="*",',
        '                ChecksumAlgorithm="SHA256",',
        "tests/contract/test_artifact_store.py",
    ),
    Guard(
        "aws: a key that is uploaded in parts is written once",
        "trainshed.aws.artifacts",
        'MultipartUpload={"Parts": parts}, IfNoneMatch="*"',
        'MultipartUpload={"Parts": parts}',
        f"{_UNIT}/test_aws_adapters.py",
    ),
    Guard(
        "aws: a launch has its client token",
        "trainshed.aws.launcher",
        '            "clientToken": launch.token,\n',
        "",
        f"{_UNIT}/test_ecs_launcher.py",
    ),
    Guard(
        "aws: a burial holds its message",
        "trainshed.aws.queue",
        "        if not self._hold(message):\n            return\n",
        "",
        "tests/contract/test_queue.py",
    ),
]


class _Dropping(importlib.abc.MetaPathFinder):
    """Finds the module of a guard, and loads it without."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._guard.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(self._guard, spec.origin)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, guard: Guard, path: str) -> None:
        super().__init__(guard.module, path)
        self._guard = guard

    def get_code(self, fullname: str) -> Any:
        # From its source, and into no cache.
        return compile(without(self._guard), self.path, "exec", dont_inherit=True)


def source_of(guard: Guard) -> str:
    return (ROOT / f"{guard.module.replace('.', '/')}.py").read_text(encoding="utf-8")


def without(guard: Guard) -> str:
    """The module's source without the guard. Raises `LookupError` if it does not stand there."""
    source = source_of(guard)
    if source.count(guard.text) != 1:
        raise LookupError(f"{guard.name}: {guard.module} holds it {source.count(guard.text)} times")
    return source.replace(guard.text, guard.instead)


def run_without(guard: Guard, server: Any) -> tuple[bool, str]:
    """Whether the guard's test fails without it, and what it has printed. In a child process."""
    with tempfile.TemporaryFile("w+") as output:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            code = _test(guard, server)
            sys.stdout.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        printed = output.read()
    # A test that failed, and no error on the way to it.
    return os.waitstatus_to_exitcode(status) == 1 and "\nFAILED tests/" in printed, printed


def _test(guard: Guard, server: Any) -> int:
    import pytest

    import tests.aws.moto_server as aws

    @contextmanager
    def running(log: Path) -> Iterator[Any]:
        yield server

    sys.meta_path.insert(0, _Dropping(guard))
    started: Callable[..., Any] = running
    setattr(aws, "moto_server", started)  # noqa: B010
    return int(
        pytest.main(["-x", "-q", "--no-header", "-rfE", "-p", "no:cacheprovider", guard.caught_by])
    )


def _first_failure(output: str) -> str:
    return next(line for line in output.splitlines() if line.startswith("FAILED"))


def main(names: Sequence[str]) -> int:
    # All that takes time to import, and is nothing of ours, so that no child has to.
    import boto3  # noqa: F401
    import pydantic  # noqa: F401

    from tests.aws.moto_server import moto_server

    loaded = [name for name in sys.modules if name.startswith(("trainshed", "queue_consumer"))]
    assert not loaded, loaded
    survivors = 0
    with tempfile.TemporaryDirectory() as folder, moto_server(Path(folder, "log")) as server:
        for guard in GUARDS:
            if not names or guard.name in names:
                caught, output = run_without(guard, server)
                survivors += not caught
                told = _first_failure(output) if caught else output[-3000:]
                sys.stdout.write(f"{guard.name}: {'caught' if caught else 'SURVIVED'}: {told}\n")
                sys.stdout.flush()
    return 1 if survivors else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
