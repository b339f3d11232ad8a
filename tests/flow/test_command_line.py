"""The command line as a user meets it: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.building import wait_until

from .shed import PROCESS_SECONDS, TRAINSHED, Shed

ROOT = Path(__file__).parents[2]
REQUEST_ID = "11111111-1111-4111-8111-111111111111"


def test_a_model_from_submit_to_show(shed: Shed) -> None:
    submitted = shed.call(
        "submit", "cat", "--model-type=toy", "--set=says=héllo 🙂", "--set=bytes=5", "--epochs=3"
    )
    assert submitted.returncode == 0
    model_id = submitted.stdout.strip()
    assert submitted.stdout == f"{model_id}\n", "the modelId alone, for scripts"
    assert re.fullmatch(r"cat-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", model_id)
    assert "trainshed run" in submitted.stderr

    run = shed.call("run", "--until-idle")
    assert (run.returncode, run.stdout) == (0, "")

    document = json.loads(shed.done("show", "cat", "--output=json"))
    assert (document["model_id"], document["status"]) == (model_id, "Completed")
    assert document["artifact"] == f"models/{model_id}/1"
    assert document["request"]["hyperparameters"]["bytes"] == 5
    assert (document["progress"]["epoch"], document["progress"]["epochs"]) == (3, 3)
    assert "launch" not in document
    assert document["history"][0]["status"] == "Pending"

    text = shed.done("show", model_id[:-4])
    assert model_id in text
    assert "says = héllo 🙂" in text
    assert "Completed" in text

    [row] = json.loads(shed.done("ls", "--output=json"))
    assert {**document, **row} == document
    assert model_id in shed.done("ls", "--status=Completed", "--name=cat")
    assert json.loads(shed.done("ls", "--status=Failed", "--output=json")) == []

    assert "héllo 🙂" in shed.done("logs", "cat")
    manifest = json.loads(
        (shed.home / "artifacts" / document["artifact"] / "manifest.json").read_text()
    )
    assert manifest["files"]["model.bin"]["size"] == 5


def test_json_is_printed_where_data_is(shed: Shed) -> None:
    options = ("--model-type=toy", "--output=json")
    model_id = json.loads(shed.done("submit", "cat", *options, "--set=ending=error"))["model_id"]
    shed.done("run", "--until-idle")
    again = json.loads(shed.done("retry", "cat", "--output=json"))["model_id"]
    assert again != model_id
    assert json.loads(shed.done("dead-letters", "ls", "--output=json")) == []
    assert json.loads(shed.done("dead-letters", "redrive", "--all", "--output=json")) == {}


def test_a_request_id_sent_twice_gives_one_model(shed: Shed) -> None:
    command = ("submit", "cat", "--model-type=toy", f"--request-id={REQUEST_ID}")
    options = f"--set=ledger={shed.ledger}"
    assert shed.done(*command, options) == shed.done(*command, options) == f"cat-{REQUEST_ID}\n"
    shed.done("run", "--until-idle")
    assert shed.done(*command, options) == f"cat-{REQUEST_ID}\n", "also after it was trained"
    shed.done("run", "--until-idle")
    assert len(json.loads(shed.done("ls", "--output=json"))) == 1
    assert shed.times_trained() == {"cat": 1}


def test_a_data_set_is_found_from_here(shed: Shed, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").touch()
    relative = os.path.relpath(tmp_path / "data")
    model_id = shed.done("submit", "cat", "--model-type=toy", f"--dataset={relative}").strip()
    shed.done("run", "--until-idle")
    record = shed.record(model_id)
    assert record.request is not None
    dataset = Path(record.request.dataset or "")
    assert dataset.is_absolute()
    assert dataset.resolve() == (tmp_path / "data").resolve()
    assert (shed.home / f"artifacts/{record.artifact}/words.json").read_text() == '["mine.txt"]'


def test_a_failure_is_told_in_the_trainers_words(shed: Shed) -> None:
    endings = {
        "error": "ArithmeticError: the loss is not a number",
        "invalid data": "line 3 has no tag",
        "exit code": "exit code 7",
        "killed": "SIGKILL",
        "no file": "There is no manifest.json",
        "evil file": "a file named 'a file with spaces': rename it",
    }
    for ending in endings:
        shed.submit(ending.replace(" ", "-"), ending=ending)
    run = shed.call("run", "--until-idle", TRAINSHED_CAP="4")
    assert run.returncode == 0, "the consumer did its work"
    records = shed.records()
    for ending, words in endings.items():
        record = records[ending.replace(" ", "-")]
        assert record.status == "Failed"
        assert words in (record.reason or "")
    assert "line 3 has no tag" in shed.done("show", "invalid-data")
    assert shed.slots_in_use() == 0


def test_cancelling_what_waits_and_what_runs(shed: Shed) -> None:
    ids = {"running": shed.submit("running", gated=True)}
    consumer = shed.start("run", "--until-idle", TRAINSHED_CAP="1")
    shed.wait_for("begin", 1)
    ids["waiting"] = shed.submit("waiting", gated=True)
    wait_until(lambda: "waiting" in shed.records(), "it is taken in")

    assert shed.done("cancel", "waiting") == f"{ids['waiting']}  Cancelled\n"
    cancelled = json.loads(shed.done("cancel", "running", "--output=json"))
    assert cancelled["status"] == "Cancelling"
    consumer.communicate(timeout=PROCESS_SECONDS)
    assert consumer.returncode == 0
    assert shed.statuses() == {"running": "Cancelled", "waiting": "Cancelled"}
    assert shed.times_trained() == {}
    assert len(shed.events("begin")) == 1
    assert shed.trainings() == []

    again = shed.call("cancel", "running")
    assert (again.returncode, again.stdout) == (1, "")
    assert "is Cancelled: there is nothing to cancel" in again.stderr


def test_cancelling_a_training_that_ignores_sigterm(shed: Shed) -> None:
    model_id = shed.submit("stubborn", gated=True, stubborn=True)
    consumer = shed.start("run", "--until-idle")
    shed.wait_for("begin", 1)
    shed.done("cancel", "stubborn")
    consumer.communicate(timeout=PROCESS_SECONDS)
    assert shed.record(model_id).status == "Cancelled"
    assert shed.trainings() == []


def test_retrying_what_failed(shed: Shed) -> None:
    shed.submit("cat", ending="invalid data")
    shed.done("run", "--until-idle")
    retried = shed.call("retry", "cat")
    assert retried.returncode == 0
    shed.done("run", "--until-idle")
    rows = json.loads(shed.done("ls", "--output=json", "--status=Failed"))
    assert len(rows) == 2
    assert rows[0]["model_id"] == retried.stdout.strip()
    assert rows[0]["request"]["hyperparameters"] == rows[1]["request"]["hyperparameters"]


def test_dead_letters_are_listed_and_redriven(shed: Shed) -> None:
    submitted = shed.call("submit", "--message=-", stdin='{"name": "cat", "epochs": 0}')
    assert submitted.returncode == 0
    assert "it will be rejected: epochs: " in submitted.stderr
    run = shed.call("run", "--until-idle")
    assert "rejected: epochs: " in run.stderr
    record = shed.record(submitted.stdout.strip())
    assert record.status == "Rejected"

    [letter] = json.loads(shed.done("dead-letters", "ls", "--output=json"))
    assert letter["body"] == '{"name": "cat", "epochs": 0}'
    assert letter["reason"] == record.reason
    assert letter["message_id"] in shed.done("dead-letters", "ls")

    new_id = shed.done("dead-letters", "redrive", letter["message_id"]).strip()
    assert new_id != letter["message_id"]
    shed.done("run", "--until-idle")
    rejected = json.loads(shed.done("ls", "--output=json", "--status=Rejected"))
    assert {row["model_id"] for row in rejected} == {record.model_id, f"cat-{new_id}"}

    missing = shed.call("dead-letters", "redrive", REQUEST_ID)
    assert missing.returncode == 1
    assert f"No such dead letter: {REQUEST_ID}" in missing.stderr
    assert shed.call("dead-letters", "redrive").returncode == 2


def test_a_message_of_the_first_generation(shed: Shed, tmp_path: Path) -> None:
    path = tmp_path / "message.json"
    path.write_text('{"name": "old", "image": "1.dkr.ecr.amazonaws.com/toy-training:latest"}')
    model_id = shed.done("submit", f"--message={path}").strip()
    shed.done("run", "--until-idle")
    assert shed.record(model_id).status == "Completed"


def test_an_event_asks_for_one_model_and_is_named(shed: Shed) -> None:
    trigger = {"kind": "object", "bucket": "data-sets", "key": "new.csv", "version": "v1"}
    message = json.dumps({"name": "cat", "model_type": "toy", "trigger": trigger})
    [model_id] = {shed.done("submit", "--message=-", stdin=message).strip() for _ in range(3)}
    shed.done("run", "--until-idle")
    [row] = json.loads(shed.done("ls", "--output=json"))
    assert (row["model_id"], row["status"]) == (model_id, "Completed")
    named = "s3://data-sets/new.csv?versionId=v1"
    assert f"trigger   {named}\n" in shed.done("show", "cat")
    assert f"It was asked for by {named}.\n" in shed.done("explain", "cat")


def test_logs_follow_a_training_to_its_end(shed: Shed) -> None:
    shed.submit("cat", gated=True, says="lines\nof: ä€🙂")
    consumer = shed.start("run", "--until-idle")
    shed.wait_for("begin", 1)
    follower = shed.start("logs", "-f", "cat")
    assert follower.stdout is not None
    first = [follower.stdout.readline() for _ in range(3)]
    assert first[1:] == ["lines\n", "of: ä€🙂\n"]
    assert "claimed" in first[0]
    shed.gate.touch()
    rest, errors = follower.communicate(timeout=PROCESS_SECONDS)
    assert (follower.returncode, errors) == (0, "")
    assert "artifact written" in rest
    consumer.communicate(timeout=PROCESS_SECONDS)
    assert shed.done("logs", "cat") == "".join(first) + rest


def test_the_log_of_an_attempt(shed: Shed) -> None:
    shed.submit("cat")
    waiting = shed.call("logs", "cat")
    assert (waiting.returncode, waiting.stdout) == (1, "")
    shed.done("run", "--until-idle")
    assert shed.done("logs", "cat", "--attempt=1") == shed.done("logs", "cat")
    missing = shed.call("logs", "cat", "--attempt=2")
    assert missing.returncode == 1
    assert "has no log of attempt 2" in missing.stderr


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_consumer_that_is_stopped_leaves_its_trainings(shed: Shed, signum: int) -> None:
    shed.submit("cat", gated=True)
    consumer = shed.start("run")
    shed.wait_for("begin", 1)
    consumer.send_signal(signum)
    output, errors = consumer.communicate(timeout=PROCESS_SECONDS)
    assert (consumer.returncode, output) == (0, "")
    assert "1 training(s) go on" in errors
    assert len(shed.trainings()) == 1
    shed.gate.touch()
    shed.done("run", "--until-idle")
    assert shed.statuses() == {"cat": "Completed"}
    assert shed.times_trained() == {"cat": 1}


def in_terminal(shed: Shed, *arguments: str, **settings: str) -> str:
    """What `trainshed` prints, all of it, where it prints to a terminal."""
    mine, its = pty.openpty()
    process = subprocess.Popen(
        [*TRAINSHED, *arguments],
        env=shed.environment(TERM="xterm-256color", **settings),
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    printed = b""
    while True:
        try:
            part = os.read(mine, 4096)
        except OSError:  # what Linux says at the end
            part = b""
        if not part:
            break
        printed += part
    os.close(mine)
    assert process.wait(timeout=PROCESS_SECONDS) == 0, printed
    return printed.decode()


COLOUR = re.compile(r"\x1b\[[0-9;]*\b(3[0-8]|4[0-8]|9[0-7])[;m]")


def test_no_color_means_no_colour(shed: Shed) -> None:
    shed.submit("plain", seconds=0.2)
    plain = in_terminal(shed, "run", "--until-idle", NO_COLOR="1")
    assert "plain" in plain
    assert not COLOUR.search(plain)
    shed.submit("bright", seconds=0.2)
    bright = in_terminal(shed, "run", "--until-idle")
    assert "bright" in bright
    assert COLOUR.search(bright)


def test_what_an_outsider_wrote_cannot_act_on_a_terminal(shed: Shed) -> None:
    shed.done("submit", "--message=-", stdin='{"name": "\\u001b]0;evil\\u0007\\u001b[31m"}')
    shed.done("submit", "cat", "--model-type=toy", "--set=says=\x1b]0;evil\x07")
    shed.done("run", "--until-idle")
    for command in (("show", "cat"), ("dead-letters", "ls"), ("ls",)):
        printed = shed.done(*command)
        assert "\x1b" not in printed
        assert "\x07" not in printed


@pytest.mark.skipif(not (ROOT / "scripts").is_dir(), reason="no scripts here")
def test_the_script_queues_on_the_engine_that_the_settings_name(shed: Shed) -> None:
    script = subprocess.run(
        [ROOT / "scripts" / "queue-training.sh", "my-model", "--model-type", "toy"],
        env=shed.environment(PATH=f"{Path(TRAINSHED[0]).parent}:{os.environ['PATH']}"),
        cwd=shed.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert script.returncode == 0, script.stderr
    assert script.stdout.startswith("my-model-")
    shed.done("run", "--until-idle")
    assert shed.record(script.stdout.strip()).status == "Completed"


def test_help_and_version_need_no_settings(shed: Shed) -> None:
    for arguments in (["--help"], ["submit", "-h"], ["--version"]):
        completed = shed.call(*arguments, TRAINSHED_CAP="wrong", TRAINSHED_MODEL_TYPES="/no")
        assert (completed.returncode, completed.stderr) == (0, "")
    assert "dead-letters" in shed.done("--help")
