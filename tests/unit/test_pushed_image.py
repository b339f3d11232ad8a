"""A pushed image is launched once, and Terraform's own task definitions stay as they are; beside
the launcher's test, on task definitions and tasks that are kept."""

from __future__ import annotations

from threading import Barrier

import pytest

from tests.aws.ecs_stage import EcsStage
from tests.aws_platform import AwsHost, AwsPlatform, make_platform
from tests.building import launch_for, pending_record
from tests.racing import race
from trainshed.aws.parts import AwsParts
from trainshed.ports import Launcher
from trainshed.settings import Settings


@pytest.fixture
def platform(aws_server: AwsHost) -> AwsPlatform:
    return make_platform(aws_server)


@pytest.fixture
def launcher(platform: AwsPlatform, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    platform.define_training("toy")
    for name, value in platform.environment.items():
        monkeypatch.setenv(name, value)
    aws = Settings.from_environment(platform.environment).aws
    assert aws is not None
    return AwsParts(aws).launcher()


def test_at_once_or_again_it_is_one_task_that_runs_the_image(
    platform: AwsPlatform, launcher: Launcher
) -> None:
    digest = f"sha256:{'a' * 64}"
    launch = launch_for(pending_record()).model_copy(update={"image_digest": digest})

    def run(_: int, start: Barrier) -> str:
        start.wait()
        return launcher.launch(launch)

    [started] = set(race(5, run))
    platform.define_training("toy")  # terraform has applied meanwhile
    assert launcher.launch(launch) == started
    [task] = EcsStage(platform.server).tasks(platform.name)
    assert task["containerDefinition"]["image"] == f"toy@{digest}"
    assert task["containerEnvironment"]["TRAINSHED_TABLE"] == platform.name
    assert [found.task for found in launcher.tasks()] == [started]


def test_the_model_types_own_definition_stays_as_it_is(
    platform: AwsPlatform, launcher: Launcher
) -> None:
    ecs, family = platform.server.client("ecs"), f"{platform.name}-training-toy"
    before = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
    launches = [
        launch_for(pending_record(), attempt).model_copy(update={"image_digest": digest})
        for attempt, digest in enumerate((f"sha256:{'a' * 64}", f"sha256:{'b' * 64}", None), 1)
    ]
    for launch in (*launches, *launches):
        launcher.launch(launch)
    images = [
        task["containerDefinition"]["image"]
        for task in EcsStage(platform.server).tasks(platform.name)
    ]
    assert images == [f"toy@sha256:{'a' * 64}", f"toy@sha256:{'b' * 64}", "toy"]
    assert ecs.describe_task_definition(taskDefinition=family)["taskDefinition"] == before
    families = ecs.list_task_definition_families(familyPrefix=f"{family}_")["families"]
    assert len(families) == 2
