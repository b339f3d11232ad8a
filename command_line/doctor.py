"""`trainshed doctor`"""

from __future__ import annotations

import click

from command_line.output import clean, notice, output_option, print_json
from command_line.session import now, open_session
from trainshed.errors import TrainshedError


@click.command()
@click.option("--fix", is_flag=True, help="Mend what can be mended, and say what was done.")
@output_option
def command(fix: bool, output: str) -> None:
    """Find what is out of place: tasks, slots and files that no record knows, records that wait
    in vain, damaged artifacts, dead letters.

    It may run while consumers and trainings do. What is younger than 15 minutes is left to settle
    by itself; a running attempt and the artifact of a Completed model are never touched.

    Exit codes: 0 nothing is left to mend, 1 findings are left, 2 a setting was wrong.
    """
    from queue_consumer.doctor import Finding, examine

    rows, left = [], 0

    def treat(finding: Finding) -> str | None:
        if not fix or finding.mend is None:
            return None
        try:
            return finding.mend()
        except TrainshedError as error:
            notice(f"Not mended: {clean(str(error))}")
            return None

    with open_session() as session:
        for finding in examine(session.engine, session.settings, now()):
            done = treat(finding)
            left += done is None
            rows.append(
                {
                    "what": finding.what,
                    "subject": finding.subject,
                    "says": finding.says,
                    "remedy": finding.remedy,
                    "fixable": finding.mend is not None,
                    "done": done,
                }
            )
            if output == "text":
                click.echo(f"{finding.what}: {clean(finding.subject)}")
                click.echo(f"  {clean(finding.says)}")
                verb = "--fix" if finding.mend else "What mends it:"
                click.echo(f"  {done or f'{verb} {clean(finding.remedy)}.'}")
    if output == "json":
        print_json(rows)
    elif not rows:
        click.echo("Nothing that is older than 15 minutes is out of place.")
    if left:
        notice(f"{left} finding(s) left.")
        raise click.exceptions.Exit(1)
