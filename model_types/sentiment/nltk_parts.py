"""The two parts of NLTK that serving needs, imported without the rest of NLTK.

`import nltk.stem.porter` first runs `nltk/__init__.py`, which imports every part of NLTK and with
it scipy and scikit-learn where they are installed: about a second and over 100 MiB, for two modules
of pure Python. Here their parent packages stand empty while the two are imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGES = ("nltk", "nltk.tokenize", "nltk.stem")


@contextmanager
def _empty_packages() -> Iterator[None]:
    """Stand in for NLTK's packages, and leave `sys.modules` as it was, so that another's
    `import nltk` gets the real one."""
    spec = importlib.util.find_spec("nltk")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'nltk'", name="nltk")
    root = Path(spec.origin).parent
    for name in _PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "nltk"]:
            del sys.modules[name]


def _import_parts() -> tuple[Any, Any]:
    names = ("nltk.tokenize.casual", "nltk.stem.porter")
    if "nltk" in sys.modules:
        casual, porter = map(importlib.import_module, names)
    else:
        with _empty_packages():
            casual, porter = map(importlib.import_module, names)
    return casual.TweetTokenizer, porter.PorterStemmer


TweetTokenizer, PorterStemmer = _import_parts()
