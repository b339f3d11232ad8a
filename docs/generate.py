"""Write the pages that are made from the code: `python docs/generate.py`.

A test runs it too, and fails where a committed page is not what it gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import click

from command_line.main import main as command_line
from serving_image.settings import ServingSettings
from trainshed.settings import AwsSettings, Settings

DOCS = Path(__file__).parent

_SETTINGS_HEAD = """# Settings

All settings come from the environment; an empty variable counts as unset. A wrong value is an error
that names the variable (exit code 2).

"""

_AWS_HEAD = """
On the `aws` engine these say where its parts are; terraform's output `environment` sets them all:

"""

_COMMANDS_HEAD = """# The command line

Data goes to stdout and notices to stderr. `NO_COLOR` is respected. `--output json` is there
wherever data is printed. Exit codes: 0 done, 1 failed, 2 the command, the request or a setting was
wrong.

Shell completion comes with click. For bash, put this into `~/.bashrc` (for zsh and fish:
`zsh_source`, `fish_source`):

```
eval "$(_TRAINSHED_COMPLETE=bash_source trainshed)"
```
"""


def settings_page() -> str:
    parts = [
        _SETTINGS_HEAD,
        *_table(Settings),
        _AWS_HEAD,
        *_table(AwsSettings),
        "\nA server (`python -m serving_image`, or `trainshed serve`) reads some more:\n\n",
        *_table(ServingSettings),
    ]
    return "".join(parts)


def commands_page() -> str:
    return _COMMANDS_HEAD + "".join(_help(command_line, _root_context()))


def pages() -> dict[Path, str]:
    return {DOCS / "settings.md": settings_page(), DOCS / "command-line.md": commands_page()}


def _table(cls: type[Any]) -> Iterator[str]:
    yield "| variable | default | what it sets |\n|---|---|---|\n"
    for spec in fields(cls):
        if "variable" not in spec.metadata:  # such as those of one engine, which have a table
            continue
        about = spec.metadata["about"]
        yield f"| `{spec.metadata['variable']}` | {_default(spec)} | {about} |\n"


def _default(spec: Field[Any]) -> str:
    if spec.name == "home":
        return "`./.trainshed`"
    if spec.default == "" or spec.default_factory is tuple:
        return "none"
    if spec.default_factory is not MISSING:
        return "those of the package `model_types`"
    if spec.default is MISSING:
        return "(required)"
    if isinstance(spec.default, bool):
        return f"`{int(spec.default)}`"
    return f"`{spec.default:g}`" if isinstance(spec.default, float) else f"`{spec.default}`"


def _root_context() -> click.Context:
    settings = {**command_line.context_settings, "terminal_width": 96}
    return click.Context(command_line, info_name="trainshed", **settings)


def _help(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"\n## `{context.command_path}`\n\n```\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            if subcommand is not None:
                yield from _help(subcommand, click.Context(subcommand, context, info_name=name))


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")
