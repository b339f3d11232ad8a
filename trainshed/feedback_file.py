"""A file of feedback, as a request names it: a line of JSON for each; its sha256 is its name."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from trainshed.errors import InvalidFeedback, StorageUnavailable
from trainshed.feedback import MAX_BYTES, Feedback
from trainshed.local.files import sync_folder
from trainshed.manifest import entry_of

ENDING = ".jsonl"


def write(folder: Path, feedback: Iterable[Feedback]) -> Path:
    """Write a file into `folder`, which is made if it is not there; whole or not at all.

    The same feedback, written again, is the same file. Raises `StorageUnavailable`.
    """
    digest = hashlib.sha256()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="~", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                for each in feedback:
                    line = f"{each.encode()}\n".encode()
                    digest.update(line)
                    file.write(line)
                file.flush()
                os.fsync(handle)
            path = folder / f"{digest.hexdigest()}{ENDING}"
            Path(name).replace(path)
            sync_folder(folder)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise StorageUnavailable(f"Feedback cannot be written to {folder}: {error}.") from error
    return path


def read(path: Path) -> Iterator[Feedback]:
    """Yield what a file holds, once all of it has been verified. Raises `InvalidFeedback`."""
    if not path.is_file() or path.name != f"{entry_of(path).sha256}{ENDING}":
        raise InvalidFeedback(
            f"The feedback {path.name} is damaged, or is none: a file's name must be its sha256 and"
            f" {ENDING}. `trainshed submit NAME --with-feedback` writes it anew."
        )
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_BYTES + 2):
            number += 1
            try:
                yield Feedback.model_validate_json(line)
            except ValidationError as error:
                problem = error.errors(include_url=False, include_context=False)[0]
                where = ".".join(map(str, problem["loc"]))
                raise InvalidFeedback(
                    f"The feedback {path.name}, line {number}: {where or 'the line'}:"
                    f" {problem['msg']}."
                ) from None
