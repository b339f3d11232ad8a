"""The contract of `FeedbackStore`: each feedback is kept once, as it came, and is found again."""

from __future__ import annotations

from threading import Barrier

import pytest

from tests.building import feedback_of
from tests.racing import race
from trainshed.engine import Engine
from trainshed.errors import InvalidFeedback
from trainshed.feedback import MAX_BYTES, MAX_INPUT_BYTES
from trainshed.ports import FeedbackStore

from .benches import Bench

ODD_TEXTS = ["ä \U0001f600", "a\x00b", "line\nline\r\n\t", "", '"\\', "=1+1", "\ufeff\u2028"]


@pytest.fixture
def store(engine: Engine) -> FeedbackStore:
    return engine.feedback


def test_what_was_put_comes_back_as_it_was(store: FeedbackStore) -> None:
    feedback = [
        feedback_of(
            number=number,
            input=text,
            answer=[{"text": text, "score": 1.0, "count": 1, "is": True, "no": None}],
            verdict="corrected",
            expected={"spans": [{"start": 0, "end": 1, "label": text}]},
        )
        for number, text in enumerate(ODD_TEXTS)
    ]
    assert store.put(feedback) == [True] * len(feedback)
    assert list(store.of("my-model")) == feedback


def test_what_is_new_is_told_from_what_is_known(store: FeedbackStore) -> None:
    first, second, third = (feedback_of(number=number) for number in (1, 2, 3))
    assert store.put([second]) == [True]
    assert store.put([first, second, third]) == [True, False, True]
    assert store.put([first, second, third]) == [False] * 3
    assert list(store.of("my-model")) == [first, second, third]


def test_nothing_is_put_and_nothing_is_found(store: FeedbackStore) -> None:
    assert store.put([]) == []
    assert list(store.of("my-model")) == []


def test_the_first_under_an_id_is_the_one_that_stays(store: FeedbackStore) -> None:
    store.put([feedback_of(input="first")])
    assert store.put([feedback_of(input="second")]) == [False]
    assert [found.input for found in store.of("my-model")] == ["first"]


def test_one_that_is_twice_in_one_call_is_new_once(store: FeedbackStore) -> None:
    assert sorted(store.put([feedback_of()] * 2)) == [False, True]
    assert len(list(store.of("my-model"))) == 1


def test_each_name_has_its_own(store: FeedbackStore) -> None:
    mine, yours = feedback_of("mine"), feedback_of("mine-2")
    assert store.put([mine, yours]) == [True, True]
    assert list(store.of("mine")) == [mine]
    assert list(store.of("mine-2")) == [yours]


def test_all_pages_are_read_in_the_order_of_the_ids(store: FeedbackStore) -> None:
    # more than one page of any engine, in number and in bytes
    feedback = [feedback_of(number=number, input="x" * 20_000) for number in range(100)]
    store.put(feedback[::-1])
    assert list(store.of("my-model")) == feedback


def test_what_is_put_while_it_is_read_harms_nobody(store: FeedbackStore) -> None:
    feedback = [feedback_of(number=number) for number in range(50)]
    store.put(feedback[:40])
    reading = store.of("my-model")
    found = [next(reading)]
    store.put(feedback[40:])
    found += reading
    assert found[:40] == feedback[:40]
    assert found == feedback[: len(found)]


def test_the_largest_that_may_come_is_kept(store: FeedbackStore) -> None:
    text = "\u0800" * (MAX_INPUT_BYTES // 3)
    largest = feedback_of(input=text, answer={"label": text}, expected={"label": "x"})
    assert store.put([largest]) == [True]
    assert list(store.of("my-model")) == [largest]


def test_one_that_is_too_large_is_refused_with_all_beside_it(store: FeedbackStore) -> None:
    with pytest.raises(InvalidFeedback, match=f"at most {MAX_BYTES} are kept"):
        store.put([feedback_of(number=1), feedback_of(number=2, answer="x" * MAX_BYTES)])
    assert list(store.of("my-model")) == []


def test_of_two_that_race_for_an_id_one_is_new(bench: Bench) -> None:
    rounds = 5

    def put(number: int, start: Barrier) -> list[bool]:
        with bench.open() as engine:
            start.wait()
            return [
                new
                for turn in range(rounds)
                for new in engine.feedback.put([feedback_of(number=turn, input=str(number))])
            ]

    outcomes = race(2, put)
    for turn in range(rounds):
        assert sorted(news[turn] for news in outcomes if isinstance(news, list)) == [False, True]
    with bench.open() as engine:
        found = [feedback.input for feedback in engine.feedback.of("my-model")]
    winners = ["0" if first else "1" for first in outcomes[0]]  # type: ignore[union-attr]
    assert found == winners, "what was said to be new is what was kept"


def test_what_many_put_at_once_is_all_kept(bench: Bench) -> None:
    def put(number: int, start: Barrier) -> list[bool]:
        mine = [feedback_of(number=100 * number + index) for index in range(20)]
        with bench.open() as engine:
            start.wait()
            return engine.feedback.put(mine)

    assert race(4, put) == [[True] * 20] * 4
    with bench.open() as engine:
        assert len(list(engine.feedback.of("my-model"))) == 80
