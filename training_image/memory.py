"""Whether an exception says that memory ran out, in whatever framework's words."""

from __future__ import annotations

import errno
from collections.abc import Iterator

# By name, for this room knows no framework. torch's of GPUs, JAX's and TensorFlow's, …
_NAMES = frozenset({"OutOfMemoryError", "ResourceExhaustedError"})
# … and what comes as a plain RuntimeError: torch's of the main memory, and CUDA's own.
_WORDS = ("can't allocate memory", "CUDA out of memory", "CUDA_ERROR_OUT_OF_MEMORY")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or what it was raised for, is of that kind."""
    return any(_says_so(each) for each in _chain(error))


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if any(cls.__name__ in _NAMES for cls in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
