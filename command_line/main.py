"""`trainshed`: the group of commands, each imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from trainshed.errors import InvalidRequest, InvalidSettings, TrainshedError

_COMMANDS = {
    "submit": "Queue a training.",
    "run": "Consume the queue: launch, follow and judge trainings.",
    "ls": "List models, the newest first.",
    "show": "Show all that is known of a model.",
    "logs": "Print what a training has printed.",
    "explain": "Say where a model stands, why, and what to do.",
    "cancel": "Cancel a model that is not finished.",
    "retry": "Queue a failed or cancelled model's request once more, or lift a retry's delay.",
    "serve": "Serve a Completed model over HTTP.",
    "predict": "Ask a Completed model, without a server.",
    "feedback": "What people said of models' answers: export it, import it.",
    "dead-letters": "Messages that could not be dealt with.",
    "doctor": "Find what is out of place, and mend it with --fix.",
}
"""Name → short help. The command is `command` in the module of that name."""


class _Misuse(click.ClickException):
    exit_code = 2


class _LazyGroup(click.Group):
    """`--help` must not pay for what each command imports; so the short helps stand above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"command_line.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Every error of ours in one line, with the exit code that fits it."""
        try:
            return super().invoke(ctx)
        except TrainshedError as error:
            # 2, as for a wrong option, for what was wrong before anything was done.
            is_misuse = isinstance(error, InvalidRequest | InvalidSettings)
            raise (_Misuse if is_misuse else click.ClickException)(str(error)) from error


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trainshed")
def main() -> None:
    """Queue model training, run it under a cap, track every model, serve the one you choose.

    Settings come from TRAINSHED_… environment variables. MODEL is a modelId, the start of one, or
    a name: then its newest Completed model.

    Data goes to stdout and notices to stderr. Exit codes: 0 done, 1 failed, 2 the command, the
    request or a setting was wrong.
    """


if __name__ == "__main__":
    sys.exit(main())
