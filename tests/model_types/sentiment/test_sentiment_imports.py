from __future__ import annotations

import subprocess
import sys


def _run(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def test_serving_loads_no_framework_and_little_of_nltk() -> None:
    loaded = _run(
        "import sys; import model_types.sentiment.predict; "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert "onnxruntime" in loaded
    frameworks = {"tensorflow", "keras", "torch", "onnx", "matplotlib", "scipy", "sklearn"}
    assert not loaded & (frameworks | {"nltk"})


def test_text_needs_nothing_but_nltk_parts() -> None:
    loaded = _run(
        "import sys; import model_types.sentiment.text; "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert not loaded & {"tensorflow", "keras", "torch", "numpy", "onnxruntime"}


def test_the_whole_of_nltk_can_still_be_imported_afterwards() -> None:
    program = (
        "import model_types.sentiment.text; import nltk; "
        "print(nltk.word_tokenize.__name__, nltk.stem.PorterStemmer().stem('running'))"
    )
    assert _run(program) == {"word_tokenize", "run"}


def test_an_nltk_that_is_already_there_is_used() -> None:
    program = (
        "import nltk, model_types.sentiment.text as text; "
        "print(text.PorterStemmer is nltk.stem.porter.PorterStemmer, nltk.__name__)"
    )
    assert _run(program) == {"True", "nltk"}
