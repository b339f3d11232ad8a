"""`trainshed submit`"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import click

from command_line.output import notice, output_option, print_json
from command_line.session import Session, open_session
from trainshed.errors import InvalidRequest
from trainshed.model_type import Value, lookup
from trainshed.request import build

DEFAULT_MODEL_TYPE = "ner"


@click.command()
@click.argument("name", required=False)
@click.option("--model-type", metavar="TYPE", help=f"[default: {DEFAULT_MODEL_TYPE}]")
@click.option("--dataset", metavar="PATH|S3", help="[default: the model type's sample]")
@click.option(
    "--with-feedback",
    is_flag=True,
    help="Train also on what people have said of the answers of models of that name.",
)
@click.option("--epochs", type=int)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A hyperparameter; repeatable."
)
@click.option("--priority", type=int, help="0 to 9, higher first.  [default: 5]")
@click.option("--max-attempts", type=int, help="[default: 3]")
@click.option("--timeout-minutes", type=int, help="Of one attempt.  [default: 1440]")
@click.option(
    "--request-id", metavar="UUID", help="The same id again gives no second model.  [default: new]"
)
@click.option(
    "--message",
    type=click.File("rb"),
    help="Queue this file ('-': stdin) as the raw message, as it is, instead of NAME.",
)
@output_option
def command(
    name: str | None,
    settings: tuple[str, ...],
    with_feedback: bool,
    message: BinaryIO | None,
    output: str,
    **options: Any,
) -> None:
    """Queue a training and print its modelId.

    NAME may hold lower-case letters, digits and hyphens.
    """
    fields = {key: value for key, value in options.items() if value is not None}
    if message is not None and (name is not None or fields or settings or with_feedback):
        raise click.UsageError("--message stands alone: the message says everything.")
    with open_session() as session:
        if message is not None:
            model_id = _submit_message(session, message.read())
        elif name is not None:
            model_id = _submit(session, name, settings, fields, with_feedback)
        else:
            raise click.UsageError("Give a NAME, or a --message.")
    if output == "json":
        print_json({"model_id": model_id})
    else:
        click.echo(model_id)


def _submit(
    session: Session,
    name: str,
    settings: tuple[str, ...],
    fields: dict[str, Any],
    with_feedback: bool,
) -> str:
    if "dataset" in fields:
        fields["dataset"] = _locate(session, fields["dataset"])
    model_type = fields.setdefault("model_type", DEFAULT_MODEL_TYPE)
    fields["hyperparameters"] = _hyperparameters(session, model_type, settings)
    request = build(name=name, **fields)
    if with_feedback:
        request = session.client.with_feedback(request)
    model_id = session.client.submit(request)
    notice(f"Queued. {_next(session)}")
    return model_id


def _submit_message(session: Session, content: bytes) -> str:
    try:
        body = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The message is not valid UTF-8 (byte {error.start}), which no queue takes."
        ) from None
    queued = session.client.submit_message(body)
    if queued.rejection is not None:
        notice(f"Queued, but it will be rejected: {queued.rejection}")
    else:
        notice(f"Queued. {_next(session)}")
    return queued.model_id


def _next(session: Session) -> str:
    if session.settings.aws is not None:
        return "The consumer takes it in within a minute."
    return "`trainshed run` trains it."


def _locate(session: Session, dataset: str) -> str:
    if not dataset:  # an unset variable of a script, most often; it would mean this folder
        raise InvalidRequest("--dataset is empty.")
    if dataset.startswith("s3://"):
        return dataset
    try:
        path = Path(dataset).expanduser().absolute()
        path.stat()
    except (OSError, ValueError, RuntimeError) as error:  # such as ~nobody or too long a name
        raise InvalidRequest(f"There is no data set {dataset!r}.") from error
    return session.engine.datasets.place(path)


def _hyperparameters(
    session: Session, model_type: str, settings: tuple[str, ...]
) -> dict[str, Value]:
    """Values typed as the model type says; what it does not know stays text, to be named later."""
    catalogue = session.settings.read_catalogue()
    specs = lookup(catalogue, model_type).hyperparameters
    values: dict[str, Value] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise InvalidRequest(f"--set {setting!r} is not KEY=VALUE.")
        values[key] = specs[key].parse(text) if key in specs else text
    return values
