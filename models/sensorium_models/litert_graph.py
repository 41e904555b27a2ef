"""Writes a LiteRT file operator by operator, from NumPy weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Graph:
    """A network of one subgraph; tensors are known by their index, and their shapes are fixed."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema: Any = schema
        self._model = schema.ModelT()
        self._model.version, self._model.buffers = 3, [schema.BufferT()]
        self._model.description, self._model.operatorCodes = "sensorium", []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators, self._graph.name = [], [], "main"
        self._graph.inputs, self._graph.outputs = [], []
        self._model.subgraphs = [self._graph]

    def input(self, name: str, shape: Sequence[int], dtype: str = "float32") -> int:
        """A tensor the caller gives."""
        index = self._tensor(name, shape, dtype)
        self._graph.inputs.append(index)
        return index

    def constant(self, values: Array) -> int:
        """A tensor that is always the same."""
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        number = len(self._model.buffers) - 1
        return self._tensor(f"constant_{number}", values.shape, values.dtype.name, number)

    def add(self, operator: str, inputs: Sequence[int], *shapes: Sequence[int], **options: Any) -> list[int]:
        """Apply an operator, by its name in LiteRT's schema; gives a tensor of each of the ``shapes``.

        ``options`` are the fields of the operator's options, as the schema spells them.
        """
        code = getattr(self._schema.BuiltinOperator, operator)
        number = len(self._graph.operators)
        outputs = [self._tensor(f"{operator.lower()}_{number}_{i}", shape) for i, shape in enumerate(shapes)]
        made = self._schema.OperatorT()
        made.opcodeIndex = self._code(code)
        made.inputs, made.outputs = list(inputs), outputs
        if options:
            kind = options.pop("kind")
            made.builtinOptionsType = getattr(self._schema.BuiltinOptions, kind)
            made.builtinOptions = getattr(self._schema, f"{kind}T")()
            for field, value in options.items():
                setattr(made.builtinOptions, field, value)
        self._graph.operators.append(made)
        return outputs

    def write(self, outputs: Sequence[int]) -> bytes:
        """The file, which gives these tensors."""
        import flatbuffers

        self._graph.outputs = list(outputs)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _tensor(self, name: str, shape: Sequence[int], dtype: str = "float32", buffer: int = 0) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
        tensor.type = getattr(self._schema.TensorType, dtype.upper())
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _code(self, code: int) -> int:
        known = [c.builtinCode for c in self._model.operatorCodes]
        if code not in known:
            entry = self._schema.OperatorCodeT()
            entry.builtinCode = entry.deprecatedBuiltinCode = code
            entry.version = 1
            self._model.operatorCodes.append(entry)
            known.append(code)
        return known.index(code)
