"""How a trace shows what was asked and answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from trainshed.ports import Message, Report, TaskState
from trainshed.record import Launch, ModelRecord


def brief(value: object) -> str:
    """In a few words, the same in every run."""
    match value:
        case ModelRecord():
            claimed = " claimed" if value.claimed_at else ""
            return f"{value.name} {value.status} {value.attempt} v{value.version}{claimed}"
        case Launch():
            named = value.environment
            return f"{named['TRAINSHED_MODEL_ID'][:6]}, attempt {named['TRAINSHED_ATTEMPT']}"
        case Message():
            return f"message {value.message_id[:8]}"
        case TaskState():
            parts = [value.phase.value, value.exit_code, value.cause]
            return " ".join(str(part) for part in parts if part is not None)
        case Report():
            return value.failure or f"epoch {value.epoch}"
        case datetime():
            return value.strftime("%H:%M:%S")
        case Path():
            return "file"
        case bytes():
            return f"{len(value)} bytes"
        case Mapping():
            return "{" + ", ".join(f"{brief(k)}: {brief(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(brief, value)) + "]"
    return str(value)[:60]
