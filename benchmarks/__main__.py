"""`python -m benchmarks`: run the parts, one after the other, and write docs/benchmarks.md."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path

import click

from benchmarks import chart, machine
from benchmarks.page import CHART, Run, page
from benchmarks.report import Part
from benchmarks.setting import Setting
from benchmarks.shed import Shed

ROOT = Path(__file__).parents[1]
PARTS = ("training", "serving", "dispatch", "startup")
"""In this order: what training has made is served."""


@click.command()
@click.option("--quick", is_flag=True, help="In five minutes: a look at whether all runs.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="These parts; repeatable.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=ROOT.parent / "shared/data",
    help="The public data sets.  [default: ../shared/data, beside the clone]",
)
@click.option(
    "--peers",
    type=click.Path(path_type=Path),
    default=ROOT / ".venv/peers/bin/python",
    help="The Python of the peers' environment.",
)
@click.option(
    "--to",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=ROOT / "docs",
    help="The folder of the page.  [default: docs]",
)
def main(quick: bool, only: tuple[str, ...], data: Path, peers: Path, to: Path) -> None:
    """Measure Trainshed beside its peers, and write the page with what was found."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="trainshed-benchmarks-") as folder:
        work = Path(folder)
        setting = Setting(
            quick=quick,
            work=work,
            data=data.resolve() if data.is_dir() else None,
            peers=peers.absolute() if os.access(peers, os.X_OK) else None,
            shed=Shed(work / "home"),
        )
        parts = [_run(name, setting) for name in PARTS if not only or name in only]
    minutes = (time.monotonic() - started) / 60
    run = Run(date.today(), minutes, machine.describe(), quick, parts)  # noqa: DTZ011 the reader's
    (to / "benchmarks.md").write_text(page(run), encoding="utf-8")
    chart.draw([row for part in parts for row in part.rows], to / CHART)
    click.echo(f"Wrote {to / 'benchmarks.md'} after {minutes:.1f} minutes.")


def _run(name: str, setting: Setting) -> Part:
    click.echo(f"# {name}")
    started = time.monotonic()
    # imported late: no part's frameworks take the others' memory and time
    run: Callable[[Setting], Part] = import_module(f"benchmarks.{name}.part").run
    part = run(setting)
    for row in part.rows:
        click.echo(f"{row.name}: {row.figure.median:.4g} {row.unit}".rstrip())
    for reason in part.skipped:
        click.echo(f"left out: {reason}")
    click.echo(f"# {name} took {time.monotonic() - started:.0f} s")
    return part


if __name__ == "__main__":
    main()
