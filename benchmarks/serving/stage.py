"""A stage: one model, so many workers, and all who serve it side by side, taking turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.report import Spread
from benchmarks.serving import answers, floor, load
from benchmarks.serving.answers import WrongAnswers
from benchmarks.serving.contenders import Contender, Place
from benchmarks.serving.load import Load, LoadFailed
from benchmarks.serving.server import Memory, Server, ServerFailed
from benchmarks.serving.texts import Texts
from benchmarks.setting import Setting
from model_types import Json, builtin_folder, load_predictor

FLOOR = "the floor"


@dataclass(frozen=True)
class Cell:
    """One kind of load."""

    texts: str
    """`short` or `long`."""
    connections: int


GOAL = Cell("short", 32)
ALONE = Cell("short", 1)
OTHERS = (ALONE, Cell("short", 8), Cell("short", 128), Cell("long", 32))


@dataclass(frozen=True)
class Plan:
    """Who has how many turns."""

    goal_rounds: int
    other_rounds: int
    seconds: float
    """Of a turn."""


@dataclass
class Figures:
    """What was measured of one contender at one stage."""

    loads: dict[Cell, list[Load]] = field(default_factory=dict)
    """A load for each round."""
    startup: float | None = None
    memory: Memory | None = None

    def add(self, cell: Cell, found: Load) -> None:
        self.loads.setdefault(cell, []).append(found)


@dataclass(frozen=True)
class Stage:
    place: Place
    figures: Mapping[str, Figures]
    """By the contender's name; whoever failed is not in it."""
    failed: Sequence[str]

    def ratio(
        self, ours: str, theirs: str, figure: Callable[[Load], float], cell: Cell = GOAL
    ) -> Spread | None:
        """Ours by theirs, round by round; None where one of them has no figure."""
        found = [
            self.figures[name].loads.get(cell) for name in (ours, theirs) if name in self.figures
        ]
        if len(found) < 2 or None in found:
            return None
        mine, other = (list(map(figure, loads or ())) for loads in found)
        return Spread.of(a / b for a, b in zip(mine, other, strict=True))

    def speed(self, name: str, cell: Cell = GOAL) -> float:
        """Requests per second, the median of the rounds; 0 where there is none."""
        loads = self.figures[name].loads.get(cell) if name in self.figures else None
        return Spread.of(each.requests_per_second for each in loads).median if loads else 0.0


class _Contest:
    """A contender's server that is up, and the bodies that it is asked with."""

    def __init__(self, contender: Contender, server: Server, texts: Texts, folder: Path) -> None:
        self.contender = contender
        self.server = server
        self._texts = {"short": texts.short, "long": texts.long}
        self._files = {
            kind: load.write_bodies(self.bodies(kind), folder / f"{kind}-{server.port}.bodies")
            for kind in self._texts
        }

    def bodies(self, kind: str) -> list[bytes]:
        return [self.contender.form.body(text) for text in self._texts[kind]]

    def start(self, wanted: Mapping[str, Sequence[Json]]) -> None:
        """Start it, let it answer everything, which warms it up, and check what it says. Raises
        `ServerFailed` and `WrongAnswers`."""
        self.server.start(self.bodies("short")[0])
        for kind in self._texts:
            found = self.server.answers(self.bodies(kind))
            found = [self.contender.form.answer(answer) for answer in found]
            if self.contender.same_answers:
                answers.check(found, wanted[kind])
            else:
                answers.check_some_entities(found)

    def measure(self, cell: Cell, seconds: float) -> Load:
        """Raises `LoadFailed`."""
        found = load.run(
            self.server.url,
            self._files[cell.texts],
            self.server.media_type,
            cell.connections,
            seconds,
        )
        self.server.settle()
        return found

    def plays(self, cell: Cell) -> bool:
        return not self.contender.slow or cell in (GOAL, ALONE)


def run(
    setting: Setting,
    place: Place,
    contenders: Sequence[Contender],
    texts: Texts,
    plan: Plan,
    with_floor: bool = False,
) -> Stage:
    """Start them one after the other, then give them turns."""
    own = load_predictor(place.model_type, [builtin_folder()]).load(place.trained.artifact)
    wanted = {
        kind: [own.predict([text])[0] for text in found]
        for kind, found in (("short", texts.short), ("long", texts.long))
    }
    figures: dict[str, Figures] = {}
    failed: list[str] = []

    def fail(contender: Contender, error: Exception) -> None:
        figures.pop(contender.name, None)
        what = f"{place.model_type}, {place.workers} workers"
        failed.append(f"{contender.name} ({what}) has no figures: {error}")

    with ExitStack() as stack:
        contests: list[_Contest] = []
        for contender in contenders:
            server = stack.enter_context(contender.server(setting, place))
            contest = _Contest(contender, server, texts, setting.work)
            try:
                contest.start(wanted)
            except (ServerFailed, WrongAnswers) as error:
                server.stop()
                fail(contender, error)
            else:
                contests.append(contest)
                figures[contender.name] = Figures(startup=server.startup)
        bodies = load.write_bodies(
            [text.encode() for text in texts.short], setting.work / "floor.bodies"
        )
        for cell in _turns(plan):
            for contest in contests:
                name = contest.contender.name
                if name not in figures or not contest.plays(cell):
                    continue
                try:
                    figures[name].add(cell, contest.measure(cell, plan.seconds))
                except LoadFailed as error:
                    fail(contest.contender, error)
            if with_floor and cell == GOAL:
                found = floor.run(place.model_type, place.trained.artifact, bodies, plan.seconds)
                figures.setdefault(FLOOR, Figures()).add(GOAL, found)
        for contest in contests:
            if contest.contender.name in figures:
                figures[contest.contender.name].memory = contest.server.memory
    return Stage(place, figures, failed)


def _turns(plan: Plan) -> Iterator[Cell]:
    for _ in range(plan.goal_rounds):
        yield GOAL
    for _ in range(plan.other_rounds):
        yield from OTHERS
