"""What may be put on the queue, and what is said of the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainshed.errors import InvalidRequest
from trainshed.model_type import Catalogue, Hyperparameter, ModelType
from trainshed.request import (
    MAX_BODY_BYTES,
    NAME_PATTERN,
    TrainingRequest,
    build,
    decode,
    name_in,
    renewed,
)

MESSAGE_ID = "22222222-2222-4222-8222-222222222222"
REQUEST_ID = "11111111-1111-4111-8111-111111111111"


def model_type(name: str) -> ModelType:
    specs = {
        "embeddings": Hyperparameter(type="string", default="scratch"),
        "rate": Hyperparameter(type="number", default=0.5, minimum=0, maximum=1),
        "size": Hyperparameter(type="integer", default=8, minimum=1),
        "shuffle": Hyperparameter(type="boolean", default=True),
        "way": Hyperparameter(type="string", default="up", choices=("up", "down")),
    }
    return ModelType(
        name=name,
        title=name,
        cpu=256,
        memory=512,
        epochs=7,
        feedback=name == "image_classification",
        hyperparameters=specs,
    )


KNOWN = {name: model_type(name) for name in ("ner", "image_classification")}


def read(body: Any) -> TrainingRequest:
    text = body if isinstance(body, str) else json.dumps(body)
    return decode(text, MESSAGE_ID, KNOWN)


def test_a_name_is_enough() -> None:
    request = read({"name": "my-model"})
    assert request == TrainingRequest(
        name="my-model",
        model_type="ner",
        epochs=7,
        dataset=None,
        hyperparameters={
            "embeddings": "scratch",
            "rate": 0.5,
            "size": 8,
            "shuffle": True,
            "way": "up",
        },
        priority=5,
        max_attempts=3,
        timeout_minutes=1440,
        request_id=MESSAGE_ID,
    )
    assert request.model_id == f"my-model-{MESSAGE_ID}"


def test_everything_can_be_said() -> None:
    document = {
        "name": "0",
        "model_type": "image_classification",
        "epochs": 3,
        "dataset": "/data/ä set.txt",
        "feedback": "s3://b/datasets/0/0.jsonl",
        "hyperparameters": {"rate": 1, "way": "down"},
        "priority": 0,
        "max_attempts": 10,
        "timeout_minutes": 1,
        "request_id": REQUEST_ID.upper(),
    }
    request = read(document)
    assert request.model_id == f"0-{REQUEST_ID}", "a request id has one spelling"
    assert request.hyperparameters["rate"] == 1
    assert request.hyperparameters["size"] == 8
    assert (request.epochs, request.priority, request.max_attempts) == (3, 0, 10)


def test_a_request_survives_the_queue() -> None:
    request = build(
        name="m", epochs=2, dataset="/x", hyperparameters={"rate": 0.25}, request_id=REQUEST_ID
    )
    assert read(request.encode()) == request.completed(KNOWN)
    assert "priority" not in request.encode(), "defaults are not sent"


def test_feedback_is_for_model_types_that_learn_from_it() -> None:
    document = {"name": "x", "model_type": "image_classification", "feedback": "/f.jsonl"}
    request = read(document)
    assert request.feedback == "/f.jsonl"
    assert renewed(request).feedback == "/f.jsonl"
    with pytest.raises(InvalidRequest, match="model type 'ner' does not learn from feedback"):
        read({**document, "model_type": "ner"})


def test_a_redelivery_without_a_request_id_has_the_same_modelid() -> None:
    assert read({"name": "m"}).model_id == read({"name": "m"}).model_id


def test_a_renewed_request_is_another_model() -> None:
    request = read({"name": "m", "epochs": 2})
    again = renewed(request)
    assert again.model_id != request.model_id
    assert again.model_copy(update={"request_id": MESSAGE_ID}) == request


@pytest.mark.parametrize(
    "name",
    [
        *("", "-a", "A", "aB", "a_b", "a b", " a", "a ", "a.b", "ä", "a" * 64, "\u0661"),
        *("../x", "a/../b", "/a", "a/b", "a\n", "\na", "a\nb", "a\r\n", "a\x00", "a\u2028", "ａ"),
    ],
)
def test_a_name_that_breaks_the_pattern(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"name: must be 1 to 63 lower-case letters"):
        read({"name": name})


@pytest.mark.parametrize("name", ["a", "0", "a-", "a" * 63, "my-model-2", "a--b"])
def test_a_name_that_fits(name: str) -> None:
    assert read({"name": name}).name == name


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": 1}, "name: input should be a valid string, not 1"),
        ({"name": None}, "name: "),
        ({"epochs": True}, "epochs: input should be a valid integer, not True"),
        ({"epochs": "3"}, "epochs: "),
        ({"epochs": 3.0}, "epochs: "),
        ({"epochs": 0}, "epochs: input should be greater than or equal to 1, not 0"),
        ({"epochs": -1}, "epochs: "),
        ({"epochs": 10_001}, "epochs: "),
        ({"epochs": 10**3000}, "epochs: "),
        ({"priority": -1}, "priority: "),
        ({"priority": 10}, "priority: "),
        ({"priority": False}, "priority: "),
        ({"max_attempts": 0}, "max_attempts: "),
        ({"max_attempts": 11}, "max_attempts: "),
        ({"timeout_minutes": 0}, "timeout_minutes: "),
        ({"timeout_minutes": 0.5}, "timeout_minutes: "),
        ({"timeout_minutes": 20_161}, "timeout_minutes: "),
        ({"request_id": "7"}, "request_id: must be a UUID, not '7'"),
        ({"request_id": "../x"}, "request_id: "),
        ({"request_id": 7}, "request_id: "),
        ({"request_id": None}, "request_id: "),
        (
            {"dataset": "relative"},
            "dataset: must be an absolute path or an s3:// address, not 'relative'",
        ),
        ({"dataset": ""}, "dataset: "),
        ({"dataset": "/a\nb"}, "dataset: must not hold control characters"),
        ({"dataset": "/" + "a" * 1024}, "dataset: "),
        ({"dataset": ["/a"]}, "dataset: "),
        ({"feedback": "relative"}, "feedback: must be an absolute path or an s3:// address"),
        ({"feedback": True}, "feedback: "),
        ({"feedback": "/f.jsonl"}, "'ner' does not learn from feedback"),
        ({"model_type": "../ner"}, "model_type: "),
        ({"model_type": "Ner"}, "model_type: "),
        ({"model_type": "ner\n"}, "model_type: "),
        ({"model_type": "unheard_of"}, "Unknown model type 'unheard_of'; known are: image_class"),
        ({"colour": "red"}, "colour: unknown field"),
        ({"self": 1}, "self: unknown field"),
        ({"": 1}, "unknown field"),
        ({"hyperparameters": []}, "hyperparameters: "),
        ({"hyperparameters": None}, "hyperparameters: "),
        ({"hyperparameters": {"rate": None}}, "hyperparameters"),
        ({"hyperparameters": {"rate": [1]}}, "hyperparameters"),
        ({"hyperparameters": {"rate": {"a": 1}}}, "hyperparameters"),
        ({"hyperparameters": {"x": 1}}, "Unknown hyperparameter 'x' of model type 'ner'; it knows"),
        ({"hyperparameters": {"rate": "fast"}}, "'rate' must be of type number, not 'fast'"),
        ({"hyperparameters": {"rate": True}}, "'rate' must be of type number, not True"),
        ({"hyperparameters": {"rate": 1.01}}, "'rate' must be at most 1, not 1.01"),
        ({"hyperparameters": {"rate": -0.01}}, "'rate' must be at least 0, not -0.01"),
        ({"hyperparameters": {"rate": 10**400}}, "'rate' must be a finite number"),
        ({"hyperparameters": {"size": 10**400}}, "'size' must be a finite number"),
        ({"hyperparameters": {"size": -(10**400)}}, "'size' must be a finite number"),
        ({"hyperparameters": {"size": 1.0}}, "'size' must be of type integer, not 1.0"),
        ({"hyperparameters": {"size": False}}, "'size' must be of type integer, not False"),
        ({"hyperparameters": {"shuffle": 1}}, "'shuffle' must be of type boolean, not 1"),
        ({"hyperparameters": {"way": "left"}}, "'way' must be one of up, down, not 'left'"),
        ({"hyperparameters": {"a" * 65: 1}}, "hyperparameters"),
    ],
)
def test_a_field_that_is_wrong_is_named(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read({"name": "m", **fields})
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 1000, "a reason is not the message over again"


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read({"epochs": 0, "colour": "red"})
    for complaint in ("name: required", "epochs: ", "colour: unknown field"):
        assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("", "not valid JSON"),
        ("   ", "not valid JSON"),
        ("my-model", "not valid JSON"),
        ('{"name": "a"', "not valid JSON"),
        ("{'name': 'a'}", "not valid JSON"),
        ('{"name": "a"} {"name": "b"}', "not valid JSON"),
        ('\ufeff{"name": "a"}', "not valid JSON"),
        ('{"name": "a\nb"}', "not valid JSON"),
        ('{"name": "a", "name": "b"}', "a key stands in it twice"),
        ('{"name": "a", "hyperparameters": {"x": 1, "x": 2}}', "a key stands in it twice"),
        ("[" * 4000, "not valid JSON"),
        ('{"a":' * 800, "not valid JSON"),
        ("[]", "must be a JSON object"),
        ('"name"', "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("1", "must be a JSON object"),
        ("NaN", "is no JSON number"),
        ('{"name": "a", "hyperparameters": {"rate": NaN}}', "is no JSON number"),
        ('{"name": "a", "hyperparameters": {"rate": -Infinity}}', "is no JSON number"),
        ('{"name": "a", "hyperparameters": {"rate": 1e999}}', "finite number"),
        ('{"name": "a", "epochs": NaN}', "is no JSON number"),
        ('{"name": "a", "epochs": 1e2}', "epochs: "),
        (r'{"name": "a\ud800"}', "lone surrogate"),
        (r'{"name": "a", "\udfff": 1}', "lone surrogate"),
        (r'{"name": "a", "image": "x", "\udfff": 1}', "lone surrogate"),
        (r'{"name": "a", "hyperparameters": {"embeddings": "\ud800"}}', "lone surrogate"),
        ('{"name": "a", "dataset": "/\ud800"}', "lone surrogate"),
    ],
)
def test_a_body_that_cannot_be_read(body: str, complaint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    assert complaint in str(caught.value)
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize("depth", [3, 50, 300, 900, 990, 1500])
@pytest.mark.parametrize("field", ["name", "image", "epochs", "hyperparameters"])
def test_a_deep_body_is_refused_at_every_depth(field: str, depth: int) -> None:
    with pytest.raises(InvalidRequest):
        read(f'{{"{field}": {"[" * depth}{"]" * depth}}}')


def test_a_body_may_have_4096_bytes_and_no_more() -> None:
    body = json.dumps({"name": "m", "hyperparameters": {"embeddings": "%"}}, ensure_ascii=False)
    room = MAX_BODY_BYTES - len(body) + 1
    assert read(body.replace("%", "x" * room)).name == "m"
    for filling in ("x" * (room + 1), "ä" * (room // 2 + 1)):
        with pytest.raises(InvalidRequest, match="at most 4096"):
            read(body.replace("%", filling))


def test_a_request_too_large_for_a_queue_is_not_encoded() -> None:
    request = build(name="m", hyperparameters={"embeddings": "x" * 4096})
    with pytest.raises(InvalidRequest, match="at most 4096"):
        request.encode()


def test_a_lone_surrogate_from_python_is_not_encoded() -> None:
    with pytest.raises(InvalidRequest, match="lone surrogate"):
        build(name="m", hyperparameters={"embeddings": "\ud800"}).encode()


class TestFirstGeneration:
    def test_its_message_is_understood(self) -> None:
        request = read(
            {
                "name": "my-model",
                "image": "123.dkr.ecr.eu-west-1.amazonaws.com/ner-training:latest",
                "embeddings": "distilbert-base-cased",
                "epochs": 10,
            }
        )
        assert (request.model_type, request.epochs) == ("ner", 10)
        assert request.hyperparameters["embeddings"] == "distilbert-base-cased"
        assert request.request_id == MESSAGE_ID

    @pytest.mark.parametrize(
        ("image", "model_type"),
        [
            ("ner-training", "ner"),
            ("ner-training:latest", "ner"),
            ("localhost:5000/ner-training", "ner"),
            ("a.b/c/ner-training@sha256:0123", "ner"),
            ("ner", "ner"),
            ("x/image-classification-training:1", "image_classification"),
        ],
    )
    def test_its_image_picks_a_model_type(self, image: str, model_type: str) -> None:
        assert read({"name": "m", "image": image}).model_type == model_type

    @pytest.mark.parametrize(
        "image",
        ["evil", "evil/miner:latest", "", "ner-training/evil", "../ner/..", None, 7, ["ner"]],
    )
    def test_an_image_of_no_known_type(self, image: object) -> None:
        with pytest.raises(InvalidRequest, match=r"no known model type; known are: image-class"):
            read({"name": "m", "image": image})

    def test_embeddings_alone_mark_it_and_null_means_the_default(self) -> None:
        assert read({"name": "m", "embeddings": "x"}).hyperparameters["embeddings"] == "x"
        request = read({"name": "m", "image": "ner", "embeddings": None})
        assert request.hyperparameters["embeddings"] == "scratch"

    @pytest.mark.parametrize("embeddings", [1, True, ["a"], {"a": 1}])
    def test_embeddings_of_a_wrong_type(self, embeddings: object) -> None:
        with pytest.raises(InvalidRequest, match="embeddings"):
            read({"name": "m", "image": "ner", "embeddings": embeddings})

    def test_fields_of_both_generations_do_not_mix(self) -> None:
        with pytest.raises(InvalidRequest, match=r"first generation's: cpu, priority\."):
            read({"name": "m", "image": "ner", "priority": 9, "cpu": 1})

    def test_its_name_and_epochs_are_checked_too(self) -> None:
        with pytest.raises(InvalidRequest, match=r"name: .*; epochs: "):
            read({"name": "A", "image": "ner", "epochs": "10"})


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"name": "my-model", "epochs": 0}', "my-model"),
        ('{"name": "my-model\\n"}', None),
        ('{"name": "../x"}', None),
        ('{"name": 7}', None),
        ('{"name": ["a"]}', None),
        ("{}", None),
        ("[]", None),
        ("no json", None),
        ('{"name": "a", "name": "b"}', None),
        ('{"name": "a", "x": "' + "y" * 5000 + '"}', None),
    ],
)
def test_the_name_in_a_wrong_body(body: str, name: str | None) -> None:
    assert name_in(body) == name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
fields = st.sampled_from([*TrainingRequest.model_fields, "image", "embeddings"])


@given(st.dictionaries(fields | st.text(max_size=8), json_values, max_size=5))
def test_whatever_json_comes_it_is_taken_or_refused_in_words(document: dict[str, Any]) -> None:
    body = json.dumps(document)
    try:
        request = decode(body, MESSAGE_ID, KNOWN)
    except InvalidRequest as error:
        str(error).encode("utf-8")  # a reason that has no bytes could not be kept
    else:
        assert decode(request.encode(), "ignored", KNOWN) == request


@given(st.text())
def test_whatever_text_comes_it_is_taken_or_refused_in_words(body: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(body, MESSAGE_ID, KNOWN)
    assert str(caught.value).encode("utf-8")


@given(
    name=st.from_regex(NAME_PATTERN[:-1] + r"\Z", fullmatch=True),
    epochs=st.integers(1, 10_000),
    priority=st.integers(0, 9),
    rate=st.floats(0, 1) | st.integers(0, 1),
    embeddings=st.text(st.characters(exclude_categories=["Cs"]), max_size=100),
)
def test_every_valid_request_survives_the_queue(
    name: str, epochs: int, priority: int, rate: float, embeddings: str
) -> None:
    hyperparameters = {"rate": rate, "embeddings": embeddings}
    request = build(name=name, epochs=epochs, priority=priority, hyperparameters=hyperparameters)
    assert decode(request.encode(), MESSAGE_ID, KNOWN) == request.completed(KNOWN)


def test_a_request_cannot_be_changed() -> None:
    request = read({"name": "m"})
    with pytest.raises(ValueError, match="frozen"):
        request.name = "other"


def test_the_toy_model_type_takes_requests(catalogue: Catalogue) -> None:
    request = decode('{"name": "m", "model_type": "toy"}', MESSAGE_ID, catalogue)
    assert request.epochs == 2
