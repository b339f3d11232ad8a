"""Lambda's runtime as a program: a line of standard input is an event, a line of standard output
its answer. What the handler prints goes to standard error.

Arguments: the handler, as the function's configuration names it, and its timeout in seconds. It
imports nothing of the tests, for it runs with the package's code alone.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import uuid
from typing import Any


class Context:
    def __init__(self, timeout: float) -> None:
        self.aws_request_id = str(uuid.uuid4())
        self._deadline = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        return int((self._deadline - time.monotonic()) * 1000)


def main(handler: str, timeout: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, function = handler.rpartition(".")
    handle = getattr(importlib.import_module(module), function)
    for line in sys.stdin:
        answer: dict[str, Any]
        try:
            answer = {"result": handle(json.loads(line), Context(float(timeout)))}
        except Exception:  # noqa: BLE001  the answer tells of it
            answer = {"error": traceback.format_exc()}
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
