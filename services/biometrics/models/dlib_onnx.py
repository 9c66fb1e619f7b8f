"""dlib's face network, from its own serialisation (`.dat`) to ONNX.

`dlib_face_recognition_resnet_model_v1` is a ResNet of 29 convolutions, each followed by a per-channel affine
layer, and one fully connected layer without bias (dlib, `examples/dnn_face_recognition_ex.cpp`). dlib writes a
tensor as the bytes 01 02 (class version 2), four variable-length integers (samples, channels, rows, columns)
and little-endian float32 values. The architecture fixes the order and the size of every tensor, so the file is
read strictly: what is not exactly where the architecture wants it is refused.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]

CHIP: Final = 150
DIMENSIONS: Final = 128
# Between two tensors stand a layer's settings: a few integers and doubles.
_LONGEST_GAP: Final = 2048
# (input channels, output channels, residual blocks that follow). The first stage does not shrink the picture.
_STAGES: Final = ((32, 64, 3), (64, 128, 2), (128, 256, 2), (256, 256, 0))


class WeightsError(ValueError):
    """The file is not the network this module knows."""


def _packed(value: int) -> bytes:
    """Encode as dlib does a variable-length integer: a count of bytes, then the value in little-endian."""
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes([size]) + value.to_bytes(size, "little")


@dataclass(slots=True)
class _Weights:
    data: bytes
    offset: int = 0

    def take(self, *shape: int) -> Floats:
        """Return the next tensor, which has to have `shape` (padded with ones to four dimensions)."""
        dimensions = (*shape, 1, 1, 1)[:4]
        header = b"\x01\x02" + b"".join(_packed(n) for n in dimensions)
        found = self.data.find(header, self.offset, self.offset + _LONGEST_GAP)
        count = int(np.prod(dimensions))
        start = found + len(header)
        if found < 0 or start + 4 * count > len(self.data):
            raise WeightsError(f"No tensor of shape {dimensions} after byte {self.offset}.")
        self.offset = start + 4 * count
        return np.frombuffer(self.data, "<f4", count, start)


@dataclass(slots=True)
class _Graph:
    weights: _Weights
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, values: NDArray[np.generic]) -> str:
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        name = output or f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def convolution(self, x: str, shape: tuple[int, int, int], *, stride: int, padding: int) -> str:
        """Add a convolution of `shape` (channels in, channels out, side) with its affine layer folded in."""
        inputs, outputs, side = shape
        weights = inputs * outputs * side * side
        both = self.weights.take(weights + outputs)
        affine = self.weights.take(2 * outputs)
        gain, shift = affine[:outputs], affine[outputs:]
        kernels = both[:weights].reshape(outputs, inputs, side, side) * gain[:, None, None, None]
        bias = both[weights:] * gain + shift
        constants = [self.constant(kernels), self.constant(bias)]
        return self.node("Conv", [x, *constants], strides=[stride] * 2, pads=[padding] * 4)

    def block(self, x: str, channels: int) -> str:
        """Add a residual block that keeps the size."""
        inner = self.convolution(x, (channels, channels, 3), stride=1, padding=1)
        inner = self.convolution(self.node("Relu", [inner]), (channels, channels, 3), stride=1, padding=1)
        return self.node("Relu", [self.node("Add", [inner, x])])

    def shrink(self, x: str, inputs: int, outputs: int, side: int) -> tuple[str, int]:
        """Add a residual block that halves the `side`; zeros fill up the smaller of its two branches."""
        inner = self.convolution(x, (inputs, outputs, 3), stride=2, padding=0)
        inner = self.convolution(self.node("Relu", [inner]), (outputs, outputs, 3), stride=1, padding=1)
        skip = self.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
        convolved, pooled = (side - 3) // 2 + 1, (side - 2) // 2 + 1
        if outputs > inputs:
            skip = self._pad(skip, channels=outputs - inputs, side=0)
        if convolved < pooled:
            inner = self._pad(inner, channels=0, side=pooled - convolved)
        return self.node("Relu", [self.node("Add", [inner, skip])]), pooled

    def _pad(self, x: str, *, channels: int, side: int) -> str:
        ends = np.array([0, 0, 0, 0, 0, channels, side, side], np.int64)
        return self.node("Pad", [x, self.constant(ends)])


def convert(weights: bytes) -> bytes:
    """Return the ONNX model (opset 17) of dlib's face network.

    Its input `face` is float32 [n, 3, 150, 150]: RGB chips less the network's means, divided by 256. Its output
    `embedding` is float32 [n, 128]; two embeddings are compared by their Euclidean distance.

    Raises:
        WeightsError: `weights` is not that network.
    """
    graph = _Graph(_Weights(weights))
    x = graph.node("Relu", [graph.convolution("face", (3, 32, 7), stride=2, padding=0)])
    x = graph.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])
    for _ in range(3):
        x = graph.block(x, 32)
    side = ((CHIP - 7) // 2 + 1 - 3) // 2 + 1
    for inputs, outputs, blocks in _STAGES:
        x, side = graph.shrink(x, inputs, outputs, side)
        for _ in range(blocks):
            x = graph.block(x, outputs)
    x = graph.node("Flatten", [graph.node("GlobalAveragePool", [x])])
    last = graph.constant(graph.weights.take(256, DIMENSIONS).reshape(256, DIMENSIONS))
    graph.node("MatMul", [x, last], output="embedding")
    return _serialise(graph)


def _serialise(graph: _Graph) -> bytes:
    face = helper.make_tensor_value_info("face", TensorProto.FLOAT, ["n", 3, CHIP, CHIP])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIMENSIONS])
    body = helper.make_graph(graph.nodes, "dlib_face_recognition_resnet_v1", [face], [embedding], graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised
