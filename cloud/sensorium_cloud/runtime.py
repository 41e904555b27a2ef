"""ONNX Runtime behind one call: the only module of the cloud that knows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError

Array = npt.NDArray[Any]


class ModelError(SensoriumError):
    """A model file cannot be run, or is not the model it is taken for."""


class Net:
    """A loaded ``.onnx`` model.

    Attributes:
        inputs: names of its inputs, in order.

    Raises:
        ModelError: the file cannot be loaded.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads burn most of a core and gain nothing at these sizes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own errors share no narrower base
            first = str(error).splitlines()[0]
            raise ModelError(f"{path}: not a model ({first}); run: sensorium-cloud models fetch") from error
        self.inputs = [i.name for i in self._session.get_inputs()]

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Its outputs, in order, for ``inputs`` by name."""
        return [np.asarray(output) for output in self._session.run(None, dict(inputs))]
