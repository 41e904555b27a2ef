"""ONNX Runtime, and OpenVINO where it is faster, behind one call: the only module of the cloud that knows them."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError

Array = npt.NDArray[Any]


class ModelError(SensoriumError):
    """A model file cannot be run, or is not the model it is taken for."""


class Provider(StrEnum):
    """What runs a net."""

    CPU = "cpu"
    """ONNX Runtime, binary32."""
    CUDA = "cuda"
    """ONNX Runtime on an NVIDIA card."""
    OPENVINO = "openvino"
    """OpenVINO, binary32."""
    OPENVINO_BF16 = "openvino-bf16"
    """OpenVINO in bfloat16, where the processor multiplies such matrices itself (AMX)."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a net is prepared for by a runtime that has to know its sizes beforehand.

    Attributes:
        each: sizes of the first two axes, ascending: rows, none of which depends on another, and their length, or what
            else the second axis counts. Fewer rows are filled up with zeros, more are run in parts.
        filled: whether shorter rows are filled up with zeros; the net has to know by a mask what counts.
    """

    each: tuple[tuple[int, int], ...]
    filled: bool = False

    def room(self, rows: int, length: int) -> tuple[int, int]:
        """The size that ``rows`` rows go into; the largest of their length where they are more than that."""
        lengths = {own for _, own in self.each if own == length or (self.filled and own > length)}
        assert lengths, f"prepared for {self.each}, not for rows of {length}"
        fitting = [(count, own) for count, own in self.each if own == min(lengths)]
        return next((size for size in fitting if size[0] >= rows), fitting[-1])


class Net:
    """A loaded ``.onnx`` model.

    Args:
        path: the file.
        threads: for one run.
        provider: what runs it. OpenVINO runs fixed sizes only; a net without any is left to ONNX Runtime.
        sizes: those it may be prepared for.

    Attributes:
        inputs: names of its inputs, in order.
        sizes: what it was prepared for; None if it takes any.

    Raises:
        ModelError: the file cannot be loaded.
    """

    def __init__(
        self, path: Path, *, threads: int = 1, provider: Provider = Provider.CPU, sizes: Sizes | None = None
    ) -> None:
        try:
            self._run: _Run
            self.sizes = sizes if provider in (Provider.OPENVINO, Provider.OPENVINO_BF16) else None
            if self.sizes:
                fixed = _Fixed(path, threads, provider, self.sizes)
                self.inputs, self._run, self._prepare = fixed.inputs, fixed.run, fixed.prepare
            else:
                self.inputs, self._run = _onnxruntime(path, threads, provider)
                self._prepare = _nothing
        except Exception as error:  # the runtimes' own errors share no narrower base
            way_out = "run: sensorium-cloud models fetch"
            raise ModelError(f"{path}: not a model ({_first_line(error)}); {way_out}") from error

    def prepare(self) -> None:
        """Get everything ready that would otherwise be made when it is first needed."""
        self._prepare()

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Its outputs, in order, for ``inputs`` by name; several threads may call it."""
        return [np.asarray(output) for output in self._run(dict(inputs))]


def _first_line(error: Exception) -> str:
    """What is wrong; OpenVINO begins with where it noticed."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Exception from ")]
    return lines[0] if lines else type(error).__name__


_Run = Callable[[dict[str, Array]], Iterable[Any]]


def _nothing() -> None:
    """ONNX Runtime is ready for any size as soon as it has loaded a net."""


_SLOWER_FUSED: Final = ["SkipLayerNormFusion"]
"""A fused kernel, slower than the nodes it stands for: by a tenth in the fusion network, a fifteenth in sentences."""


def _onnxruntime(path: Path, threads: int, provider: Provider) -> tuple[list[str], _Run]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads burn most of a core and gain nothing at these sizes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    wanted = ["CUDAExecutionProvider"] if provider is Provider.CUDA else []
    session = ort.InferenceSession(
        str(path), options, providers=[*wanted, "CPUExecutionProvider"], disabled_optimizers=_SLOWER_FUSED
    )
    return [i.name for i in session.get_inputs()], lambda inputs: session.run(None, inputs)


# --- at fixed sizes --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A net at one size: where its inputs go and its outputs appear, and what runs it."""

    inputs: Mapping[str, Array]
    outputs: list[Array]
    infer: Callable[[], object]


class _Fixed:
    """A net as OpenVINO runs it, compiled for each of some sizes: with free ones it prepares anew for each batch."""

    def __init__(self, path: Path, threads: int, provider: Provider, sizes: Sizes) -> None:
        import openvino

        self._core = openvino.Core()
        self._model = self._core.read_model(str(path))
        self._config = {
            "INFERENCE_PRECISION_HINT": "bf16" if provider is Provider.OPENVINO_BF16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Every worker of a machine would be pinned to the same processors.
            "ENABLE_CPU_PINNING": False,
            # It would take the activations of nets with small weights for integers.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
        self._sizes = sizes
        shapes = [out.partial_shape for out in self._model.outputs]
        self._lengthened = [len(shape) > 1 and shape[1].is_dynamic for shape in shapes]
        self._prepared: dict[tuple[int, int], _Prepared] = {}
        self._lock = threading.Lock()
        self.inputs = [i.get_any_name() for i in self._model.inputs]

    def prepare(self) -> None:
        """Compile it for all of its sizes."""
        with self._lock:
            for size in self._sizes.each:
                self._at(size)

    def run(self, inputs: dict[str, Array]) -> list[Array]:
        """The outputs, of as many rows as ``inputs`` have."""
        rows, length = next(iter(inputs.values())).shape[:2]
        most, _ = self._sizes.room(rows, length)
        parts = [self._part({name: x[at : at + most] for name, x in inputs.items()}) for at in range(0, rows, most)]
        return parts[0] if len(parts) == 1 else [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _part(self, inputs: dict[str, Array]) -> list[Array]:
        rows, length = next(iter(inputs.values())).shape[:2]
        with self._lock:
            prepared = self._at(self._sizes.room(rows, length))
            for name, given in inputs.items():
                place = prepared.inputs[name]
                if place.shape != given.shape:
                    place.fill(0)
                place[tuple(map(slice, given.shape))] = given
            prepared.infer()
            return [
                (output[:rows, :length] if lengthened else output[:rows]).copy()
                for output, lengthened in zip(prepared.outputs, self._lengthened, strict=True)
            ]

    def _at(self, size: tuple[int, int]) -> _Prepared:
        if size not in self._prepared:
            self._prepared[size] = self._compiled(*size)
        return self._prepared[size]

    def _compiled(self, rows: int, length: int) -> _Prepared:
        model = self._model.clone()
        model.reshape({i.get_any_name(): self._shape(i.partial_shape, rows, length) for i in model.inputs})
        request = self._core.compile_model(model, "CPU", self._config).create_infer_request()
        inputs = {name: request.get_tensor(name).data for name in self.inputs}
        outputs = [request.get_output_tensor(number).data for number in range(len(model.outputs))]
        return _Prepared(inputs, outputs, request.infer)

    def _shape(self, free: Any, rows: int, length: int) -> list[int]:
        wanted = (rows, length)
        return [wanted[axis] if size.is_dynamic else size.get_length() for axis, size in enumerate(free)]


# --- which there are -------------------------------------------------------------------

NEEDS: Final = {
    Provider.CUDA: "an NVIDIA card, and onnxruntime-gpu in place of onnxruntime",
    Provider.OPENVINO: 'pip install "sensorium[openvino]"',
    Provider.OPENVINO_BF16: 'a processor with AMX, and pip install "sensorium[openvino]"',
}
"""What is missing where a provider is not there."""


def available() -> list[Provider]:
    """What this machine could run, the plain one first."""
    import onnxruntime as ort

    found = [Provider.CPU]
    if "CUDAExecutionProvider" in ort.get_available_providers():
        found.append(Provider.CUDA)
    if importlib.util.find_spec("openvino"):
        found.append(Provider.OPENVINO)
        if multiplies_bfloat16():
            found.append(Provider.OPENVINO_BF16)
    return found


def multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor has instructions for products of matrices of bfloat16 (AMX)."""
    try:
        return "amx_bf16" in cpuinfo.read_text()
    except OSError:  # no Linux
        return False
