"""Voice activity for LiteRT: the published ONNX network, operator by operator, with the same weights.

It would be the only model of a device that needs ONNX Runtime, which takes 36 MB of memory and 50 MB of disk; the
hand models have brought LiteRT along already.

The network (Silero VAD 6, 16 kHz): a short-time spectrum by two convolutions, four more, an LSTM cell, one neuron.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError
from sensorium_models.litert_graph import Graph

Weights = dict[str, npt.NDArray[np.float32]]

_SAMPLES = 576
_MIRRORED = 64
_WINDOW, _STEP = 256, 128
_BINS = _WINDOW // 2 + 1
_CELLS = 128
_LAYERS = ((128, 1), (64, 2), (64, 2), (128, 1))
"""Channels and stride of the four convolutions."""


class NotSilero(SensoriumError):
    """The source is another network."""


def voice_activity(raw: Path, out: Path) -> None:
    """Write the network [1, 576], state [2, 1, 128], rate -> probability [1, 1], state [2, 1, 128].

    Raises:
        NotSilero: ``raw`` has other weights than those this was written for.
    """
    weights, graph = _weights(raw), Graph()
    sound = graph.input("input", (1, _SAMPLES))
    state = graph.input("state", (2, 1, _CELLS))
    graph.input("sr", (), "int64")  # the network for 16 kHz asks for its rate, and does not use it
    try:
        spectrum = _spectrum(graph, sound, weights["model.stft.forward_basis_buffer"])
        seen = _convolutions(graph, spectrum, weights)
        hidden, cell = _lstm(graph, seen, state, weights)
        probability = _probability(graph, hidden, weights)
    except (KeyError, ValueError) as error:
        raise NotSilero(f"{raw}: not the network that was expected ({error})") from error
    out.write_bytes(graph.write([probability, _stacked(graph, hidden, cell)]))


def _weights(raw: Path) -> Weights:
    import onnx
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(raw)).graph.initializer}


def _spectrum(graph: Graph, sound: int, basis: npt.NDArray[np.float32]) -> int:
    """Magnitudes [1, 1, 4, 129]: the end is mirrored, then each window meets cosines and sines."""
    length = _SAMPLES + _MIRRORED
    frames = (length - _WINDOW) // _STEP + 1
    padding = graph.constant(np.array([[0, 0], [0, _MIRRORED]], np.int32))
    (padded,) = graph.add("MIRROR_PAD", [sound, padding], (1, length), kind="MirrorPadOptions", mode=0)
    (row,) = graph.add("RESHAPE", [padded, _shape(graph, 1, 1, length, 1)], (1, 1, length, 1))
    squares = []
    for part in np.split(basis.reshape(2 * _BINS, 1, _WINDOW, 1), 2):
        zeros = graph.constant(np.zeros(_BINS, np.float32))
        shape = (1, 1, frames, _BINS)
        (wave,) = graph.add("CONV_2D", [row, graph.constant(part), zeros], shape, **_convolution(_STEP))
        squares += graph.add("MUL", [wave, wave], shape, kind="MulOptions")
    (power,) = graph.add("ADD", squares, (1, 1, frames, _BINS), kind="AddOptions")
    return graph.add("SQRT", [power], (1, 1, frames, _BINS))[0]


def _convolutions(graph: Graph, value: int, weights: Weights) -> int:
    """The four layers over time; what is left [1, 128]."""
    width, before = 4, _BINS
    for number, (channels, stride) in enumerate(_LAYERS):
        kernel = weights[f"model.encoder.{number}.reparam_conv.weight"]  # [out, in, 3]
        bias = graph.constant(weights[f"model.encoder.{number}.reparam_conv.bias"])
        filters = graph.constant(kernel.transpose(0, 2, 1).reshape(channels, 1, 3, before))
        edges = graph.constant(np.array([[0, 0], [0, 0], [1, 1], [0, 0]], np.int32))
        (padded,) = graph.add("PAD", [value, edges], (1, 1, width + 2, before), kind="PadOptions")
        width, before = (width - 1) // stride + 1, channels
        shape = (1, 1, width, channels)
        (value,) = graph.add("CONV_2D", [padded, filters, bias], shape, **_convolution(stride, relu=True))
    return graph.add("RESHAPE", [value, _shape(graph, 1, before)], (1, before))[0]


def _lstm(graph: Graph, seen: int, state: int, weights: Weights) -> tuple[int, int]:
    """Hidden state and cell [1, 128] after ``seen``; gates in the order input, forget, cell, output."""
    halves = _split(graph, state, axis=0, count=2, shape=(1, 1, _CELLS))
    hidden, cell = (graph.add("RESHAPE", [half, _shape(graph, 1, _CELLS)], (1, _CELLS))[0] for half in halves)
    sums = [
        _dense(graph, value, weights[f"model.decoder.rnn.weight_{way}"], weights[f"model.decoder.rnn.bias_{way}"])
        for way, value in (("ih", seen), ("hh", hidden))
    ]
    (gates,) = graph.add("ADD", sums, (1, 4 * _CELLS), kind="AddOptions")
    let_in, keep, new, give = _split(graph, gates, axis=1, count=4, shape=(1, _CELLS))
    let_in, keep, give = (_unary(graph, "LOGISTIC", gate) for gate in (let_in, keep, give))
    kept = _product(graph, keep, cell)
    added = _product(graph, let_in, _unary(graph, "TANH", new))
    (cell,) = graph.add("ADD", [kept, added], (1, _CELLS), kind="AddOptions")
    return _product(graph, give, _unary(graph, "TANH", cell)), cell


def _probability(graph: Graph, hidden: int, weights: Weights) -> int:
    neuron = weights["model.decoder.decoder.2.weight"].reshape(1, _CELLS)
    logit = _dense(graph, _unary(graph, "RELU", hidden), neuron, weights["model.decoder.decoder.2.bias"])
    return graph.add("LOGISTIC", [logit], (1, 1))[0]


def _stacked(graph: Graph, hidden: int, cell: int) -> int:
    shape = (1, 1, _CELLS)
    parts = [graph.add("RESHAPE", [value, _shape(graph, *shape)], shape)[0] for value in (hidden, cell)]
    return graph.add("CONCATENATION", parts, (2, 1, _CELLS), kind="ConcatenationOptions", axis=0)[0]


def _dense(graph: Graph, value: int, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> int:
    tensors = [value, graph.constant(weight), graph.constant(bias)]
    return graph.add("FULLY_CONNECTED", tensors, (1, len(bias)), kind="FullyConnectedOptions")[0]


def _split(graph: Graph, value: int, *, axis: int, count: int, shape: tuple[int, ...]) -> list[int]:
    tensors = [graph.constant(np.array(axis, np.int32)), value]
    return graph.add("SPLIT", tensors, *([shape] * count), kind="SplitOptions", numSplits=count)


def _unary(graph: Graph, operator: str, value: int) -> int:
    return graph.add(operator, [value], (1, _CELLS))[0]


def _product(graph: Graph, one: int, other: int) -> int:
    return graph.add("MUL", [one, other], (1, _CELLS), kind="MulOptions")[0]


def _shape(graph: Graph, *dimensions: int) -> int:
    return graph.constant(np.array(dimensions, np.int32))


def _convolution(stride: int, *, relu: bool = False) -> dict[str, Any]:
    """Options of CONV_2D over one row; 1 is VALID, and the activation RELU."""
    options = {"padding": 1, "strideW": stride, "strideH": 1, "fusedActivationFunction": int(relu)}
    return {"kind": "Conv2DOptions", **options}
