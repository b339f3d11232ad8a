"""The network as an ONNX graph, written operator by operator.

Keras' own export turns a GRU into a Loop over its words, one small operator at a time; the GRU
operator of ONNX does the same in one call, an order of magnitude faster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper, save

from .network import BELOW_ANY, KERNEL_SIZES
from .vocabulary import PADDING

FILE_NAME = "model.onnx"
_OPSET = 18
_IR_VERSION = 10


def export(model: Any, folder: Path) -> None:
    """Write `Network.model` to model.onnx: words (texts, words) and features (texts, features) as
    int32, weights (texts, features) → scores (texts, labels), both float32."""
    graph = _Graph()
    graph.padding()
    states = {
        "recurrent": graph.recurrent(model.get_layer("gru"), model.get_layer("gru_embedding")),
        "convolution": graph.convolutions(
            [model.get_layer(f"convolution_{size}") for size in KERNEL_SIZES],
            model.get_layer("convolution_embedding"),
        ),
    }
    heads = [graph.wide(model.get_layer("wide"))]
    heads += [graph.head(model.get_layer(name), state) for name, state in states.items()]
    graph.node("Sum", heads, "logits")
    graph.node("Softmax", ["logits"], "scores", axis=-1)
    proto = graph.build(label_count=model.output_shape[-1])
    checker.check_model(proto, full_check=True)
    save(proto, str(folder / FILE_NAME))


class _Graph:
    """Nodes and constants so far. Methods add some and give the name of their output."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: npt.ArrayLike, dtype: type = np.float32) -> str:
        array: npt.NDArray[Any] = np.ascontiguousarray(value, dtype=dtype)
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def padding(self) -> None:
        """mask (texts, words, 1) is true where there is a word, present is the same in numbers,
        lengths (texts) counts the words."""
        self.constant("axis_1", [1], np.int64)
        self.constant("axis_2", [2], np.int64)
        self.constant("below_any", BELOW_ANY)
        self.node("Equal", ["words", self.constant("padding", PADDING, np.int32)], "is_padding")
        self.node("Not", ["is_padding"], "is_word")
        self.node("Unsqueeze", ["is_word", "axis_2"], "mask")
        self.node("Cast", ["mask"], "present", to=TensorProto.FLOAT)
        self.node("ReduceSum", ["present", "axis_1"], "counts", keepdims=0)
        self.node("Cast", ["is_word"], "ones", to=TensorProto.INT32)
        self.node("ReduceSum", ["ones", "axis_1"], "lengths", keepdims=0)

    def wide(self, embedding: Any) -> str:
        [table] = embedding.get_weights()
        self.node("Gather", [self.constant("wide_table", table), "features"], "wide_rows")
        self.node("Unsqueeze", ["weights", "axis_1"], "wide_weights")
        self.node("MatMul", ["wide_weights", "wide_rows"], "wide_sums")
        return self.node("Squeeze", ["wide_sums", "axis_1"], "wide_logits")

    def embed(self, embedding: Any) -> str:
        name = embedding.name
        [table] = embedding.get_weights()
        self.node("Gather", [self.constant(f"{name}_table", table), "words"], f"{name}_rows")
        return self.node("Mul", [f"{name}_rows", "present"], f"{name}_vectors")

    def recurrent(self, bidirectional: Any, embedding: Any) -> str:
        """Both order their gates update, reset, candidate. Keras' `reset_after` is ONNX's
        `linear_before_reset`; ONNX wants matrices transposed and the two biases end to end."""
        kernels, recurrent_kernels, biases = zip(
            bidirectional.forward_layer.get_weights(),
            bidirectional.backward_layer.get_weights(),
            strict=True,
        )
        self.node("Transpose", [self.embed(embedding)], "gru_inputs", perm=[1, 0, 2])
        inputs = [
            "gru_inputs",
            self.constant("gru_kernel", [kernel.T for kernel in kernels]),
            self.constant("gru_recurrent_kernel", [kernel.T for kernel in recurrent_kernels]),
            self.constant("gru_bias", [bias.reshape(-1) for bias in biases]),
            "lengths",
        ]
        size = bidirectional.forward_layer.units
        attributes = {"direction": "bidirectional", "hidden_size": size, "linear_before_reset": 1}
        self.node("GRU", inputs, "gru_outputs", **attributes)  # (words, 2, texts, size)
        self.node("Transpose", ["gru_outputs"], "gru_directions", perm=[2, 0, 1, 3])
        shape = self.constant("gru_shape", [0, 0, 2 * size], np.int64)
        return self.node("Reshape", ["gru_directions", shape], "gru_states")

    def convolutions(self, layers: list[Any], embedding: Any) -> str:
        inputs = self.node("Transpose", [self.embed(embedding)], "columns", perm=[0, 2, 1])
        outputs = []
        for layer in layers:
            kernel, bias = layer.get_weights()
            size = kernel.shape[0]
            weights = self.constant(f"{layer.name}_kernel", kernel.transpose(2, 1, 0))
            shift = self.constant(f"{layer.name}_bias", bias)
            pads = [(size - 1) // 2, size // 2]
            self.node("Conv", [inputs, weights, shift], f"{layer.name}_linear", pads=pads)
            outputs.append(self.node("Relu", [f"{layer.name}_linear"], f"{layer.name}_relu"))
        self.node("Concat", outputs, "convolution_columns", axis=1)
        return self.node("Transpose", ["convolution_columns"], "convolution_states", perm=[0, 2, 1])

    def head(self, dense: Any, states: str) -> str:
        name = dense.name
        kernel, bias = dense.get_weights()
        self.node("Where", ["mask", states, "below_any"], f"{name}_masked")
        self.node("ReduceMax", [f"{name}_masked", "axis_1"], f"{name}_greatest", keepdims=0)
        self.node("Mul", [states, "present"], f"{name}_present")
        self.node("ReduceSum", [f"{name}_present", "axis_1"], f"{name}_sum", keepdims=0)
        self.node("Div", [f"{name}_sum", "counts"], f"{name}_mean")
        self.node("Concat", [f"{name}_greatest", f"{name}_mean"], f"{name}_pooled", axis=1)
        weights = self.constant(f"{name}_kernel", kernel)
        shift = self.constant(f"{name}_bias", bias)
        return self.node("Gemm", [f"{name}_pooled", weights, shift], f"{name}_logits")

    def build(self, label_count: int) -> ModelProto:
        def tensor(name: str, kind: int, *shape: str | int) -> Any:
            return helper.make_tensor_value_info(name, kind, shape)

        graph = helper.make_graph(
            self._nodes,
            "sentiment",
            [
                tensor("words", TensorProto.INT32, "texts", "words"),
                tensor("features", TensorProto.INT32, "texts", "features"),
                tensor("weights", TensorProto.FLOAT, "texts", "features"),
            ],
            [tensor("scores", TensorProto.FLOAT, "texts", label_count)],
            self._constants,
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(
            graph, producer_name="trainshed", opset_imports=opsets, ir_version=_IR_VERSION
        )
