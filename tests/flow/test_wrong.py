"""When something is wrong: `explain` and `doctor` as a user meets them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .shed import Shed

CAT = "cat-11111111-1111-4111-8111-111111111111"


def age(folder: Path) -> None:
    """Let all that lies there be an hour old."""
    then = time.time() - 3600
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


def test_a_failure_is_explained(shed: Shed) -> None:
    model_id = shed.submit("cat", ending="invalid data", says="look at\x1b this")
    queued = shed.done("explain", model_id)
    assert queued.startswith(f"{model_id}  still on the queue\n\nNo consumer has taken it in yet.")
    shed.done("run", "--until-idle")
    lines = shed.done("explain", "cat").splitlines()
    assert lines[0] == f"{model_id}  Failed"
    assert lines[2].endswith(", in attempt 1 of 3: line 3 has no tag")
    assert "The end of its log:" in lines
    assert "  look at\N{REPLACEMENT CHARACTER} this" in lines
    assert lines[lines.index("What to do") + 1 :] == [
        "  Mend the data or the settings, and submit it again.",
        f"  To queue the same request once more: trainshed retry {model_id}",
        f"  To see all of it: trainshed logs {model_id}",
    ]
    document = json.loads(shed.done("explain", "cat", "--output=json"))
    assert (document["model_id"], document["status"]) == (model_id, "Failed")
    assert len(document["advice"]) == 3

    unknown = shed.call("explain", CAT)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "There is no model" in unknown.stderr


def test_a_request_is_cancelled_before_it_is_taken_in(shed: Shed) -> None:
    model_id = shed.submit("cat")
    cancelled = shed.call("cancel", model_id)
    assert (cancelled.returncode, cancelled.stdout) == (0, f"{model_id}  Cancelled\n")
    assert "If its message is on the queue, it will be dropped" in cancelled.stderr
    shed.done("run", "--until-idle")
    assert shed.statuses() == {"cat": "Cancelled"}
    assert shed.events("begin") == []
    assert "before it was taken in" in shed.done("explain", "cat")


def test_the_doctor_finds_and_mends(shed: Shed) -> None:
    healthy = "Nothing that is older than 15 minutes is out of place.\n"
    assert shed.done("doctor") == healthy
    good, bad = shed.submit("good"), shed.submit("bad", ending="error")
    shed.done("run", "--until-idle")
    assert shed.done("doctor") == healthy
    artifacts, tasks = shed.home / "artifacts", shed.home / "tasks"
    for model_id in (bad, CAT):
        (artifacts / f"models/{model_id}/1").mkdir(parents=True)
        (artifacts / f"models/{model_id}/1/model.bin").touch()
    (artifacts / f"models/{bad}/1/~half").touch()
    [stray] = [path for path in tasks.iterdir() if good in (path / "launch.json").read_text()]
    shutil.copytree(stray, tasks / ("f" * 64))
    launch = (stray / "launch.json").read_text()
    (tasks / ("f" * 64) / "launch.json").write_text(launch.replace(good, CAT))
    (stray / "work").mkdir()
    assert shed.done("doctor") == healthy, "all of it is young"
    age(shed.home)

    found = shed.call("doctor")
    assert (found.returncode, found.stderr) == (1, "5 finding(s) left.\n")
    assert found.stdout.count("  --fix ") == 5
    assert [line for line in found.stdout.splitlines() if not line.startswith(" ")] == [
        f"task folder left behind: {path}" for path in sorted([stray.name, "f" * 64])
    ] + [
        f"half-uploaded artifact: models/{bad}/1",
        f"artifact without a record: models/{CAT}/1",
        f"half-uploaded artifact: models/{bad}/1/~half",
    ]
    again = json.loads(shed.call("doctor", "--output=json").stdout)
    assert [row["done"] for row in again] == [None] * 5, "a look changes nothing"

    fixed = shed.call("doctor", "--fix", "--output=json")
    assert (fixed.returncode, fixed.stderr) == (0, "")
    assert all(row["done"] for row in json.loads(fixed.stdout))
    assert shed.done("doctor") == healthy
    assert shed.done("logs", "good") != ""
    assert not (stray / "work").exists()
    assert (artifacts / f"models/{good}/1/manifest.json").exists()

    (artifacts / f"models/{good}/1/model.bin").write_text("other")
    damaged = shed.call("doctor", "--fix")
    assert (damaged.returncode, damaged.stderr) == (1, "1 finding(s) left.\n")
    assert damaged.stdout.startswith(f"damaged artifact: {good}\n  model.bin is damaged")


def test_help_loads_no_command() -> None:
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "command_line.main", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "explain" in listed.stdout
    assert "doctor" in listed.stdout
    loaded = {line.rsplit("|", 1)[-1].strip() for line in listed.stderr.splitlines()}
    assert "command_line" in loaded
    heavy = {"command_line.explain", "command_line.doctor", "sqlite3", "rich", "pydantic", "boto3"}
    assert loaded & heavy == set()
    assert not any(name.startswith("queue_consumer") for name in loaded)
