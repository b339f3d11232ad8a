"""The page of figures, and its chart."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import chart
from benchmarks.page import Run, page
from benchmarks.report import Goal, Part, Row, Spread, Table

FASTER = Row("requests/s", Spread(2.5, 2.25, 2.75), "×", Goal(2.0, at_least=True), "of five")
SLOWER = Row("start", Spread(1.5, 1.5, 1.5), "s", Goal(1.0, at_least=False))
UNJUDGED = Row("launches", Spread(12345.6, 12000, 13000), "", None)


def part(*rows: Row) -> Part:
    return Part(
        "Serving", "Peers.", rows, [Table("All", ("peer", "a|b"), [("ours", "1")])], ["GPU"]
    )


def text_of(*rows: Row, quick: bool = False) -> str:
    return page(Run(date(2026, 1, 2), 12.4, ["a machine"], quick, [part(*rows)]))


def line_of(row: Row) -> str:
    [line] = [line for line in text_of(row).splitlines() if line.startswith(f"| {row.name} |")]
    return line


def test_a_spread_is_the_middle_and_the_ends_of_its_repeats() -> None:
    assert Spread.of([3.0, 1.0, 2.0, 10.0]) == Spread(2.5, 1.0, 10.0)
    with pytest.raises(ValueError, match="one repeat"):
        Spread.of([])


def test_a_row_says_its_goal_what_was_found_and_whether_that_meets_it() -> None:
    assert line_of(FASTER) == "| requests/s | ≥ 2× | **2.5×** (2.25–2.75) | met | of five |"
    assert line_of(SLOWER) == "| start | ≤ 1 s | **1.5 s** | **missed** |  |"
    assert line_of(UNJUDGED) == "| launches |  | **12,346** (12,000–13,000) |  |  |"


@pytest.mark.parametrize(("value", "met"), [(2.0, True), (1.999, False)])
def test_a_goal_is_met_from_its_bound_on(value: float, met: bool) -> None:
    assert Goal(2.0, at_least=True).is_met(value) is met
    assert Goal(2.0, at_least=False).is_met(4.0 - value) is met


def test_the_page_names_its_run_what_was_left_out_and_the_figures_in_full() -> None:
    text = text_of(FASTER)
    assert "2026-01-02, in 12 minutes" in text
    assert "- a machine" in text
    assert "Left out: GPU" in text
    assert "| peer | a\\|b |\n| --- | --- |\n| ours | 1 |" in text
    assert "quick" not in text
    assert "A quick run" in text_of(FASTER, quick=True)


def test_a_figure_on_its_goal_has_no_advantage_and_twice_as_good_has_two() -> None:
    assert chart.advantage(2.0, Goal(2.0, at_least=True)) == 1
    assert chart.advantage(4.0, Goal(2.0, at_least=True)) == 2
    assert chart.advantage(0.5, Goal(1.0, at_least=False)) == 2
    assert chart.advantage(0.0, Goal(1.0, at_least=False)) > 2


def test_the_chart_shows_the_rows_with_a_goal_the_same_way_each_time(tmp_path: Path) -> None:
    one, other = tmp_path / "one.svg", tmp_path / "other.svg"
    for file in (one, other):
        chart.draw([FASTER, SLOWER, UNJUDGED], file)
    assert one.read_bytes() == other.read_bytes()
    words = {element.text for element in ElementTree.parse(one).iter() if element.text}
    assert {"requests/s", "start"} <= words
    assert "launches" not in words
