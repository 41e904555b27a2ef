"""EfficientNet-Lite0 from its PyTorch checkpoint to an ONNX graph that embeds frames.

Batch norms are folded into the convolutions and the last layer is left out. Nothing is measured on the
way, so the same checkpoint gives the same bytes on every machine. The weights stay float32: a server has
the memory, and nothing depends on what the CPU's integer instructions do with a sum too large for them.

Source of the architecture: Tan and Le, EfficientNet, 2019 (arXiv:1905.11946), table 1, in the Lite
variant: no squeeze-and-excitation, ReLU6 for swish, stem and head not scaled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from sensorium_models.checkpoint import Tensors, read_checkpoint

Floats = npt.NDArray[np.float32]

SIDE_PX = 224
SIZE = 1280

_STEM_OUTPUTS = 32
# (stride, expansion, outputs, repeats) of each stage; kernels are as wide as the checkpoint's weights.
_STAGES = (
    (1, 1, 16, 1),
    (2, 6, 24, 2),
    (2, 6, 40, 2),
    (2, 6, 80, 3),
    (1, 6, 112, 3),
    (2, 6, 192, 4),
    (1, 6, 320, 1),
)
_NORM_EPSILON = 1e-3
# Bytes must not depend on the installed onnx.
_IR_VERSION, _OPSET = 8, 13


def frame_embedding(raw: Path, out: Path) -> None:
    """Write the model made of the checkpoint ``raw``: pixels [N, 3, 224, 224] to embedding [N, 1280].

    Pixels are float32 RGB from 0 to 1; the embedding is float32, the mean over the last feature map,
    each value from 0 to 6.

    Raises:
        CheckpointError: ``raw`` is no checkpoint.
    """
    graph = _Graph(read_checkpoint(raw))
    x = graph.relu6_conv(graph.pixels(), "_conv_stem", "_bn0", stride=2)
    for index, block in enumerate(_blocks()):
        x = _add_block(graph, x, f"_blocks.{index}", block)
    graph.pool(graph.relu6_conv(x, "_conv_head", "_bn1"))
    out.write_bytes(graph.model().SerializeToString(deterministic=True))


@dataclass(frozen=True, slots=True)
class _Block:
    stride: int
    expands: bool
    has_shortcut: bool


def _blocks() -> Iterator[_Block]:
    inputs = _STEM_OUTPUTS
    for stride, expansion, outputs, repeats in _STAGES:
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            yield _Block(step, expansion > 1, step == 1 and inputs == outputs)
            inputs = outputs


def _add_block(graph: _Graph, x: str, name: str, block: _Block) -> str:
    """An inverted residual: widen, filter each channel, narrow, add what came in."""
    wide = graph.relu6_conv(x, f"{name}._expand_conv", f"{name}._bn0") if block.expands else x
    filtered = graph.relu6_conv(wide, f"{name}._depthwise_conv", f"{name}._bn1", stride=block.stride)
    narrow = graph.conv(filtered, f"{name}._project_conv", f"{name}._bn2")
    return graph.node("Add", [narrow, x], f"{name}.sum") if block.has_shortcut else narrow


def _fold(tensors: Tensors, conv: str, norm: str) -> tuple[Floats, Floats]:
    """Weight and bias of a convolution with its batch norm multiplied in."""
    weight = tensors[f"{conv}.weight"].astype(np.float64)
    gain, shift, mean, variance = (
        tensors[f"{norm}.{name}"].astype(np.float64) for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / np.sqrt(variance + _NORM_EPSILON)
    return (weight * scale[:, None, None, None]).astype(np.float32), (shift - mean * scale).astype(np.float32)


def _same_padding(kernel: int, stride: int, side_px: int) -> list[int]:
    """TensorFlow's SAME, top, left, bottom, right: an odd pixel goes to the bottom and the right."""
    total = max((-(-side_px // stride) - 1) * stride + kernel - side_px, 0)
    return [total // 2, total // 2, total - total // 2, total - total // 2]


@dataclass(slots=True)
class _Graph:
    """Nodes and constants in the order of the data; every activation is known by its name."""

    tensors: Tensors
    nodes: list[Any] = dataclasses.field(default_factory=list)
    constants: list[Any] = dataclasses.field(default_factory=list)
    side_px: int = SIDE_PX

    def pixels(self) -> str:
        """Pixels as the network was trained on: (byte - 127) / 128."""
        scaled = self.node("Mul", ["pixels", self._constant("gain", np.float32(255 / 128))], "pixels.scaled")
        return self.node("Sub", [scaled, self._constant("shift", np.float32(127 / 128))], "pixels.centred")

    def relu6_conv(self, x: str, conv: str, norm: str, *, stride: int = 1) -> str:
        """Convolution, batch norm, ReLU6."""
        limits = [self._constant(f"{conv}.{end}", np.float32(end)) for end in (0, 6)]
        return self.node("Clip", [self.conv(x, conv, norm, stride=stride), *limits], f"{conv}.relu6")

    def conv(self, x: str, conv: str, norm: str, *, stride: int = 1) -> str:
        """Convolution and batch norm, the picture's side divided by the stride."""
        weight, bias = _fold(self.tensors, conv, norm)
        kernel = weight.shape[2]
        pads = _same_padding(kernel, stride, self.side_px)
        self.side_px = -(-self.side_px // stride)
        return self.node(
            "Conv",
            [x, self._constant(f"{conv}.weight", weight), self._constant(f"{conv}.bias", bias)],
            conv,
            group=weight.shape[0] if conv.endswith("_depthwise_conv") else 1,
            kernel_shape=[kernel, kernel],
            pads=pads,
            strides=[stride, stride],
        )

    def pool(self, x: str) -> None:
        """The mean over the picture: what the model gives."""
        self.node("Flatten", [self.node("GlobalAveragePool", [x], "pooled")], "embedding")

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One operation; gives the name of its output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def model(self) -> Any:
        """Everything so far as a checked ONNX model."""
        pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, SIDE_PX, SIDE_PX])
        embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", SIZE])
        graph = helper.make_graph(self.nodes, "frame_embedding", [pixels], [embedding], self.constants)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, producer_name="sensorium", ir_version=_IR_VERSION, opset_imports=[opset])
        onnx.checker.check_model(model)
        return model

    def _constant(self, name: str, value: Floats | np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name
