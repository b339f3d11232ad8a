"""The catalogue of model types, read from their `model_type.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model_types import load_predictor, load_trainer
from tests.building import TOY_MODEL_TYPES
from trainshed.errors import InvalidRequest, InvalidSettings
from trainshed.model_type import Hyperparameter, lookup, read_catalogue

MINIMAL: dict[str, Any] = {
    "title": "T",
    "cpu": 256,
    "memory": 512,
    "epochs": 1,
    "hyperparameters": {},
}


def write(folder: Path, name: str, document: object) -> Path:
    path = folder / name / "model_type.json"
    path.parent.mkdir(parents=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_each_folder_with_a_model_type_json_is_one(tmp_path: Path) -> None:
    write(tmp_path, "one", MINIMAL)
    write(tmp_path, "two", {**MINIMAL, "epochs": 9})
    (tmp_path / "no_type").mkdir()
    (tmp_path / "file.json").touch()
    catalogue = read_catalogue([tmp_path])
    assert {name: found.epochs for name, found in catalogue.items()} == {"one": 1, "two": 9}
    assert catalogue["one"].name == "one"


def test_the_first_folder_that_has_a_name_counts(tmp_path: Path) -> None:
    write(tmp_path / "a", "one", {**MINIMAL, "title": "first"})
    write(tmp_path / "b", "one", {**MINIMAL, "title": "second"})
    write(tmp_path / "b", "two", MINIMAL)
    catalogue = read_catalogue([tmp_path / "a", tmp_path / "b"])
    assert (catalogue["one"].title, sorted(catalogue)) == ("first", ["one", "two"])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"missing does not exist"):
        read_catalogue([tmp_path / "missing"])


def test_a_folder_without_model_types(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"No \*/model_type\.json"):
        read_catalogue([tmp_path])


@pytest.mark.parametrize(
    "document",
    [
        "",
        "no json",
        "[]",
        "null",
        {},
        {**MINIMAL, "cpu": 0},
        {**MINIMAL, "memory": "512"[:0]},
        {**MINIMAL, "epochs": 0},
        {**MINIMAL, "unknown": 1},
        {**MINIMAL, "aliases": ["/x"]},
        {**MINIMAL, "hyperparameters": {"a": {"type": "colour", "default": "red"}}},
        {**MINIMAL, "hyperparameters": {"a": {"type": "integer", "default": "red"}}},
        {**MINIMAL, "hyperparameters": {"a": {"type": "integer", "default": 5, "maximum": 4}}},
        {**MINIMAL, "hyperparameters": {"a": {"type": "string", "default": "x", "choices": ["y"]}}},
    ],
)
def test_a_wrong_model_type_json_is_named(tmp_path: Path, document: object) -> None:
    path = write(tmp_path, "one", document)
    with pytest.raises(InvalidSettings) as caught:
        read_catalogue([tmp_path])
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["Bad", "1st", "a-b"])
def test_a_folder_whose_name_no_model_type_can_have(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, MINIMAL)
    with pytest.raises(InvalidSettings):
        read_catalogue([tmp_path])


def test_looking_up_an_unknown_type_names_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, "two", MINIMAL)
    write(tmp_path, "one", MINIMAL)
    with pytest.raises(InvalidRequest, match=r"'three'; known are: one, two\."):
        lookup(read_catalogue([tmp_path]), "three")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "3", 3),
        ("integer", "-3", -3),
        ("integer", "3.5", "3.5"),
        ("integer", "9" * 5000, "9" * 5000),
        ("number", "3", 3.0),
        ("number", "1e-3", 0.001),
        ("number", "fast", "fast"),
        ("boolean", "true", True),
        ("boolean", "FALSE", False),
        ("boolean", "1", "1"),
        ("string", "1", "1"),
        ("string", "", ""),
    ],
)
def test_a_value_typed_on_a_command_line(kind: Any, text: str, value: object) -> None:
    defaults: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "string": ""}
    parsed = Hyperparameter(type=kind, default=defaults[kind]).parse(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_number_that_is_not_finite_is_wrong(value: float) -> None:
    spec = Hyperparameter(type="number", default=1)
    assert "finite" in (spec.problem_with(value) or "")


def test_a_model_type_outside_the_package_is_loaded_from_its_folder(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert load_trainer("toy", [empty, TOY_MODEL_TYPES]).train.__module__ == "model_types.toy.train"
    assert load_predictor("toy", [TOY_MODEL_TYPES]).load.__module__ == "model_types.toy.predict"
    with pytest.raises(LookupError, match="no_such"):
        load_trainer("no_such", [empty])


def test_a_folder_without_an_init_is_loaded_too(tmp_path: Path) -> None:
    write(tmp_path, "bare_type", MINIMAL)
    (tmp_path / "bare_type" / "words.py").write_text("WORD = 'found'")
    (tmp_path / "bare_type" / "predict.py").write_text("from .words import WORD")
    assert vars(load_predictor("bare_type", [tmp_path]))["WORD"] == "found"
