"""A transformer's graph in 8 bits, which takes the float graph's place if it does as well.

The weights of its matrix products are rounded once, with a scale for each column; what they are
multiplied with is rounded as it comes. See "dynamic quantization" in
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from model_types import Json
from model_types.ner.answers import replace_answers
from model_types.ner.conll import DataSet
from model_types.ner.encoder import MODEL, TOKENIZER, VOCABULARY
from model_types.ner.evaluation import evaluate_served
from model_types.ner.predict import load

MARGIN = 0.01
"""How much lower F1 may be on the dev part."""

logger = logging.getLogger(__name__)


def quantize(folder: Path, data: DataSet) -> Json:
    """Replace the graph of the artifact in `folder`, unless F1 on dev falls by more than `MARGIN`.

    Give the test part's metrics of the graph that is there then. Their part `int8` says whether it
    is the one in 8 bits (`kept`), and what F1 either had on dev and on test.
    """
    with tempfile.TemporaryDirectory() as scrap:
        candidate = Path(scrap)
        _write(folder, candidate)
        floats, int8 = load(folder), load(candidate)
        float_dev, dev = evaluate_served(floats, data.dev), evaluate_served(int8, data.dev)
        float_test, test = evaluate_served(floats, data.test), evaluate_served(int8, data.test)
        kept = _f1(float_dev) - _f1(dev) <= MARGIN
        if kept:
            replace_answers(folder, int8)
            for name in (MODEL, VOCABULARY):
                shutil.move(candidate / name, folder / name)
    logger.log(
        logging.INFO if kept else logging.WARNING,
        "int8 is %s: dev F1 %.4f, with floats %.4f",
        *("served" if kept else "not served, floats are", _f1(dev), _f1(float_dev)),
    )
    scores = {
        "kept": kept,
        "dev_f1": _f1(dev),
        "float_dev_f1": _f1(float_dev),
        "f1": _f1(test),
        "float_f1": _f1(float_test),
    }
    return {**(test if kept else float_test), "int8": scores}


def _write(folder: Path, candidate: Path) -> None:
    """Write the files that `load` reads, with the graph in 8 bits."""
    prepared = candidate / "prepared.onnx"
    logging.getLogger().addFilter(_matters)
    try:
        quant_pre_process(folder / MODEL, prepared, skip_symbolic_shape=True)
        quantize_dynamic(
            prepared,
            candidate / MODEL,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            # Signed weights are quickest, but with all 8 bits their sums overflow where a processor
            # has no VNNI. With 7 they are the same everywhere, as quickly.
            weight_type=QuantType.QInt8,
            reduce_range=True,
        )
    finally:
        logging.getLogger().removeFilter(_matters)
    shutil.copy(folder / TOKENIZER, candidate)
    vocabulary = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
    document = json.dumps({**vocabulary, "int8": True}, ensure_ascii=False)
    (candidate / VOCABULARY).write_text(document, encoding="utf-8")


def _matters(record: logging.LogRecord) -> bool:
    """Not what onnxruntime tells the root logger of each tensor."""
    return record.levelno > logging.INFO


def _f1(metrics: Json) -> float:
    return float(metrics["micro"]["f1"])
