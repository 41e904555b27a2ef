"""Reads the tensors of a PyTorch checkpoint with nothing but numpy.

A checkpoint is a pickle, and an ordinary unpickler would run whatever it names. This one knows the four
names a dictionary of tensors needs and refuses every other.

Source of the layout: ``_legacy_load`` in ``torch/serialization.py`` (files from before PyTorch 1.6 are no
zip archives): magic number, protocol, platform, the dictionary with its storages by key, the keys in the
order of the data, then for each storage its length in elements as int64 and its bytes.
"""

from __future__ import annotations

import collections
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError

Tensors = dict[str, npt.NDArray[Any]]

_MAGIC = 0x1950A86A20F9469CFC6C


class CheckpointError(SensoriumError):
    """Not a checkpoint this reader understands."""


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor before its bytes are known: shape and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def over(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        strides = [step * data.itemsize for step in self.strides]
        view = np.lib.stride_tricks.as_strided(data[self.offset :], self.shape, strides)
        return np.ascontiguousarray(view)


def _view(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _View:
    return _View(storage, offset, shape, strides)


class _Unpickler(pickle.Unpickler):
    """Knows a dictionary of float and integer tensors, and nothing else."""

    _known: dict[tuple[str, str], object] = {  # noqa: RUF012 - read only
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _view,
        ("torch", "FloatStorage"): np.dtype("<f4"),
        ("torch", "LongStorage"): np.dtype("<i8"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._known:
            raise CheckpointError(f"the checkpoint asks for {module}.{name}, which no weights need")
        return self._known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        _kind, dtype, key, *_rest = pid
        return _Storage(key, dtype)


def read_checkpoint(path: Path) -> Tensors:
    """The tensors of a legacy checkpoint by name, each contiguous.

    Raises:
        CheckpointError: it is no such file, or names code to run.
    """
    file = io.BytesIO(path.read_bytes())
    load: Callable[[], Any] = lambda: _Unpickler(file).load()  # noqa: E731 - one pickle after the other
    try:
        if load() != _MAGIC:
            raise CheckpointError(f"{path}: not a legacy PyTorch checkpoint")
        _protocol, _platform, views, keys = load(), load(), load(), load()
    except (pickle.UnpicklingError, EOFError, ValueError) as error:
        raise CheckpointError(f"{path}: not a legacy PyTorch checkpoint ({error})") from error
    dtypes = {view.storage.key: view.storage.dtype for view in views.values()}
    data = {key: _read_storage(file, dtypes[key]) for key in keys}
    return {name: view.over(data[view.storage.key]) for name, view in views.items()}


def _read_storage(file: io.BytesIO, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    length = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(length * dtype.itemsize), dtype)
