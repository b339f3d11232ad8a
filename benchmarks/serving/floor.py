"""The floor: the predictor in a loop, one text at a time, in one process and without HTTP.

    python -m benchmarks.serving.floor MODEL_TYPE ARTIFACT BODIES SECONDS

Prints one line of JSON: the texts per second, and the median and 99th percentile of the seconds
that one takes.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.serving.contenders import ROOT
from benchmarks.serving.load import SEPARATOR, Load
from model_types import builtin_folder, load_predictor


def run(model_type: str, artifact: Path, bodies: Path, seconds: float) -> Load:
    """Run the loop for so long, in a process of its own."""
    arguments = [model_type, str(artifact), str(bodies), str(seconds)]
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving.floor", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    return Load(**json.loads(output))


def main(model_type: str, artifact: str, bodies: str, seconds: str) -> None:
    predictor = load_predictor(model_type, [builtin_folder()]).load(Path(artifact))
    texts = Path(bodies).read_bytes().split(SEPARATOR)[:-1]

    def answer(body: bytes) -> bytes:
        items = predictor.decode(body, "text/plain").items
        [result] = predictor.predict(items)
        return json.dumps(result, ensure_ascii=False).encode()

    for body in texts:  # what is remembered of texts is remembered, as in a server that has run
        answer(body)
    taken = []
    began = now = time.perf_counter()
    for body in itertools.cycle(texts):
        answer(body)
        before, now = now, time.perf_counter()
        taken.append(now - before)
        if now - began > float(seconds):
            break
    taken.sort()
    load = Load(len(taken) / (now - began), taken[len(taken) // 2], taken[len(taken) * 99 // 100])
    print(json.dumps(vars(load)))


if __name__ == "__main__":
    main(*sys.argv[1:])
