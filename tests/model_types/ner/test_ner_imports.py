from __future__ import annotations

import subprocess
import sys


def test_serving_loads_no_framework() -> None:
    program = (
        "import sys; import model_types.ner.predict, model_types.ner.subwords; "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "flair", "transformers", "onnx", "tensorflow", "matplotlib"}


def test_a_scratch_model_needs_no_tokenizers() -> None:
    program = "import sys; import model_types.ner.predict; assert 'tokenizers' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
