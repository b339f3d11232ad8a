"""Every command, path, link and variable that the docs name is real."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from command_line.main import main as command_line

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
TOP_LEVEL = {path.name for path in ROOT.iterdir()}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def fenced(page: Path, language: str = "") -> Iterator[str]:
    for block in re.finditer(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        if block[1] == language:
            yield block[2]


def trainshed_lines(page: Path) -> Iterator[str]:
    """The `trainshed …` commands in a page's blocks and code spans."""
    if page.name == "command-line.md":  # made from the code
        return
    text = page.read_text("utf-8")
    for block in fenced(page):
        for line in block.splitlines():
            command = line.split("|")[-1].strip()
            command = re.sub(r"^([A-Z_]+=\S+ )+", "", command)
            if command.startswith("trainshed "):
                yield command
    for span in re.finditer(r"`(trainshed [^`]+)`", text.replace("\n", " ")):
        if "…" not in span[1] and "<" not in span[1]:
            yield span[1]


@pytest.mark.parametrize(
    ("page", "line"), [(page, line) for page in PAGES for line in trainshed_lines(page)]
)
def test_a_command_in_the_docs_has_its_options(page: Path, line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = command_line
    context = click.Context(command, info_name="trainshed")
    while isinstance(command, click.Group) and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"{page.name}: there is no command {name!r} in {line!r}"
        command, context = found, click.Context(found, context, info_name=name)
    options = {"--help", *(o for parameter in command.params for o in parameter.opts)}
    used = {word for word in words if re.match(r"--?[a-z]", word)}
    assert used <= options, f"{page.name}: {line!r}"


def test_there_are_commands_to_check() -> None:
    assert sum(1 for page in PAGES for _ in trainshed_lines(page)) > 15


@pages
def test_paths_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    paths = {
        match[1].rstrip("/.")
        for match in re.finditer(r"(?<![\w/.:-])(?:\./)?([\w.-]+/[\w./-]*)", text)
        if match[1].split("/")[0] in TOP_LEVEL - {".trainshed", ".venv"}
    }
    missing = sorted(path for path in paths if not (ROOT / path).exists())
    assert not missing


@pages
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


@pages
def test_variables_are_settings(page: Path) -> None:
    known = set(re.findall(r"`(TRAINSHED_\w+)`", (ROOT / "docs/settings.md").read_text("utf-8")))
    named = set(re.findall(r"\bTRAINSHED_[A-Z_]+\b", page.read_text("utf-8")))
    assert named <= known | {"TRAINSHED_", "TRAINSHED_COMPLETE"}


def test_generated_pages_are_up_to_date() -> None:
    for path, content in generator().pages().items():
        assert path.read_text("utf-8") == content, f"run `python docs/generate.py` for {path.name}"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_scripts_in_the_readme_can_be_run() -> None:
    scripts = set(re.findall(r"\./(scripts/[a-z-]+\.sh)", (ROOT / "README.md").read_text("utf-8")))
    assert {"scripts/demo.sh", "scripts/test.sh"} <= scripts
    assert all((ROOT / script).stat().st_mode & 0o111 for script in scripts)
