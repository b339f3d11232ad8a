"""`trainshed show`"""

from __future__ import annotations

import click

from command_line.output import clean, output_option, print_json, record_json
from command_line.session import open_session
from trainshed.ports import Report
from trainshed.record import ModelRecord
from trainshed.words import progress


@click.command()
@click.argument("model")
@output_option
def command(model: str, output: str) -> None:
    """Show all that is known of MODEL."""
    with open_session() as session:
        record = session.client.find(model)
        key = (record.model_id, record.attempt)
        report = session.engine.registry.reports([key]).get(key)
    if output == "json":
        reported = report.model_dump(mode="json") if report else None
        print_json({**record_json(record), "progress": reported})
    else:
        click.echo("\n".join(clean(line) for line in _lines(record, report)))


def _lines(record: ModelRecord, report: Report | None) -> list[str]:
    request = record.request
    rows = [
        ("model", record.model_id),
        ("type", record.model_type),
        ("status", record.status),
        ("why", record.reason),
        ("progress", progress(report) if report and report.epochs else None),
        ("data set", (request.dataset or "the sample") if request else None),
        ("feedback", request.feedback if request else None),
        ("epochs", str(request.epochs) if request else None),
        ("priority", str(record.priority) if request else None),
        ("attempt", f"{record.attempt} of {request.max_attempts}" if request else None),
        ("task", record.task),
        ("artifact", record.artifact),
        ("digest", record.digest),
    ]
    lines = [f"{label:9} {value}" for label, value in rows if value]
    if request and request.hyperparameters:
        lines.append("hyperparameters")
        lines += [f"  {key} = {value}" for key, value in request.hyperparameters.items()]
    lines.append("history")
    lines += [
        f"  {event.at:%Y-%m-%d %H:%M:%S}  {event.status:11}  {event.text}"
        for event in record.history
    ]
    return lines
