"""GitHub's workflows: valid, with as few rights as they need, and with no key stored anywhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .containers import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
WRITES = {
    "images.yml": {"id-token"},
    "plan.yml": {"id-token", "pull-requests"},
    "apply.yml": {"id-token"},
    "destroy.yml": {"id-token"},
}
"""What a workflow's jobs may write, where they may at all."""

yaml: Any = pytest.importorskip("yaml")

each_file = pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.name)
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs(path: Path) -> Iterator[dict[str, Any]]:
    yield from parsed(path)["jobs"].values()


def steps(path: Path) -> Iterator[dict[str, Any]]:
    if path in ACTIONS:
        yield from parsed(path)["runs"]["steps"]
        return
    for job in jobs(path):
        yield from job.get("steps", [])


def test_they_are_all_here() -> None:
    assert {path.stem for path in WORKFLOWS} >= {
        *("tests", "images", "plan", "apply", "destroy", "checkov")
    }


@each_file
def test_it_is_valid(path: Path) -> None:
    tool = shutil.which("check-jsonschema")
    if tool is None:
        pytest.skip("check-jsonschema is not installed; pip install check-jsonschema brings it")
    schema = "vendor.github-workflows" if path in WORKFLOWS else "vendor.github-actions"
    done = subprocess.run(
        [tool, "--builtin-schema", schema, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_file
def test_its_actions_are_pinned(path: Path) -> None:
    uses = [step["uses"] for step in steps(path) if "uses" in step]
    if path in WORKFLOWS:
        uses += [job["uses"] for job in jobs(path) if "uses" in job]
    for action in uses:
        if action.startswith("./"):
            there = ROOT / action
            assert (there if there.suffix else there / "action.yml").is_file()
        else:
            assert re.fullmatch(r"[\w.-]+(/[\w.-]+)+@(v\d+|[0-9a-f]{40})", action)


@each_workflow
def test_it_has_no_more_rights_than_it_needs(path: Path) -> None:
    assert parsed(path)["permissions"] == {"contents": "read"}
    for job in jobs(path):
        writes = {name for name, right in job.get("permissions", {}).items() if right == "write"}
        assert writes <= WRITES.get(path.name, set())
        assert job.get("permissions", {}).get("contents", "read") == "read"


@each_workflow
def test_two_of_it_do_not_get_into_each_others_way(path: Path) -> None:
    assert parsed(path)["concurrency"]["group"]


@each_workflow
def test_every_job_comes_to_an_end(path: Path) -> None:
    assert all("uses" in job or 0 < job["timeout-minutes"] <= 60 for job in jobs(path))


@each_file
def test_no_key_is_stored(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "access-key" not in text
    for step in steps(path):
        if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@"):
            assert set(step["with"]) == {"role-to-assume", "aws-region"}
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each_file
def test_a_script_gets_values_from_its_environment_alone(path: Path) -> None:
    # An expression inside of a script would run whatever somebody typed or named a branch.
    for step in steps(path):
        assert "${{" not in step.get("run", "")


@each_file
def test_its_scripts_are_bash(path: Path) -> None:
    shell = "bash" if path in ACTIONS else parsed(path)["defaults"]["run"]["shell"]
    assert shell == "bash"
    for step in steps(path):
        if "run" in step:
            assert path in WORKFLOWS or step["shell"] == "bash"
            done = subprocess.run(
                ["bash", "-n"], input=step["run"], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr


@each_file
def test_the_scripts_that_it_runs_are_there(path: Path) -> None:
    named = re.findall(r"(?<![\w*])scripts/[\w-]+\.sh", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).is_file()] == []


@each_workflow
def test_only_what_is_on_main_changes_anything(path: Path) -> None:
    named = parsed(path)["jobs"]
    for job in named.values():
        if "AWS_DEPLOY_ROLE" in str(job.get("steps")):
            needed = [named[name] for name in filter(None, [job.get("needs")])]
            guards = [str(one.get("if")) for one in (job, *needed)]
            assert any("github.ref == 'refs/heads/main'" in guard for guard in guards)


def test_destroying_needs_the_platforms_name_typed_before_anything_else() -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "destroy.yml")
    (triggers,) = (value for key, value in workflow.items() if key in (True, "on"))  # YAML's "on"
    assert set(triggers) == {"workflow_dispatch"}
    first = workflow["jobs"]["destroy"]["steps"][0]

    def outcome(confirmation: str, variables: str = "") -> int:
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", first["run"]],
            env={"PATH": "/usr/bin:/bin", "CONFIRMATION": confirmation, "ROLE": "arn:aws:iam::1:x"}
            | {"VARIABLES": variables},
            capture_output=True,
            check=False,
        ).returncode

    if shutil.which("jq", path="/usr/bin:/bin") is None:
        pytest.skip("jq is not installed; GitHub's machines have it")
    assert outcome("destroy trainshed") == 0
    assert outcome("destroy") == 1
    assert outcome("") == 1
    assert outcome("destroy trainshed", '{"name": "other"}') == 1
    assert outcome("destroy other", '{"name": "other"}') == 0


def test_destroying_leaves_the_workflows_roles(tmp_path: Path) -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "destroy.yml")
    state = [
        'data.aws_iam_policy_document.github_assume["plan"]',
        "aws_iam_openid_connect_provider.github[0]",
        'aws_iam_role.github["deploy"]',
        "aws_iam_role_policy.github_deploy[0]",
        'aws_iam_role.consumer["a b"]',
        "aws_vpc.this",
    ]

    def asked_for(addresses: list[str]) -> list[str]:
        (tmp_path / "listed").write_text("".join(f"{it}\n" for it in addresses), encoding="utf-8")
        (tmp_path / "asked").unlink(missing_ok=True)
        stub = """
            terraform() {
                if [[ $2 == state ]]; then cat listed; else printf '%s\n' "$@" > asked; fi
            }
        """
        script = stub + workflow["jobs"]["destroy"]["steps"][-1]["run"]
        subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "STACK": "x", "FORCE_DESTROY": "false"},
            capture_output=True,
            check=True,
        )
        asked = tmp_path / "asked"
        return asked.read_text(encoding="utf-8").splitlines() if asked.exists() else []

    targets = [line for line in asked_for(state) if line.startswith("-target=")]
    assert targets == ['-target=aws_iam_role.consumer["a b"]', "-target=aws_vpc.this"]
    # terraform without a target would destroy them all the same
    assert asked_for(state[:4]) == []


def test_apply_and_destroy_never_run_at_once() -> None:
    groups = [
        parsed(ROOT / ".github" / "workflows" / f"{name}.yml")["concurrency"]
        for name in ("apply", "destroy")
    ]
    assert groups[0] == groups[1]
    assert groups[0]["cancel-in-progress"] is False
