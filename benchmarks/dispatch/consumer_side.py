"""What Lambda would call: the consumer's own handler, and what it has asked of AWS meanwhile.

Used by `slot.py` in a process of its own, as Lambda would have it.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.dispatch.calls import Calls, counting
from queue_consumer.handler import Context
from queue_consumer.handler import handle as consume

_counting = counting()
_calls: Calls = _counting.__enter__()  # from its first client to the process's end


def handle(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """The seconds of one invocation, and of each call in it: from the invocation's beginning to
    the call, and in the call."""
    _calls.made.clear()
    began = time.monotonic()
    consume(event, context)
    return {
        "seconds": time.monotonic() - began,
        "calls": [
            {"operation": call.operation, "after": call.sent - began, "seconds": call.seconds}
            for call in _calls.made
        ],
    }
