"""One root, and a class's docstring is its default message."""

from __future__ import annotations

import pytest

from trainshed import errors
from trainshed.errors import CapReached, TrainshedError

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, Exception)
]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_has_a_root_and_words_of_its_own(error: type[TrainshedError]) -> None:
    assert issubclass(error, TrainshedError)
    assert str(error()) == error.__doc__
    assert str(error("more exactly")) == "more exactly"


def test_raised_as_a_class_it_says_its_docstring() -> None:
    with pytest.raises(CapReached, match=r"All slots are in use\."):
        raise CapReached
