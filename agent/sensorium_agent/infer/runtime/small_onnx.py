"""Runs small ONNX networks with NumPy alone: a device that has no other would spend 30 MB of memory on their runtime.

`read` takes a file of up to `MOST_BYTES` that has only the operators below (what a network of dense layers and
attention needs); whatever else is for ONNX Runtime. The answers are those of ONNX Runtime but for rounding. What a
field of the file means: onnx/onnx.proto of github.com/onnx/onnx; how it is written: protobuf's encoding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Attributes = Mapping[str, Any]
Operator = Callable[[Attributes, Sequence[Array]], Array]

MOST_BYTES: Final = 262_144


class NotSmallError(Exception):
    """The file needs a real runtime, or is none of ONNX."""


@dataclass(frozen=True, slots=True)
class Signature:
    """An input or output; -1 is a dimension that varies."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Node:
    operator: Operator
    inputs: tuple[str, ...]
    output: str
    attributes: Attributes


@dataclass(frozen=True, slots=True, eq=False)
class SmallNetwork:
    """A network out of a file."""

    inputs: tuple[Signature, ...]
    outputs: tuple[Signature, ...]
    _constants: Mapping[str, Array] = field(repr=False)
    _nodes: tuple[_Node, ...] = field(repr=False)

    def run(self, *inputs: Array) -> list[Array]:
        """One inference.

        Raises:
            ValueError: the inputs do not fit.
        """
        known = dict(self._constants)
        for signature, value in zip(self.inputs, inputs, strict=True):
            known[signature.name] = _fitting(signature, value)
        for node in self._nodes:
            known[node.output] = node.operator(node.attributes, [known[name] for name in node.inputs])
        return [known[signature.name] for signature in self.outputs]


def read(path: Path) -> SmallNetwork:
    """The network in ``path``.

    Raises:
        NotSmallError: it is too large, has another operator, or cannot be read.
    """
    if path.stat().st_size > MOST_BYTES:
        raise NotSmallError(f"{path.name} has more than {MOST_BYTES} bytes")
    try:
        graph = _only(_fields(path.read_bytes())[_GRAPH])
        return _network(_fields(graph))
    except (KeyError, ValueError, IndexError, TypeError, UnicodeDecodeError) as error:
        raise NotSmallError(f"{path.name} is no ONNX file that can be read here: {error!r}") from error


def fits(path: Path) -> bool:
    """Whether `read` takes the file."""
    try:
        read(path)
    except (NotSmallError, OSError):
        return False
    return True


def _fitting(signature: Signature, value: Array) -> Array:
    same = len(value.shape) == len(signature.shape) and all(
        wanted in (-1, given) for wanted, given in zip(signature.shape, value.shape, strict=True)
    )
    if not same or value.dtype != signature.dtype:
        wanted = f"{signature.dtype} {list(signature.shape)}"
        raise ValueError(f"{signature.name}: wanted {wanted}, got {value.dtype} {list(value.shape)}")
    return value


# --- operators -------------------------------------------------------------------------


def _gemm(attributes: Attributes, given: Sequence[Array]) -> Array:
    a, b, *bias = given
    a = a.T if attributes.get("transA") else a
    b = b.T if attributes.get("transB") else b
    product = np.float32(attributes.get("alpha", 1.0)) * (a @ b)
    return product + np.float32(attributes.get("beta", 1.0)) * bias[0] if bias else product


def _softmax(attributes: Attributes, given: Sequence[Array]) -> Array:
    (values,) = given
    axis = int(attributes.get("axis", -1))
    raised = np.exp(values - values.max(axis=axis, keepdims=True))
    divided: Array = raised / raised.sum(axis=axis, keepdims=True)
    return divided


def _sum(attributes: Attributes, given: Sequence[Array]) -> Array:
    axes = tuple(given[1].tolist())
    total: Array = given[0].sum(axis=axes, keepdims=bool(attributes.get("keepdims", 1)))
    return total


_DTYPES: Final = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 11: "float64"}
_OPERATORS: Final[Mapping[str, Operator]] = {
    "Add": lambda _, given: given[0] + given[1],
    "Sub": lambda _, given: given[0] - given[1],
    "Mul": lambda _, given: given[0] * given[1],
    "Div": lambda _, given: given[0] / given[1],
    "Greater": lambda _, given: given[0] > given[1],
    "MatMul": lambda _, given: given[0] @ given[1],
    "Relu": lambda _, given: np.maximum(given[0], 0),
    "Unsqueeze": lambda _, given: np.expand_dims(given[0], tuple(given[1].tolist())),
    "Squeeze": lambda _, given: np.squeeze(given[0], tuple(given[1].tolist())),
    "Transpose": lambda attributes, given: given[0].transpose(attributes["perm"]),
    "Cast": lambda attributes, given: given[0].astype(_DTYPES[attributes["to"]]),
    "Gemm": _gemm,
    "Softmax": _softmax,
    "ReduceSum": _sum,
}


# --- the file --------------------------------------------------------------------------

_GRAPH: Final = 7  # of a model
_NODE, _CONSTANT, _INPUT, _OUTPUT = 1, 5, 11, 12  # of a graph
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
Fields = dict[int, list[Any]]


def _network(graph: Fields) -> SmallNetwork:
    constants = dict(_constant(_fields(tensor)) for tensor in graph.get(_CONSTANT, []))
    nodes = tuple(_node(_fields(node)) for node in graph[_NODE])
    inputs, outputs = (tuple(_signature(_fields(value)) for value in graph[side]) for side in (_INPUT, _OUTPUT))
    known = {*constants, *(signature.name for signature in inputs)}
    for node in nodes:
        if not known.issuperset(node.inputs):
            raise ValueError(f"{node.output} needs what is not there")
        known.add(node.output)
    if not known.issuperset(signature.name for signature in outputs):
        raise ValueError("an output is not computed")
    return SmallNetwork(inputs, outputs, constants, nodes)


def _node(fields: Fields) -> _Node:
    """A NodeProto: input 1, output 2, op_type 4, attribute 5."""
    kind = _only(fields[4]).decode()
    if kind not in _OPERATORS or len(fields[2]) != 1:
        raise NotSmallError(f"the operator {kind} is not known here")
    attributes = dict(_attribute(_fields(given)) for given in fields.get(5, []))
    return _Node(_OPERATORS[kind], tuple(name.decode() for name in fields[1]), fields[2][0].decode(), attributes)


def _attribute(fields: Fields) -> tuple[str, Any]:
    """An AttributeProto: name 1, f 2, i 3, ints 8."""
    name = _only(fields[1]).decode()
    if 2 in fields:
        return name, float(np.frombuffer(_only(fields[2]), "<f4")[0])
    return name, _signed(_only(fields[3])) if 3 in fields else [_signed(value) for value in _numbers(fields.get(8, []))]


def _constant(fields: Fields) -> tuple[str, Array]:
    """A TensorProto: dims 1, data_type 2, name 8, raw_data 9."""
    shape = _numbers(fields.get(1, []))
    dtype = np.dtype(_DTYPES[_only(fields[2])]).newbyteorder("<")
    values = np.frombuffer(_only(fields[9]) if math.prod(shape) else b"", dtype)
    return _only(fields[8]).decode(), values.reshape(shape).astype(dtype.newbyteorder("="))


def _signature(fields: Fields) -> Signature:
    """A ValueInfoProto: name 1, type 2, in it tensor_type 1: elem_type 1, shape 2: dim 1: dim_value 1."""
    tensor = _fields(_only(_fields(_only(fields[2]))[1]))
    sides = _fields(_only(tensor[2])).get(1, []) if 2 in tensor else []
    shape = tuple(int(_fields(side).get(1, [-1])[0]) for side in sides)
    return Signature(_only(fields[1]).decode(), _DTYPES[_only(tensor[1])], shape)


def _fields(data: bytes) -> Fields:
    """A message's fields by number, each with its values in order."""
    found: Fields = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        value, at = _value(data, at, key & 7)
        found.setdefault(key >> 3, []).append(value)
    return found


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind == _VARINT:
        return _varint(data, at)
    if kind == _BYTES:
        length, at = _varint(data, at)
    else:
        length = {_FIXED_64: 8, _FIXED_32: 4}[kind]
    if at + length > len(data):
        raise ValueError("it ends too early")
    return data[at : at + length], at + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _numbers(values: Sequence[Any]) -> list[int]:
    """Repeated integers, packed or not."""
    return list(_unpacked(values))


def _unpacked(values: Sequence[Any]) -> Iterator[int]:
    for value in values:
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            yield number


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _only(values: Sequence[Any]) -> Any:
    (value,) = values
    return value
