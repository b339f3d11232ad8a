"""The circle: a model answers, a person puts it right, the next model of that name knows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import model_types
from model_types import Correctable, load_predictor
from tests.building import feedback_of

from .shed import Shed

PEOPLE = ("Anna", "Bob", "Carla", "David", "Eve", "Frank")
PLACES = ("Rome", "Paris", "Oslo", "Lima", "Kiev", "Bonn")
ABOUT_NAMES = ("{} is nice .", "I like {} .", "Do you know {} ?", "How big {} is !")
"""Which say nothing of what the name is one of."""

THINGS = ("film", "book", "song", "play", "game", "meal")
LIKED = ("I love the {}", "what a great {}", "the {} was wonderful", "such a lovely {}")
HATED = ("I hate the {}", "what a bad {}", "the {} was awful", "such a boring {}")


class Case(NamedTuple):
    model_type: str
    file: str
    content: str
    options: Sequence[str]
    text: str
    """Of which the data set says nothing that would help."""


def conll(template: str, name: str, label: str) -> str:
    words = template.format(name).split()
    return "".join(f"{word} {f'B-{label}' if word == name else 'O'}\n" for word in words)


NER = Case(
    "ner",
    "data.conll",
    "\n".join(
        conll(template, name, label)
        for label, names in (("PER", PEOPLE), ("LOC", PLACES))
        for name in names
        for template in ABOUT_NAMES
    ),
    ("--epochs=15", "--set=batch_size=4", "--set=hidden_size=32", "--set=dropout=0.1"),
    "Do you know Zorbital? How nice!",
)
SENTIMENT = Case(
    "sentiment",
    "data.csv",
    "text,label\n"
    + "".join(
        f"{template.format(thing)},{label}\n"
        for label, templates in (("liked", LIKED), ("hated", HATED))
        for thing in THINGS
        for template in templates
    ),
    ("--epochs=15", "--set=batch_size=4", "--set=hidden_size=16", "--set=learning_rate=0.005"),
    "the film, the book and the song",
)


def put_right(case: Case, expected: Any) -> Any:
    """Something else than what the model has answered, whatever that was."""
    if case is SENTIMENT:
        return {"label": "hated" if expected["label"] == "liked" else "liked"}
    start = case.text.index("Zorbital")
    span = {"start": start, "end": start + len("Zorbital"), "label": "LOC"}
    if expected == {"spans": [span]}:
        return {"spans": [{**span, "label": "PER"}]}
    return {"spans": [span]}


@pytest.mark.parametrize("case", [NER, SENTIMENT], ids=lambda case: case.model_type)
def test_a_corrected_answer_comes_from_the_next_training(shed: Shed, case: Case) -> None:
    dataset = shed.folder / case.file
    dataset.write_text(case.content, encoding="utf-8")
    builtin = {"TRAINSHED_MODEL_TYPES": str(model_types.builtin_folder())}
    submit = ("submit", "mine", f"--model-type={case.model_type}", f"--dataset={dataset}")

    def trained(*more: str) -> tuple[Path, Any]:
        """The next model's artifact, and what it answers."""
        model_id = shed.done(*submit, *case.options, *more, **builtin).strip()
        shed.done("run", "--until-idle", **builtin)
        shown = json.loads(shed.done("show", model_id, "--output=json"))
        assert shown["status"] == "Completed", shown["reason"]
        answer = json.loads(shed.done("predict", model_id, case.text, **builtin))
        return shed.home / "artifacts" / shown["artifact"], answer

    artifact, answer = trained()
    assert json.loads((artifact / "manifest.json").read_text())["feedback"] == 0
    predictor = load_predictor(case.model_type, [model_types.builtin_folder()]).load(artifact)
    assert isinstance(predictor, Correctable)
    right = put_right(case, predictor.expected(answer))
    predictor.check(case.text, right)

    said = {"name": "mine", "model_type": case.model_type, "input": case.text, "answer": answer}
    with shed.open() as engine:
        engine.feedback.put([feedback_of(**said, verdict="corrected", expected=right)])
    artifact, answer = trained("--with-feedback")
    assert predictor.expected(answer) == right
    assert json.loads((artifact / "manifest.json").read_text())["feedback"] == 1


def test_with_feedback_of_which_there_is_none(shed: Shed) -> None:
    refused = shed.call("submit", "cat", "--model-type=toy", "--with-feedback")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "There is no feedback on a model named 'cat' of the type 'toy'." in refused.stderr
    alone = shed.call("submit", "--message=-", "--with-feedback", stdin="{}")
    assert alone.returncode == 2
    assert "--message stands alone" in alone.stderr


def test_show_names_the_feedback(shed: Shed) -> None:
    with shed.open() as engine:
        engine.feedback.put([feedback_of("cat")])
    shed.done("submit", "cat", "--model-type=toy", "--with-feedback")
    shed.done("run", "--until-idle")
    [file] = (shed.home / "feedback").iterdir()
    assert f"feedback  {file}" in shed.done("show", "cat")
