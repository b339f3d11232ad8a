from __future__ import annotations

from dataclasses import fields

import pytest

from serving_image.settings import ServingSettings
from trainshed.errors import InvalidSettings

COMPLETE = {"TRAINSHED_ARTIFACT": "models/m/1", "TRAINSHED_ARTIFACT_DIGEST": "a" * 64}


def test_two_variables_are_enough() -> None:
    settings = ServingSettings.from_environment(COMPLETE)
    assert settings == ServingSettings("models/m/1", "a" * 64)
    assert settings.bind == "0.0.0.0:8080"
    assert settings.max_body_bytes == 1024 * 1024
    assert settings.max_batch == 8
    assert settings.workers == 1
    assert settings.take_feedback


def test_every_variable_is_read() -> None:
    environ = {
        **COMPLETE,
        "TRAINSHED_HOST": "::1",
        "TRAINSHED_PORT": "80",
        "TRAINSHED_WORKERS": "3",
        "TRAINSHED_MAX_BODY_BYTES": "1000",
        "TRAINSHED_CLIENT_SECONDS": "2.5",
        "TRAINSHED_MAX_BATCH": "16",
        "TRAINSHED_API_KEY_SHA256": f"{'b' * 64},{'c' * 64}",
        "TRAINSHED_TAKE_FEEDBACK": "0",
        "TRAINSHED_LOG_LEVEL": "debug",
    }
    settings = ServingSettings.from_environment(environ)
    keys = ("b" * 64, "c" * 64)
    assert settings == ServingSettings(
        "models/m/1", "a" * 64, "::1", 80, 3, 1000, 2.5, 16, keys, False, "debug"
    )
    assert settings.bind == "[::1]:80"
    assert {spec.metadata["variable"] for spec in fields(ServingSettings)} == environ.keys()


def test_an_empty_variable_counts_as_unset() -> None:
    assert ServingSettings.from_environment({**COMPLETE, "TRAINSHED_PORT": ""}).port == 8080


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRAINSHED_ARTIFACT", ""),
        ("TRAINSHED_ARTIFACT_DIGEST", ""),
        ("TRAINSHED_ARTIFACT_DIGEST", "a" * 63),
        ("TRAINSHED_ARTIFACT_DIGEST", "A" * 64),
        ("TRAINSHED_PORT", "-1"),
        ("TRAINSHED_PORT", "65536"),
        ("TRAINSHED_PORT", "http"),
        ("TRAINSHED_PORT", "²"),
        ("TRAINSHED_WORKERS", "0"),
        ("TRAINSHED_MAX_BODY_BYTES", "1e6"),
        ("TRAINSHED_CLIENT_SECONDS", "0"),
        ("TRAINSHED_MAX_BATCH", "0"),
        ("TRAINSHED_TAKE_FEEDBACK", "yes"),
        ("TRAINSHED_LOG_LEVEL", "chatty"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=variable):
        ServingSettings.from_environment({**COMPLETE, variable: value})
