from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from serving_image.batching import Batcher, Overloaded


class Recorder:
    """A model that doubles numbers, refuses negative ones, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.observed: list[int] = []

    def predict(self, items: Sequence[Any]) -> list[int]:
        self.batches.append(list(items))
        if any(item < 0 for item in items):
            raise ValueError("negative")
        return [2 * item for item in items]

    def observe(self, inputs: int, seconds: float) -> None:
        assert seconds >= 0
        self.observed.append(inputs)


def run(
    scenario: Callable[[Batcher, Recorder], Awaitable[None]],
    max_batch: int = 4,
    max_waiting: int = 100,
) -> Recorder:
    async def main() -> Recorder:
        recorder = Recorder()
        batcher = Batcher(recorder.predict, max_batch, max_waiting, recorder.observe)
        await scenario(batcher, recorder)
        return recorder

    return asyncio.run(main())


def test_a_lone_request_is_a_batch_of_its_own() -> None:
    async def scenario(batcher: Batcher, _: Recorder) -> None:
        assert await batcher.submit([21]) == [42]

    assert run(scenario).batches == [[21]]


def test_an_empty_request_needs_no_model() -> None:
    async def scenario(batcher: Batcher, _: Recorder) -> None:
        assert await batcher.submit([]) == []

    assert run(scenario).batches == []


def test_requests_that_wait_together_share_batches_and_keep_their_answers() -> None:
    async def scenario(batcher: Batcher, _: Recorder) -> None:
        answers = await asyncio.gather(*(batcher.submit([n]) for n in range(10)))
        assert answers == [[2 * n] for n in range(10)]

    recorder = run(scenario)
    assert [len(batch) for batch in recorder.batches] == [4, 4, 2]
    assert recorder.observed == [4, 4, 2]


def test_a_long_list_is_cut_into_batches_and_answered_in_order() -> None:
    async def scenario(batcher: Batcher, _: Recorder) -> None:
        assert await batcher.submit(range(11)) == [2 * n for n in range(11)]

    assert [len(batch) for batch in run(scenario).batches] == [4, 4, 3]


def test_a_long_list_does_not_hold_up_the_others() -> None:
    async def scenario(batcher: Batcher, recorder: Recorder) -> None:
        long = batcher.submit(range(100, 190))
        await asyncio.sleep(0)  # the list is being worked on when the other comes
        worked_on = len(recorder.batches)
        assert await batcher.submit([1]) == [2]
        assert len(recorder.batches) - worked_on <= 2
        assert not long.done()
        assert await long == [2 * n for n in range(100, 190)]

    run(scenario)


def test_the_event_loop_turns_between_the_batches_of_a_long_list() -> None:
    async def scenario(batcher: Batcher, recorder: Recorder) -> None:
        long = batcher.submit(range(40))
        turns = 0
        while not long.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns >= len(recorder.batches) == 10

    run(scenario)


def test_a_full_queue_refuses_and_takes_again_when_it_has_room() -> None:
    async def scenario(batcher: Batcher, _: Recorder) -> None:
        waiting = [batcher.submit([1, 2, 3]), batcher.submit([4, 5, 6])]
        with pytest.raises(Overloaded):
            batcher.submit([7])
        await asyncio.gather(*waiting)
        assert await batcher.submit([7]) == [14]

    run(scenario, max_waiting=5)


def test_a_request_whose_client_left_leaves_the_queue() -> None:
    async def scenario(batcher: Batcher, recorder: Recorder) -> None:
        left = batcher.submit(range(100))
        await asyncio.sleep(0)
        left.cancel()
        assert await batcher.submit([1]) == [2]
        assert sum(len(batch) for batch in recorder.batches) <= 2 * 4
        # and the room that it took is free again
        assert len(await batcher.submit(range(200, 300))) == 100

    run(scenario, max_waiting=99)


def test_a_request_whose_client_left_takes_no_room_while_a_batch_is_at_work() -> None:
    class Input:
        pass

    async def main() -> None:
        begun, go_on = threading.Event(), threading.Event()

        def predict(items: Sequence[Any]) -> Sequence[Any]:
            begun.set()
            assert go_on.wait(60)
            return items

        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(predict, 1, 2, lambda inputs, seconds: None, thread)
            at_work = batcher.submit([0])
            await asyncio.to_thread(begun.wait, 60)
            left = Input()
            held = weakref.ref(left)
            futures = [batcher.submit([left]), batcher.submit([left])]
            del left
            with pytest.raises(Overloaded):
                batcher.submit([1])
            for future in futures:
                future.cancel()
            await asyncio.sleep(0)
            assert held() is None
            stayed = batcher.submit([2])
            go_on.set()
            assert [await at_work, await stayed] == [[0], [2]]

    asyncio.run(main())


class Panic(BaseException):
    """As native code raises it."""


@pytest.mark.parametrize("raised", [Panic("out of bounds"), StopIteration()])
def test_whatever_a_model_raises_fails_its_request_and_no_more(raised: BaseException) -> None:
    async def main() -> None:
        def predict(items: Sequence[Any]) -> Sequence[Any]:
            if 0 in items:
                raise raised
            return items

        with ThreadPoolExecutor(1) as thread:
            for executor in (None, thread):
                batcher = Batcher(predict, 4, 9, lambda inputs, seconds: None, executor)
                bad, good = batcher.submit([0]), batcher.submit([1])
                with pytest.raises(RuntimeError, match=type(raised).__name__):
                    await bad
                assert [await good, await batcher.submit([2])] == [[1], [2]]

    asyncio.run(main())


def test_what_cannot_be_measured_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        def observe(inputs: int, seconds: float) -> None:
            raise OSError("no space left")

        batcher = Batcher(lambda items: items, 4, 9, observe)
        assert [await batcher.submit([1]), await batcher.submit([2])] == [[1], [2]]

    with caplog.at_level("ERROR"):
        asyncio.run(main())
    assert "no space left" in caplog.text


def test_a_bad_input_fails_its_own_request_only() -> None:
    async def scenario(batcher: Batcher, _: Recorder) -> None:
        good, bad, list_with_bad = [batcher.submit(i) for i in ([1], [-1], [2, -2, 3, 4, 5, 6])]
        with pytest.raises(ValueError, match="negative"):
            await bad
        with pytest.raises(ValueError, match="negative"):
            await list_with_bad
        assert await good == [2]
        assert await batcher.submit([8]) == [16]

    run(scenario)


def test_a_model_that_loses_an_answer_is_an_error() -> None:
    async def main() -> None:
        batcher = Batcher(lambda items: items[1:], 4, 100, lambda inputs, seconds: None)
        with pytest.raises(ValueError, match="0 results for 1 inputs"):
            await batcher.submit([1, 2])

    asyncio.run(main())
