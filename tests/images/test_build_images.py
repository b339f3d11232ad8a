"""scripts/build_images.sh, with builders that only write down what they are asked for."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from .containers import ROOT

TOOLS = ("bash", "basename", "cat", "dirname", "sed", "tr")


@dataclass
class Script:
    """The script in a repository of its own, with a PATH of nothing but what a test puts there."""

    root: Path

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def asked(self) -> list[list[str]]:
        """What builders were asked for but their versions, each with its builder first."""
        log = self.root / "log"
        if not log.exists():
            return []
        calls = [line.split("\x1f") for line in log.read_text(encoding="utf-8").splitlines()]
        return [call for call in calls if call[1] != "version"]

    def install(self, builder: str, *, failing: str = "") -> None:
        """A builder whose command `failing` fails."""
        path = self.bin / builder
        path.write_text(
            "#!/usr/bin/env bash\n"
            f"IFS=$'\\x1f'\nprintf '%s\\n' \"{builder}$IFS$*\" >> '{self.root / 'log'}'\n"
            f'[[ $1 != "{failing}" ]]\n',
            encoding="utf-8",
        )
        path.chmod(0o755)

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "scripts" / "build_images.sh", *arguments],
            env={"PATH": str(self.bin), **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def script(tmp_path: Path) -> Script:
    script = Script(tmp_path)
    script.bin.mkdir()
    for tool in (*TOOLS, "env"):
        found = shutil.which(tool)
        assert found
        (script.bin / tool).symlink_to(found)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "build_images.sh", tmp_path / "scripts")
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = x\nversion = 1.2.3\n", encoding="utf-8")
    for name, files in {
        "image_classification": ["requirements.txt", "requirements-serving.txt"],
        "ner": ["requirements.txt"],
        "only_served": ["requirements-serving.txt"],
    }.items():
        (tmp_path / "model_types" / name).mkdir(parents=True)
        for file in files:
            (tmp_path / "model_types" / name / file).touch()
    return script


def test_there_is_an_image_for_each_model_type_that_can_be_trained(script: Script) -> None:
    assert script("--list").stdout.split() == [
        "airflow",
        "serving",
        "training-image-classification",
        "training-ner",
    ]


def test_the_names_have_prefix_and_version(script: Script) -> None:
    done = script("--dry-run", "--prefix", "registry.example/shed", "serving", "training-ner")
    assert done.stdout.split() == [
        "registry.example/shed-serving:1.2.3",
        "registry.example/shed-training-ner:1.2.3",
    ]


def test_training_images_for_gpus_have_a_tag_of_their_own(script: Script) -> None:
    done = script("--dry-run", "--variant", "cuda", "airflow", "serving", "training-ner")
    assert done.stdout.split() == [
        "trainshed-airflow:1.2.3",
        "trainshed-serving:1.2.3",
        "trainshed-training-ner:1.2.3-cuda",
    ]


def test_a_tag_that_is_given_is_the_tag(script: Script) -> None:
    done = script("--dry-run", "--variant", "cuda", "--tag", "mine", "training-ner")
    assert done.stdout.split() == ["trainshed-training-ner:mine"]


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
def test_every_image_is_built_from_its_file(script: Script, builder: str) -> None:
    script.install(builder)
    done = script("--base", "python@sha256:1", "--platform", "linux/arm64")
    assert done.stdout.split() == [
        "trainshed-airflow:1.2.3",
        "trainshed-serving:1.2.3",
        "trainshed-training-image-classification:1.2.3",
        "trainshed-training-ner:1.2.3",
    ]
    airflow, serving, classification, ner = script.asked
    common = ["build", "--platform", "linux/arm64", "--build-arg", "BASE_IMAGE=python@sha256:1"]
    health_checks = [] if builder == "docker" else ["--format", "docker"]
    for call, image in ((airflow, "airflow"), (serving, "serving"), (ner, "training-ner")):
        assert call[: len(common) + 1] == [builder, *common]
        assert call[len(common) + 1 :][: len(health_checks)] == health_checks
        assert f"trainshed-{image}:1.2.3" in call
        assert call[-1] == "."
    assert "airflow/Dockerfile" in airflow
    assert "serving_image/Dockerfile" in serving
    assert "training_image/Dockerfile" in ner
    assert "MODEL_TYPE=ner" in ner
    assert "VARIANT=cpu" in ner
    assert "MODEL_TYPE=image_classification" in classification


def test_arguments_after_two_hyphens_are_the_builders(script: Script) -> None:
    script.install("docker")
    done = script("serving", "--", "--secret", "id=pip.conf,src=a b")
    assert done.returncode == 0, done.stderr
    assert script.asked[0][-3:] == ["--secret", "id=pip.conf,src=a b", "."]


def test_the_first_builder_that_works_is_taken(script: Script) -> None:
    script.install("docker", failing="version")  # its daemon isn't there
    script.install("podman")
    script.install("buildah")
    script("serving")
    assert [call[0] for call in script.asked] == ["podman"]


def test_a_builder_that_is_named_is_taken(script: Script) -> None:
    script.install("docker")
    script.install("buildah")
    script("serving", BUILDER="buildah")
    assert [call[0] for call in script.asked] == ["buildah"]


def test_images_are_pushed_once_all_are_built(script: Script) -> None:
    script.install("docker")
    script("--push", "serving", "training-ner")
    assert [call[1] for call in script.asked] == ["build", "build", "push", "push"]
    assert script.asked[-1] == ["docker", "push", "trainshed-training-ner:1.2.3"]


def test_nothing_is_pushed_when_a_build_fails(script: Script) -> None:
    script.install("docker", failing="build")
    done = script("--push", "serving")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.endswith("Error: trainshed-serving:1.2.3 could not be built.\n")
    assert [call[1] for call in script.asked] == ["build"]


def test_a_push_that_fails_is_told(script: Script) -> None:
    script.install("docker", failing="push")
    done = script("--push", "serving")
    assert done.returncode == 1
    assert done.stderr.endswith("Error: trainshed-serving:1.2.3 could not be pushed.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["training-cats"],
            "there is no image training-cats. There are: airflow serving training-",
        ),
        (["--variant", "gpu"], "the variant is cpu or cuda, not gpu."),
        (["--tag"], "--tag needs a value."),
        (["--squash"], "there is no option --squash."),
    ],
)
def test_a_mistake_is_told_before_anything_is_built(
    script: Script, arguments: list[str], message: str
) -> None:
    script.install("docker")
    done = script(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {message}")
    assert script.asked == []


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("", "none of docker, podman and buildah is installed and works."),
        ("podman", "podman is not installed."),
        ("docker", "docker does not work; 'docker version' says why."),
        ("kaniko", "BUILDER is docker, podman or buildah, not kaniko."),
    ],
)
def test_without_a_builder_it_says_so(script: Script, builder: str, message: str) -> None:
    script.install("docker", failing="version")
    done = script("serving", BUILDER=builder)
    assert (done.returncode, done.stderr) == (1, f"Error: {message}\n")


def test_its_help_names_every_option(script: Script) -> None:
    code = (ROOT / "scripts" / "build_images.sh").read_text(encoding="utf-8")
    parsing = code[code.index("case $1 in") : code.index("--) shift")]
    options = set(re.findall(r"--[a-z][a-z-]*", parsing))
    assert "--dry-run" in options
    assert options == set(re.findall(r"^  (--[a-z-]+)", script("--help").stdout, re.MULTILINE))
