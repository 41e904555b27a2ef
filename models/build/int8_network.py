"""A small fully connected network: trained with NumPy, written as an int8 LiteRT file.

The file takes and gives float32, with QUANTIZE and DEQUANTIZE inside, so that a caller needs to know no scales; all
between is int8. Weights have one scale a layer, which the oldest runtimes we support understand.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

Floats = npt.NDArray[np.float32]
_TYPES = {np.dtype(np.float32): schema.TensorType.FLOAT32, np.dtype(np.int8): schema.TensorType.INT8}


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Layers of weights [in, out] and biases [out]; ReLU between them, softmax after the last."""

    weights: list[Floats]
    biases: list[Floats]

    @classmethod
    def random(cls, sizes: Sequence[int], rng: np.random.Generator) -> Network:
        """Weights as K. He et al., "Delving deep into rectifiers", 2015, start them."""
        pairs = list(itertools.pairwise(sizes))
        weights = [rng.normal(0, (2 / n) ** 0.5, (n, m)).astype(np.float32) for n, m in pairs]
        return cls(weights, [np.zeros(m, np.float32) for _, m in pairs])

    def layers(self, inputs: Floats) -> list[Floats]:
        """The inputs and what each layer makes of them [n, width]; the last are logits."""
        seen = [inputs]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            value = seen[-1] @ weight + bias
            seen.append(np.maximum(value, 0) if number < len(self.weights) else value)
        return seen

    def probabilities(self, inputs: Floats) -> Floats:
        """Probabilities [n, classes]."""
        return softmax(self.layers(inputs)[-1])


def softmax(logits: Floats) -> Floats:
    """Rows of logits as probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


# --- training --------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Adam:
    """D. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015, with decoupled weight decay."""

    values: list[Floats]
    decay: float = 1e-4
    _step: int = 0
    _mean: list[Floats] = field(default_factory=list)
    _square: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._mean = [np.zeros_like(v) for v in self.values]
        self._square = [np.zeros_like(v) for v in self.values]

    def step(self, gradients: Sequence[Floats], rate: float) -> None:
        """Move the values, in place, against their gradients."""
        self._step += 1
        unbias = (1 - 0.999**self._step) ** 0.5 / (1 - 0.9**self._step)
        for i, gradient in enumerate(gradients):
            self._mean[i] += 0.1 * (gradient - self._mean[i])
            self._square[i] += 0.001 * (gradient * gradient - self._square[i])
            move = unbias * self._mean[i] / (np.sqrt(self._square[i]) + 1e-8)
            self.values[i] -= rate * (move + self.decay * self.values[i])


def train(
    network: Network,
    batches: Iterator[tuple[Floats, npt.NDArray[np.int64]]],
    *,
    steps: int,
    rate: float = 2e-3,
    smooth: float = 0.05,
    decay: float = 1e-4,
) -> None:
    """Fit ``network`` in place by cross-entropy with smoothed labels, the rate falling along a cosine to 0."""
    adam = Adam([*network.weights, *network.biases], decay=decay)
    for step, (inputs, labels) in enumerate(itertools.islice(batches, steps)):
        gradients = _gradients(network, inputs, labels, smooth)
        adam.step(gradients, rate * 0.5 * (1 + np.cos(np.pi * step / steps)))


def _gradients(network: Network, inputs: Floats, labels: npt.NDArray[np.int64], smooth: float) -> list[Floats]:
    seen = network.layers(inputs)
    wrong = softmax(seen[-1])
    classes = wrong.shape[1]
    wrong -= smooth / classes
    wrong[np.arange(len(labels)), labels] -= 1 - smooth
    wrong /= len(labels)
    weights, biases = [], []
    for weight, before in zip(reversed(network.weights), reversed(seen[:-1]), strict=True):
        weights.append(before.T @ wrong)
        biases.append(wrong.sum(axis=0))
        wrong = (wrong @ weight.T) * (before > 0)
    return [*reversed(weights), *reversed(biases)]


# --- writing ---------------------------------------------------------------------------


def to_litert(network: Network, examples: Floats) -> bytes:
    """The network as a LiteRT file, int8 by the ranges its layers take over ``examples`` [n, in]."""
    return _File().write(network, [_scale(values) for values in network.layers(examples)])


def _scale(values: Floats) -> tuple[float, int]:
    """Scale and zero point that cover all but the rarest of ``values`` and 0."""
    low, high = min(0.0, float(np.quantile(values, 1e-4))), max(0.0, float(np.quantile(values, 1 - 1e-4)))
    scale = (high - low) / 255
    return scale, round(-128 - low / scale)


class _File:
    """Builds one LiteRT model; tensors are known by their index."""

    def __init__(self) -> None:
        self._model = schema.ModelT()
        self._model.version, self._model.buffers = 3, [schema.BufferT()]
        self._model.description, self._model.operatorCodes = "sensorium", []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators, self._graph.name = [], [], "main"
        self._model.subgraphs = [self._graph]

    def write(self, network: Network, scales: Sequence[tuple[float, int]]) -> bytes:
        width = network.weights[0].shape[0]
        features = self._tensor("features", (1, width), schema.TensorType.FLOAT32)
        value = self._tensor("features_int8", (1, width), schema.TensorType.INT8, scales[0])
        self._operator(schema.BuiltinOperator.QUANTIZE, [features], value)
        for number, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True), start=1):
            last = number == len(network.weights)
            value = self._layer(
                f"layer_{number}", value, (weight, bias), (scales[number - 1], scales[number]), last=last
            )
        classes = network.weights[-1].shape[1]
        chances = self._tensor("probabilities_int8", (1, classes), schema.TensorType.INT8, (1 / 256, -128))
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        self._operator(schema.BuiltinOperator.SOFTMAX, [value], chances, schema.BuiltinOptions.SoftmaxOptions, options)
        result = self._tensor("probabilities", (1, classes), schema.TensorType.FLOAT32)
        self._operator(schema.BuiltinOperator.DEQUANTIZE, [chances], result)
        self._graph.inputs, self._graph.outputs = [features], [result]
        builder = flatbuffers.Builder(16_384)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _layer(
        self,
        name: str,
        source: int,
        numbers: tuple[Floats, Floats],
        scales: tuple[tuple[float, int], tuple[float, int]],
        *,
        last: bool,
    ) -> int:
        """Add ``source @ weight + bias`` and give the tensor of the result."""
        weight, bias = numbers
        step = float(np.abs(weight).max()) / 127
        rows = np.rint(weight.T / step).astype(np.int8)
        offsets = np.rint(bias / (step * scales[0][0])).astype("<i4")
        inputs = [
            source,
            self._tensor(f"{name}/weights", rows.shape, schema.TensorType.INT8, (step, 0), rows.tobytes()),
            self._tensor(
                f"{name}/bias", bias.shape, schema.TensorType.INT32, (step * scales[0][0], 0), offsets.tobytes()
            ),
        ]
        output = self._tensor(name, (1, len(bias)), schema.TensorType.INT8, scales[1])
        options = schema.FullyConnectedOptionsT()
        if not last:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        kind = schema.BuiltinOptions.FullyConnectedOptions
        self._operator(schema.BuiltinOperator.FULLY_CONNECTED, inputs, output, kind, options)
        return output

    def _tensor(
        self, name: str, shape: Sequence[int], kind: int, scale: tuple[float, int] | None = None, data: bytes = b""
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, 0
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale[0]], [scale[1]]
        if data:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8)
            tensor.buffer = len(self._model.buffers)
            self._model.buffers.append(buffer)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _operator(self, code: int, inputs: list[int], output: int, kind: int = 0, options: Any = None) -> None:
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(code)
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self._graph.operators.append(operator)

    def _code(self, code: int) -> int:
        known = [c.builtinCode for c in self._model.operatorCodes]
        if code not in known:
            entry = schema.OperatorCodeT()
            entry.builtinCode = entry.deprecatedBuiltinCode = code
            entry.version = 1
            self._model.operatorCodes.append(entry)
            known.append(code)
        return known.index(code)
