"""One call for every local model, whatever runs it.

`load` takes the verified path of a ``.tflite`` or ``.onnx`` file; runtimes are imported only when a
file of their kind is loaded, LiteRT first, tflite-runtime where only that exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError

Array = npt.NDArray[Any]


class ModelError(SensoriumError):
    """A model file could not be run."""


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


def load(path: Path, *, threads: int = 1) -> Model:
    """The model in ``path``, ready to run.

    Raises:
        ModelError: no runtime for this kind of file is installed, or the file is damaged.
    """
    if path.suffix == ".tflite":
        return _LiteRt(path, threads)
    if path.suffix == ".onnx":
        return _Onnx(path, threads)
    raise ModelError(f"{path}: neither .tflite nor .onnx")


def _interpreter_type() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError:
            raise ModelError("no LiteRT here: pip install 'sensorium[agent]'") from None
    return Interpreter


class _LiteRt:
    def __init__(self, path: Path, threads: int) -> None:
        try:
            self._net = _interpreter_type()(model_path=str(path), num_threads=threads)
            self._net.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{path}: LiteRT cannot load it ({error}); run: sensorium models fetch") from error
        self._inputs = [(d["index"], d["dtype"]) for d in self._net.get_input_details()]
        self._outputs = [d["index"] for d in self._net.get_output_details()]

    def run(self, *inputs: Array) -> list[Array]:
        try:
            for (index, wanted), value in zip(self._inputs, inputs, strict=True):
                self._net.set_tensor(index, value if value.dtype == wanted else _converted(value, wanted))
        except ValueError as error:
            raise ModelError(f"wrong input: {error}") from error
        self._net.invoke()
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


class _Onnx:
    def __init__(self, path: Path, threads: int) -> None:
        try:
            import onnxruntime as ort
        except ImportError:
            raise ModelError("no ONNX Runtime here: pip install 'sensorium[agent]'") from None
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads burn most of a core at 30 Hz and gain nothing at these sizes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._net = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own errors share no narrower base
            raise ModelError(f"{path}: ONNX Runtime cannot load it ({error}); run: sensorium models fetch") from error
        self._names = [i.name for i in self._net.get_inputs()]

    def run(self, *inputs: Array) -> list[Array]:
        outputs: Sequence[Array] = self._net.run(None, dict(zip(self._names, inputs, strict=True)))
        return [np.asarray(o) for o in outputs]

    def reset(self) -> None:
        """Nothing to forget: the caller passes the state."""
