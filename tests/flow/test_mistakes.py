"""A user's mistakes: a clear sentence on stderr, nothing on stdout, exit code 1 or 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from command_line.main import main

from .shed import Shed

Invoke = Callable[..., Result]

TOY = ("--model-type", "toy")
UNKNOWN = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def invoke(shed: Shed) -> Invoke:
    """Call a command in this process, which is quicker; a traceback shows as an exception."""

    def invoke(*arguments: str, stdin: bytes | str | None = None, **settings: str) -> Result:
        environment = {**shed.environment(), **settings}
        return CliRunner(env=environment).invoke(main, arguments, input=stdin)

    return invoke


def assert_refused(result: Result, code: int, *words: str) -> None:
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["submit"], ["Give a NAME"]),
        (["submit", "", *TOY], ["name: "]),
        (["submit", "../evil", *TOY], ["name: must be 1 to 63 lower-case letters"]),
        (["submit", "Capitals", *TOY], ["name: "]),
        (["submit", "line\nbreak", *TOY], ["name: "]),
        (["submit", "trailing\n", *TOY], ["name: "]),
        (["submit", "a" * 64, *TOY], ["name: "]),
        (["submit", "caf\udce9", *TOY], ["name: "]),
        (["submit", "a", "--model-type", "unheard_of"], ["Unknown model type", "toy"]),
        (["submit", "a", "--model-type", "../toy"], ["'../toy'"]),
        (["submit", "a"], ["Unknown model type 'ner'"]),
        (["submit", "a", *TOY, "--epochs", "0"], ["epochs: "]),
        (["submit", "a", *TOY, "--epochs", "many"], ["--epochs", "not a valid integer"]),
        (["submit", "a", *TOY, "--priority", "10"], ["priority: "]),
        (["submit", "a", *TOY, "--max-attempts", "0"], ["max_attempts: "]),
        (["submit", "a", *TOY, "--timeout-minutes", "0"], ["timeout_minutes: "]),
        (["submit", "a", *TOY, "--request-id", "7"], ["request_id: must be a UUID"]),
        (["submit", "a", *TOY, "--set", "seconds"], ["'seconds' is not KEY=VALUE"]),
        (["submit", "a", *TOY, "--set", "=1"], ["is not KEY=VALUE"]),
        (["submit", "a", *TOY, "--set", "unheard=1"], ["Unknown hyperparameter", "seconds"]),
        (["submit", "a", *TOY, "--set", "seconds=soon"], ["type number, not 'soon'"]),
        (["submit", "a", *TOY, "--set", "seconds=-1"], ["at least 0"]),
        (["submit", "a", *TOY, "--set", "seconds=nan"], ["seconds"]),
        (["submit", "a", *TOY, "--set", "bytes=" + "9" * 400], ["'bytes' must be a finite number"]),
        (["submit", "a", *TOY, "--set", "bytes=" + "9" * 5000], ["'bytes' must be"]),
        (["submit", "a", *TOY, "--set", "ending=badly"], ["one of well, error"]),
        (["submit", "a", *TOY, "--set", "says=" + "x" * 5000], ["at most 4096"]),
        (["submit", "a", *TOY, "--set", "says=\udcff"], ["lone surrogate"]),
        (["submit", "a", *TOY, "--dataset", "/no/such/data"], ["There is no data set"]),
        (["submit", "a", *TOY, "--dataset", ""], ["--dataset is empty"]),
        (["submit", "a", *TOY, "--dataset", "~nobody-of-this-name/x"], ["There is no data set"]),
        (["submit", "a", *TOY, "--dataset", "x" * 300], ["There is no data set"]),
        (["submit", "a", *TOY, "--message", "-"], ["--message stands alone"]),
        (["submit", "--message", "/no/such/file"], ["/no/such/file"]),
        (["submit", "a", "--output", "xml"], ["xml"]),
        (["unheard-of"], ["No such command"]),
        (["ls", "--limit", "0"], ["--limit"]),
        (["ls", "--status", "Lost"], ["Lost"]),
        (["run", "now"], ["now"]),
        (["show"], ["MODEL"]),
        (["logs", "a", "--attempt", "0"], ["--attempt"]),
        (["dead-letters", "redrive", "--all", UNKNOWN], ["or give --all"]),
    ],
)
def test_what_is_wrong_before_anything_is_done_is_2(
    shed: Shed, invoke: Invoke, arguments: list[str], words: list[str]
) -> None:
    assert_refused(invoke(*arguments), 2, *words)
    with shed.open() as engine:
        assert engine.queue.depth() == 0


@pytest.mark.parametrize("model", ["nobody", UNKNOWN, "", "../x", "%", "a\nb", "caf\udce9", "🙂"])
@pytest.mark.parametrize("command", ["show", "logs", "cancel", "retry", "serve", "predict"])
def test_an_unknown_model_is_1(invoke: Invoke, command: str, model: str) -> None:
    arguments = [command, model] + (["text"] if command == "predict" else [])
    result = invoke(*arguments)
    assert_refused(result, 1, "There is no model ")


@pytest.mark.parametrize("name", ["nobody", "Capitals", "caf\udce9", "%"])
def test_a_name_that_nobody_has_lists_nothing(invoke: Invoke, name: str) -> None:
    result = invoke("ls", "--output=json", "--name", name)
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_an_unknown_dead_letter_is_1(invoke: Invoke) -> None:
    for message_id in (UNKNOWN, "../x", "caf\udce9"):
        result = invoke("dead-letters", "redrive", message_id)
        assert isinstance(result.exception, SystemExit)
        assert result.exit_code == 1
        assert "No such dead letter" in result.stderr


def test_two_models_that_fit_are_1(shed: Shed, invoke: Invoke) -> None:
    for _ in range(2):
        shed.submit("cat", ending="error")
    assert invoke("run", "--until-idle").exit_code == 0
    assert_refused(invoke("show", "cat-"), 1, "More than one modelId starts with 'cat-'")


def test_a_model_that_is_not_completed_cannot_be_asked_or_served(
    shed: Shed, invoke: Invoke
) -> None:
    shed.submit("cat", ending="error")
    assert invoke("run", "--until-idle").exit_code == 0
    assert_refused(invoke("serve", "cat"), 1, "only a Completed model has an artifact")
    assert_refused(invoke("predict", "cat", "text"), 1, "only a Completed model has an artifact")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"TRAINSHED_CAP": "0"}, ["TRAINSHED_CAP='0' is wrong", "whole number"]),
        ({"TRAINSHED_ENGINE": "moon"}, ["TRAINSHED_ENGINE='moon' is wrong"]),
        ({"TRAINSHED_TICK_SECONDS": "x"}, ["TRAINSHED_TICK_SECONDS"]),
        ({"TRAINSHED_HOME": "~nobody-of-this-name"}, ["TRAINSHED_HOME"]),
        ({"TRAINSHED_MODEL_TYPES": ":"}, ["TRAINSHED_MODEL_TYPES=':' is wrong"]),
    ],
)
@pytest.mark.parametrize("command", [["ls"], ["run", "--until-idle"], ["submit", "a"]])
def test_a_wrong_setting_is_2(
    invoke: Invoke, command: list[str], settings: dict[str, str], words: list[str]
) -> None:
    assert_refused(invoke(*command, **settings), 2, *words)


@pytest.mark.parametrize("command", [["run", "--until-idle"], ["submit", "a"]])
def test_a_folder_of_model_types_that_is_not_there_is_2(invoke: Invoke, command: list[str]) -> None:
    result = invoke(*command, TRAINSHED_MODEL_TYPES="/no/such/folder")
    assert_refused(result, 2, "/no/such/folder does not exist")


def test_a_home_that_cannot_be_used_is_1(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in (["ls"], ["run", "--until-idle"], ["submit", "a", *TOY]):
        result = invoke(*command, TRAINSHED_HOME=str(tmp_path / "file"))
        assert_refused(result, 1, "cannot be used")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "trainshed.db").write_bytes(b"not what it was\n" * 500)
    result = invoke("ls", TRAINSHED_HOME=str(tmp_path / "damaged"))
    assert_refused(result, 1, "file is not a database")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\xff\xfe not text", "not valid UTF-8 (byte 0)"),
    ],
)
def test_a_message_that_no_queue_takes_is_2(
    shed: Shed, invoke: Invoke, message: bytes, words: str
) -> None:
    assert_refused(invoke("submit", "--message=-", stdin=message), 2, words)
    with shed.open() as engine:
        assert engine.queue.depth() == 0


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"no json",
        b"[]",
        b"[" * 4000,
        b'{"name": "../evil", "model_type": "toy"}',
        b'{"name": "Capitals", "model_type": "toy"}',
        b'{"name": "a\\n", "model_type": "toy"}',
        b'{"name": "a", "model_type": "unheard_of"}',
        b'{"name": "a", "image": "evil/miner:latest"}',
        b'{"name": "a", "model_type": "toy", "hyperparameters": {"unheard": 1}}',
        b'{"name": "a", "model_type": "toy", "hyperparameters": {"bytes": 1' + b"0" * 400 + b"}}",
        b'{"name": "a", "model_type": "toy", "epochs": true}',
        b'{"name": "a", "model_type": "toy", "colour": "red"}',
        rb'{"name": "a", "image": "toy", "\ud800": 1}',
        b"\x00",
        b"x" * 100_000,
    ],
)
def test_a_wrong_message_is_queued_rejected_and_kept(
    shed: Shed, invoke: Invoke, message: bytes
) -> None:
    submitted = invoke("submit", "--message=-", stdin=message)
    assert submitted.exit_code == 0, "it is queued as it is, and gets a record that says why"
    assert "it will be rejected" in submitted.stderr
    assert invoke("run", "--until-idle").exit_code == 0
    record = shed.record(submitted.stdout.strip())
    assert (record.status, record.ended_at is not None) == ("Rejected", True)
    [letter] = json.loads(invoke("dead-letters", "ls", "--output=json").stdout)
    assert (letter["body"], letter["reason"]) == (message.decode(), record.reason)
    assert invoke("dead-letters", "ls").exit_code == 0
    assert invoke("ls").exit_code == 0


def test_a_data_set_that_goes_away_meanwhile(shed: Shed, invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert invoke("submit", "a", *TOY, f"--dataset={tmp_path / 'data'}").exit_code == 0
    (tmp_path / "data").rmdir()
    assert invoke("run", "--until-idle").exit_code == 0
    record = shed.records()["a"]
    assert record.status == "Failed"
    assert record.reason == f"There is no data set {tmp_path / 'data'} on this machine."


def test_asking_a_model_what_it_cannot_answer(shed: Shed, invoke: Invoke, tmp_path: Path) -> None:
    shed.submit("cat")
    assert invoke("run", "--until-idle").exit_code == 0
    assert json.loads(invoke("predict", "cat", "🙂").stdout) == {"size": 10}

    assert_refused(invoke("predict", "cat", ""), 1, "The text is empty")
    assert_refused(invoke("predict", "cat", "caf\udce9"), 1, "not valid UTF-8: byte 3")
    assert_refused(
        invoke("predict", "cat", "--file=-", "--media-type=image/png", stdin=b"\x89PNG"),
        1,
        "not image/png",
    )
    assert_refused(invoke("predict", "cat"), 2, "Give a TEXT, or a --file")
    assert_refused(invoke("predict", "cat", "text", "--file=-"), 2, "Give a TEXT, or a --file")

    artifact = shed.home / "artifacts" / str(shed.records()["cat"].artifact)
    (artifact / "model.bin").write_bytes(b"y" + b"x" * 9)
    assert_refused(invoke("predict", "cat", "text"), 1, "model.bin is damaged")
    (artifact / "model.bin").unlink()
    assert_refused(invoke("predict", "cat", "text"), 1, "model.bin is missing")
    (artifact / "manifest.json").unlink()
    assert_refused(invoke("predict", "cat", "text"), 1, "There is no manifest.json")


def test_a_mistake_in_a_process_of_its_own(shed: Shed) -> None:
    """The same as above for two of them, without anything of the test's in between."""
    for arguments, code in ((["submit", "../evil", *TOY], 2), (["show", "nobody"], 1)):
        completed = shed.call(*arguments)
        assert (completed.returncode, completed.stdout) == (code, "")
        assert "Traceback" not in completed.stderr
        assert completed.stderr.splitlines()[-1].startswith("Error: ")
