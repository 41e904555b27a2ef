"""One call for every local model, whatever runs it.

`load` takes the verified path of a ``.tflite`` or ``.onnx`` file; runtimes are imported only when a
file of their kind is loaded, LiteRT first, tflite-runtime where only that exists; small ONNX networks need none
(`small_onnx`). What should run on an accelerator and cannot runs on the processor, and one line says so.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError
from sensorium_agent import chatter
from sensorium_agent.infer.runtime import small_onnx
from sensorium_agent.infer.runtime.accelerate import CPU, PROVIDERS, Accelerator

Array = npt.NDArray[Any]

log = logging.getLogger(__name__)

_CHATTER = b"INFO: Created TensorFlow Lite"
"""What LiteRT's core tells everybody of its first delegate; it has no setting for that."""
_told: set[tuple[str, str]] = set()
"""Fallbacks this process has warned of: one line each, however many models there are."""


class ModelError(SensoriumError):
    """A model file could not be run."""


class Unloadable(ModelError):
    """A file is no model that its runtime knows; ``why`` leaves out which."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}; run: sensorium models fetch")
        self.why = why


class Model(Protocol):
    """A loaded model: arrays in the order of its inputs in, arrays in the order of its outputs out.

    A LiteRT model that wants a picture as float32 from 0 to 1, or as int8 with its zero at -128, takes pixels (uint8).
    """

    def run(self, *inputs: Array) -> list[Array]:
        """One inference; the results are the caller's own.

        Raises:
            ModelError: the inputs do not fit the model.
        """

    def reset(self) -> None:
        """Forget what the runtime's variables hold.

        Networks that keep their state in resource variables are not reached by this: wake_word.py
        flushes those with quiet.
        """


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output; -1 in ``shape`` is a dimension that varies."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class LoadedModel(Model, Protocol):
    """A model out of a file, which can say what it takes, gives and runs on."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """In the order of `run`'s arguments."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """In the order of `run`'s results."""

    @property
    def runs_on(self) -> str:
        """The accelerator in use; ``cpu`` where there is none, or where it could not be had."""


class Unaccelerated(ModelError):
    """The accelerator that was asked for cannot run this model."""


def load(path: Path, *, threads: int = 1, accelerator: Accelerator = CPU) -> LoadedModel:
    """The model in ``path``, ready to run.

    Args:
        path: a ``.tflite`` or ``.onnx`` file.
        threads: of the processor.
        accelerator: what should run it; where that fails, now or later, it runs on the processor and a warning
            ``accelerator.fallback`` says why.

    Raises:
        ModelError: no runtime for this kind of file is installed, or the file is damaged.
    """
    if not accelerator.concerns(path):
        return load_on(path, threads, CPU)
    try:
        fast = load_on(path, threads, accelerator)
    except Unaccelerated as error:
        _warn(accelerator, str(error))
        return load_on(path, threads, CPU)
    return fast if fast.runs_on == "cpu" else _Accelerated(fast, accelerator, lambda: load_on(path, threads, CPU))


def load_on(path: Path, threads: int, accelerator: Accelerator) -> LoadedModel:
    """The model on this accelerator or not at all.

    Raises:
        Unaccelerated: the accelerator is the reason.
        ModelError: the file or its runtime is.
    """
    if path.suffix == ".tflite":
        return _LiteRt(path, threads, accelerator)
    if path.suffix == ".onnx":
        # Who names an accelerator gets it; of a network this small the way there takes longer than the network.
        small = None if accelerator.kind in PROVIDERS else _small(path)
        return small or _Onnx(path, threads, accelerator)
    raise ModelError(f"{path}: neither .tflite nor .onnx")


def _warn(accelerator: Accelerator, why: str) -> None:
    if (str(accelerator), why) not in _told:
        _told.add((str(accelerator), why))
        log.warning("accelerator.fallback wanted=%s runs_on=cpu why=%r", accelerator, why)


class _Accelerated:
    """A model on an accelerator, and the way back to the processor if that fails while it runs."""

    def __init__(self, fast: LoadedModel, accelerator: Accelerator, on_processor: Callable[[], LoadedModel]) -> None:
        self._model = fast
        self._accelerator = accelerator
        self._on_processor = on_processor

    @property
    def inputs(self) -> tuple[Port, ...]:
        return self._model.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        return self._model.outputs

    @property
    def runs_on(self) -> str:
        return self._model.runs_on

    def run(self, *inputs: Array) -> list[Array]:
        try:
            return self._model.run(*inputs)
        except ModelError as error:
            if self._model.runs_on == "cpu":
                raise
            self._model = self._on_processor()
            answer = self._model.run(*inputs)  # wrong inputs are wrong there too, and no accelerator's fault
            _warn(self._accelerator, f"failed while it ran: {error}")
            return answer

    def reset(self) -> None:
        self._model.reset()


def interpreter_type() -> Any:
    """LiteRT's interpreter, or that of tflite-runtime where only that exists.

    Raises:
        ModelError: neither is installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError:
            raise ModelError("no LiteRT here: pip install 'sensorium[agent]'") from None
    return Interpreter


class _LiteRt:
    def __init__(self, path: Path, threads: int, accelerator: Accelerator) -> None:
        interpreter = interpreter_type()
        delegates = [_delegate(accelerator)] if accelerator.library else None
        try:
            with chatter.held_back(_CHATTER):
                self._net = interpreter(
                    model_path=str(path),
                    num_threads=accelerator.threads or threads,
                    experimental_delegates=delegates,
                    experimental_op_resolver_type=_resolver(builtin=accelerator.kind == "builtin"),
                )
                self._net.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            if delegates:
                raise Unaccelerated(f"{accelerator.library}: refuses {path.name} ({_said(error)})") from error
            raise Unloadable(path, f"LiteRT cannot load it ({error})") from error
        self._inputs = [(d["index"], d["dtype"]) for d in self._net.get_input_details()]
        self._outputs = [d["index"] for d in self._net.get_output_details()]
        self.runs_on = str(accelerator)

    @property
    def inputs(self) -> tuple[Port, ...]:
        return tuple(_port(detail) for detail in self._net.get_input_details())

    @property
    def outputs(self) -> tuple[Port, ...]:
        return tuple(_port(detail) for detail in self._net.get_output_details())

    def run(self, *inputs: Array) -> list[Array]:
        try:
            for (index, wanted), value in zip(self._inputs, inputs, strict=True):
                self._net.set_tensor(index, value if value.dtype == wanted else _converted(value, wanted))
        except ValueError as error:
            raise ModelError(f"wrong input: {error}") from error
        try:
            self._net.invoke()
        except RuntimeError as error:
            raise ModelError(f"LiteRT cannot run it: {_said(error)}") from error
        return [self._net.get_tensor(index) for index in self._outputs]

    def reset(self) -> None:
        self._net.reset_all_variables()


def _converted(value: Array, wanted: type) -> Array:
    """Pixels as the model wants them; whatever else does not fit is the runtime's to refuse."""
    if value.dtype == np.uint8 and wanted is np.int8:
        return (value ^ np.uint8(128)).view(np.int8)
    if value.dtype == np.uint8 and wanted is np.float32:
        return np.multiply(value, np.float32(1 / 255), dtype=np.float32)
    return value


def _resolver(*, builtin: bool) -> Any:
    """Which operators LiteRT takes: XNNPACK's where it has them, or its own only."""
    try:
        from ai_edge_litert.interpreter import OpResolverType
    except ImportError:
        from tflite_runtime.interpreter import OpResolverType
    return OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if builtin else OpResolverType.AUTO


def _port(detail: dict[str, Any]) -> Port:
    shape = detail.get("shape_signature", detail["shape"])
    return Port(detail["name"], np.dtype(detail["dtype"]).name, tuple(int(n) for n in shape))


def _delegate(accelerator: Accelerator) -> Any:
    try:
        from ai_edge_litert.interpreter import load_delegate
    except ImportError:
        from tflite_runtime.interpreter import load_delegate
    try:
        # LiteRT's own loader leaves a half-made object behind whose destructor fails.
        ctypes.PyDLL(accelerator.library).tflite_plugin_create_delegate  # noqa: B018
        return load_delegate(accelerator.library, dict(accelerator.options))
    except (ValueError, OSError, AttributeError) as error:
        raise Unaccelerated(f"{accelerator.library}: cannot be loaded ({_said(error)})") from error


def _said(error: BaseException) -> str:
    """The last line of a runtime's error: the ones before only say what was tried."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


class _Small:
    """An ONNX network that needs no runtime."""

    runs_on = "cpu"

    def __init__(self, net: small_onnx.SmallNetwork) -> None:
        self._net = net
        self.inputs, self.outputs = (
            tuple(Port(port.name, port.dtype, port.shape) for port in ports) for ports in (net.inputs, net.outputs)
        )

    def run(self, *inputs: Array) -> list[Array]:
        try:
            return self._net.run(*inputs)
        except ValueError as error:
            raise ModelError(f"wrong input: {error}") from error

    def reset(self) -> None:
        """Nothing to forget: the caller passes the state."""


def _small(path: Path) -> _Small | None:
    try:
        return _Small(small_onnx.read(path))
    except (small_onnx.NotSmallError, OSError):
        return None  # ONNX Runtime takes it, or says what is wrong


class _Onnx:
    def __init__(self, path: Path, threads: int, accelerator: Accelerator) -> None:
        try:
            import onnxruntime as ort
        except ImportError:
            why = "no ONNX Runtime here: pip install 'sensorium[agent]'"
            # Small networks need none of it on the processor.
            raise (Unaccelerated if accelerator.kind in PROVIDERS else ModelError)(why) from None
        available = ort.get_available_providers()
        if lacking := accelerator.lacking(available):
            raise Unaccelerated(lacking)
        wanted = accelerator.providers(available)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads burn most of a core at 30 Hz and gain nothing at these sizes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._net = ort.InferenceSession(str(path), options, providers=[*wanted, "CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own errors share no narrower base
            if wanted:
                raise Unaccelerated(f"{wanted[0]} refuses {path.name} ({_said(error)})") from error
            raise Unloadable(path, f"ONNX Runtime cannot load it ({error})") from error
        if wanted and wanted[0] not in self._net.get_providers():
            raise Unaccelerated(f"{wanted[0]} does not start; sensorium doctor says more")
        self._names = [i.name for i in self._net.get_inputs()]
        self.runs_on = wanted[0] if wanted else "cpu"

    @property
    def inputs(self) -> tuple[Port, ...]:
        return tuple(_onnx_port(node) for node in self._net.get_inputs())

    @property
    def outputs(self) -> tuple[Port, ...]:
        return tuple(_onnx_port(node) for node in self._net.get_outputs())

    def run(self, *inputs: Array) -> list[Array]:
        feeds = dict(zip(self._names, inputs, strict=True))
        try:
            outputs: Sequence[Array] = self._net.run(None, feeds)
        except Exception as error:  # its own errors share no narrower base
            raise ModelError(f"ONNX Runtime cannot run it: {_said(error)}") from error
        return [np.asarray(o) for o in outputs]

    def reset(self) -> None:
        """Nothing to forget: the caller passes the state."""


def _onnx_port(node: Any) -> Port:
    dtype = {"tensor(float)": "float32", "tensor(double)": "float64"}.get(node.type, node.type[7:-1])
    return Port(node.name, dtype, tuple(n if isinstance(n, int) else -1 for n in node.shape))
