"""I14: whatever is done, in whatever order, every engine gives the same trace."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.aws_platform import VISIBILITY_SECONDS, AwsHost, make_platform
from tests.building import FakeClock, request_of
from tests.contract.benches import AwsBench, Bench, FakesBench, LocalBench
from trainshed.ports import Phase, Report, TaskState
from trainshed.record import Cause

from .sheds import Shed, open_shed, outcome_of

PICKS = st.integers(0, 5)
BAD_BODIES = ["no json", "{}", '{"name": "UPPER"}', '{"name": "a", "epochs": 0}', "[1]"]
ENDS = [
    TaskState(Phase.STOPPED, exit_code=0),
    TaskState(Phase.STOPPED, exit_code=1),
    TaskState(Phase.STOPPED, exit_code=3),
    TaskState(Phase.STOPPED, exit_code=137),
    TaskState(Phase.STOPPED, reason="Its host is gone."),
    TaskState(Phase.STOPPED, cause=Cause.SPOT_INTERRUPTION, reason="Spot wants it back."),
    TaskState(Phase.STOPPED, cause=Cause.START_FAILED, reason="No image."),
    TaskState(Phase.STOPPED, exit_code=137, cause=Cause.OUT_OF_MEMORY, reason="OutOfMemory"),
]


class Engines(RuleBasedStateMachine):
    """The same commands to all of them; after each one, what they said and what is seen of them is
    compared."""

    folder: Path
    steps = 0

    def make_benches(self, folder: Path, stack: ExitStack) -> list[Bench]:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._clock = FakeClock()
        folder = Path(mkdtemp(dir=self.folder))
        benches = self.make_benches(folder, self._stack)
        self._sheds = [
            self._stack.enter_context(open_shed(bench, self._clock)) for bench in benches
        ]
        self._models: list[str] = []
        self._bodies: list[str] = []
        self._numbers = 0

    def teardown(self) -> None:
        self._stack.close()

    @rule(priority=st.sampled_from([0, 5, 9]), attempts=st.integers(1, 3), hasty=st.booleans())
    def submit(self, priority: int, attempts: int, hasty: bool) -> None:
        request = request_of(
            "model",
            priority=priority,
            max_attempts=attempts,
            timeout_minutes=10 if hasty else 1000,
            request_id=self._request_id(),
        )
        self._models.append(request.model_id)
        self._bodies.append(request.encode())
        self._all(lambda shed: shed.submit(request))
        self._pass(1)  # no two are as old

    @rule(pick=PICKS)
    def submit_again(self, pick: int) -> None:
        """The same body once more, as a client does that heard no answer."""
        if self._bodies:
            body = self._bodies[pick % len(self._bodies)]
            self._all(lambda shed: shed.send(body))
            self._pass(1)

    @rule(body=st.sampled_from(BAD_BODIES))
    def submit_what_is_wrong(self, body: str) -> None:
        self._all(lambda shed: shed.send(body))
        self._pass(1)

    @rule()
    def tick(self) -> None:
        self._all(lambda shed: shed.tick())

    @rule()
    def a_consumer_dies_over_its_messages(self) -> None:
        self._all(lambda shed: shed.receive_and_die())

    @rule(seconds=st.sampled_from([30, 61, 700, VISIBILITY_SECONDS + 1, 16 * 60, 50 * 60]))
    def time_passes(self, seconds: int) -> None:
        self._pass(seconds)

    @rule(pick=PICKS)
    def claim(self, pick: int) -> None:
        self._with_a_model(pick, lambda shed, model: shed.claim(model))

    @rule(pick=PICKS, epoch=st.integers(0, 3), failure=st.sampled_from([None, "no good"]))
    def report(self, pick: int, epoch: int, failure: str | None) -> None:
        report = Report(at=self._clock(), epoch=epoch, epochs=3, failure=failure)
        self._with_a_model(pick, lambda shed, model: shed.report(model, report))

    @rule(pick=PICKS)
    def publish(self, pick: int) -> None:
        self._with_a_model(pick, lambda shed, model: shed.publish(model))

    @rule(pick=PICKS, state=st.sampled_from(ENDS))
    def end(self, pick: int, state: TaskState) -> None:
        self._with_a_model(pick, lambda shed, model: shed.end(model, state))

    @rule(pick=PICKS)
    def train_to_a_good_end(self, pick: int) -> None:
        for step in (Shed.claim, Shed.publish):
            self._with_a_model(pick, step)
        self._with_a_model(pick, lambda shed, model: shed.end(model, ENDS[0]))

    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        self._with_a_model(pick, lambda shed, model: shed.cancel(model))

    @rule(pick=PICKS)
    def retry(self, pick: int) -> None:
        request_id = self._request_id()
        self._with_a_model(pick, lambda shed, model: shed.retry(model, request_id))
        self._models.append(f"model-{request_id}")
        self._pass(1)

    @rule(pick=PICKS)
    def redrive(self, pick: int) -> None:
        bodies = [*BAD_BODIES, *self._bodies]
        self._all(lambda shed: shed.redrive(bodies[pick % len(bodies)]))
        self._pass(1)

    @invariant()
    def all_look_the_same(self) -> None:
        first, *others = self._sheds
        expected = first.seen()
        for shed in others:
            for what, seen in shed.seen().items():
                assert seen == expected[what], f"{what}: {shed.name} is not as {first.name}"

    def _all(self, act: Callable[[Shed], object]) -> None:
        type(self).steps += 1
        first, *others = self._sheds
        expected = outcome_of(lambda: act(first))
        for shed in others:
            assert outcome_of(lambda shed=shed: act(shed)) == expected, shed.name  # type: ignore[misc]

    def _with_a_model(self, pick: int, act: Callable[[Shed, str], object]) -> None:
        if self._models:
            model = self._models[pick % len(self._models)]
            self._all(lambda shed: act(shed, model))

    def _pass(self, seconds: float) -> None:
        self._clock.advance(seconds=seconds)
        for shed in self._sheds:
            shed.let_pass(seconds)

    def _request_id(self) -> str:
        self._numbers += 1
        return f"00000000-0000-4000-8000-{self._numbers:012}"


def test_every_engine_gives_the_same_trace(
    aws_server: AwsHost, tmp_path: Path, how_many: Callable[[int, int], int]
) -> None:
    class These(Engines):
        folder = tmp_path

        def make_benches(self, folder: Path, stack: ExitStack) -> list[Bench]:
            aws = stack.enter_context(AwsBench(make_platform(aws_server), folder / "aws"))
            return [FakesBench(), LocalBench(folder / "local"), aws]

    run_state_machine_as_test(
        These,
        settings=hypothesis.settings(
            max_examples=how_many(6, 30),
            stateful_step_count=how_many(25, 50),
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
    sys.stdout.write(f"\n{These.steps} commands to each of three engines: the same trace\n")
    assert These.steps > 0
