"""The `scratch` network as two ONNX graphs: from words to their vectors, and from sentences of
vectors to `emissions`, a score per token and tag.

They are put together operator by operator, so that the LSTM stays one operator, and runs no further
than each sentence's length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from flair.models import SequenceTagger
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from model_types.ner.embeddings import FILTERS
from model_types.ner.features import CHARACTERS

_OPSET = 17
_IR_VERSION = 8

Weights = Mapping[str, NDArray[np.float32]]
Shape = tuple[str | int, ...]


def export_words(tagger: SequenceTagger, path: Path) -> None:
    """Write the embeddings of a tagger on `WordFeatureEmbeddings`: from what
    `WordEncoder.features` tells of words to `vectors` (U, D)."""
    weights = _weights(tagger)
    graph = _Graph()

    def weight(name: str) -> str:
        return graph.constant(weights[f"embeddings.{name}"])

    graph.add("Gather", [weight("words.weight"), "words"], "word")
    graph.add("Gather", [weight("shapes.weight"), "shapes"], "shape")
    graph.add("Gather", [weight("characters.weight"), "characters"], "letters")
    graph.add("Transpose", ["letters"], "spelling", perm=[0, 2, 1])
    parts = ["word", "shape"]
    for index, width in enumerate(FILTERS):
        filters = [weight(f"convolutions.{index}.weight"), weight(f"convolutions.{index}.bias")]
        graph.add("Conv", ["spelling", *filters], f"filtered{index}", pads=[width - 1] * 2)
        graph.add("ReduceMax", [f"filtered{index}"], f"seen{index}", axes=[2], keepdims=0)
        parts.append(f"seen{index}")
    graph.add("Concat", parts, "vectors", axis=1)

    words: dict[str, Shape] = {"words": ("U",), "shapes": ("U",), "characters": ("U", CHARACTERS)}
    inputs = [_tensor(name, TensorProto.INT64, shape) for name, shape in words.items()]
    size = tagger.embeddings.embedding_length
    onnx.save(graph.model(inputs, _tensor("vectors", TensorProto.FLOAT, ("U", size))), path)


def export_lstm(tagger: SequenceTagger, path: Path) -> None:
    """Write the rest of the tagger; its inputs are what `WordVectors.encode` gives."""
    weights = _weights(tagger)
    graph = _Graph()
    _add_lstm(graph, weights)
    graph.add("MatMul", ["context", graph.constant(weights["linear.weight"].T)], "scores")
    graph.add("Add", ["scores", graph.constant(weights["linear.bias"])], "emissions")

    size = tagger.embeddings.embedding_length
    inputs = [
        _tensor("vectors", TensorProto.FLOAT, ("T", "B", size)),
        _tensor("lengths", TensorProto.INT32, ("B",)),
    ]
    tags = len(tagger.label_dictionary)
    onnx.save(graph.model(inputs, _tensor("emissions", TensorProto.FLOAT, ("B", "T", tags))), path)


def _add_lstm(graph: _Graph, weights: Weights) -> None:
    """From `vectors` (T, B, D) to `context` (B, T, both directions' units)."""

    def both_directions(*names: str) -> str:
        return graph.constant(
            np.stack(
                [
                    np.concatenate([_gates(weights[f"rnn.{name}_l0{side}"]) for name in names])
                    for side in ("", "_reverse")
                ]
            )
        )

    units = weights["rnn.weight_hh_l0"].shape[1]
    lstm = [
        both_directions("weight_ih"),
        both_directions("weight_hh"),
        both_directions("bias_ih", "bias_hh"),
    ]
    graph.add(
        "LSTM",
        ["vectors", *lstm, "lengths"],
        "directions",  # (T, 2, B, units)
        direction="bidirectional",
        hidden_size=units,
    )
    graph.add("Transpose", ["directions"], "by_sentence", perm=[2, 0, 1, 3])
    joined = graph.constant(np.array([0, 0, 2 * units], dtype=np.int64))
    graph.add("Reshape", ["by_sentence", joined], "context")


def _weights(tagger: SequenceTagger) -> Weights:
    return {name: weight.cpu().numpy() for name, weight in tagger.state_dict().items()}


def _tensor(name: str, kind: int, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _gates(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Torch's gates are input, forget, cell, output; ONNX's are input, output, forget, cell."""
    i, f, c, o = np.split(weight, 4)
    return np.concatenate([i, o, f, c])


class _Graph:
    """Nodes and constants of a graph under construction."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))

    def constant(self, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def model(
        self, inputs: Sequence[onnx.ValueInfoProto], output: onnx.ValueInfoProto
    ) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, "ner", inputs, [output], self._constants)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return model
