"""The network as an ONNX graph, written operator by operator.

A convolution and the batch normalisation behind it become one convolution (Jacob et al., 2018).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper, save
from torch import Tensor, nn

from .network import Network, Scale, Unit
from .predict import MODEL, VOCABULARY

_OPSET = 18
_IR_VERSION = 10


def export(network: Network, labels: Sequence[str], size: int, folder: Path) -> None:
    """Write vocabulary.json and model.onnx: pictures (pictures, size, size, 3) as uint8 → scores
    (pictures, labels) as float32. The network is on the processor."""
    vocabulary = {"labels": list(labels), "image_size": size}
    text = json.dumps(vocabulary, ensure_ascii=False)
    (folder / VOCABULARY).write_text(text, encoding="utf-8")
    graph = _Graph()
    x = graph.unit(network.stem, graph.normalised("pictures", network))
    for scale in network.scales:
        x = graph.scale(cast("Scale", scale), x)
    pooled = graph.node("Concat", *(graph.node(f"Global{kind}Pool", x) for kind in _POOLS), axis=1)
    weight, bias = (graph.constant(tensor) for tensor in (network.head.weight, network.head.bias))
    logits = graph.node("Gemm", graph.node("Flatten", pooled), weight, bias, transB=1)
    proto = graph.build(graph.node("Softmax", logits, axis=-1), size, len(labels))
    checker.check_model(proto, full_check=True)
    save(proto, str(folder / MODEL))


_POOLS = ("Max", "Average")
"""As the network has them, one behind the other."""


class _Graph:
    """Nodes and constants so far. Methods add some and give the name of their output."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, value: Tensor) -> str:
        name = f"constant_{len(self._constants)}"
        array = np.ascontiguousarray(value.detach().numpy(), np.float32)
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def normalised(self, pictures: str, network: Network) -> str:
        numbers = self.node("Cast", pictures, to=TensorProto.FLOAT)
        planes = self.node("Transpose", numbers, perm=[0, 3, 1, 2])
        centred = self.node("Sub", planes, self.constant(network.mean))
        return self.node("Div", centred, self.constant(network.deviation))

    def unit(self, unit: Unit, x: str) -> str:
        convolution, norm = cast("nn.Conv2d", unit[0]), cast("nn.BatchNorm2d", unit[1])
        fused = torch.nn.utils.fuse_conv_bn_eval(convolution.eval(), norm.eval())
        weight, bias = self.constant(fused.weight), self.constant(cast("Tensor", fused.bias))
        return self.node("Relu", self.node("Conv", x, weight, bias, pads=[1, 1, 1, 1]))

    def scale(self, scale: Scale, x: str) -> str:
        halved: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
        x = self.node("MaxPool", self.unit(scale.unit, x), **halved)
        return self.node("Add", x, self.unit(scale.second, self.unit(scale.first, x)))

    def build(self, scores: str, size: int, labels: int) -> Any:
        shape = ("count", size, size, 3)
        pictures = helper.make_tensor_value_info("pictures", TensorProto.UINT8, shape)
        output = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ("count", labels))
        self._nodes.append(helper.make_node("Identity", [scores], ["scores"]))
        graph = helper.make_graph(
            self._nodes, "image_classification", [pictures], [output], self._constants
        )
        return helper.make_model(
            graph,
            producer_name="trainshed",
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
        )
