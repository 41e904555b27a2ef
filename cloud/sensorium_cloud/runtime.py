"""ONNX Runtime, and OpenVINO where it is faster, behind one call: the only module of the cloud that knows them."""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]
_WORTH: Final = 0.9
"""Another provider must take less than this part of the plain one's time: plain binary32 is the one most tested."""


class ModelError(SensoriumError):
    """A model file cannot be run, or is not the model it is taken for."""


class Provider(StrEnum):
    """What runs a net."""

    CPU = "cpu"
    """ONNX Runtime, binary32."""
    CUDA = "cuda"
    """ONNX Runtime on an NVIDIA card."""
    OPENVINO = "openvino"
    """OpenVINO in bfloat16, where the processor multiplies such matrices itself (AMX)."""


class Net:
    """A loaded ``.onnx`` model.

    Attributes:
        inputs: names of its inputs, in order.

    Raises:
        ModelError: the file cannot be loaded.
    """

    def __init__(self, path: Path, *, threads: int = 1, provider: Provider = Provider.CPU) -> None:
        try:
            opened = _openvino if provider is Provider.OPENVINO else _onnxruntime
            self.inputs, self._run = opened(path, threads, provider)
        except Exception as error:  # the runtimes' own errors share no narrower base
            first = str(error).splitlines()[0]
            raise ModelError(f"{path}: not a model ({first}); run: sensorium-cloud models fetch") from error

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Its outputs, in order, for ``inputs`` by name."""
        return [np.asarray(output) for output in self._run(dict(inputs))]


_Run = Callable[[dict[str, Array]], Iterable[Any]]


def _onnxruntime(path: Path, threads: int, provider: Provider) -> tuple[list[str], _Run]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads burn most of a core and gain nothing at these sizes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    wanted = ["CUDAExecutionProvider"] if provider is Provider.CUDA else []
    session = ort.InferenceSession(str(path), options, providers=[*wanted, "CPUExecutionProvider"])
    return [i.name for i in session.get_inputs()], lambda inputs: session.run(None, inputs)


def _openvino(path: Path, threads: int, _: Provider) -> tuple[list[str], _Run]:
    import openvino

    config = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    model = openvino.Core().compile_model(str(path), "CPU", config)
    request = model.create_infer_request()

    def run(inputs: dict[str, Array]) -> list[Array]:
        found = request.infer(inputs)
        return [found[output] for output in model.outputs]

    return [i.get_any_name() for i in model.inputs], run


# --- which of them ---------------------------------------------------------------------


def available() -> list[Provider]:
    """What this machine could run, the plain one first."""
    import onnxruntime as ort

    found = [Provider.CPU]
    if "CUDAExecutionProvider" in ort.get_available_providers():
        found.append(Provider.CUDA)
    if _multiplies_bfloat16() and importlib.util.find_spec("openvino"):
        found.append(Provider.OPENVINO)
    return found


def _multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    try:
        return "amx_bf16" in cpuinfo.read_text()
    except OSError:  # no Linux
        return False


def chosen(wanted: str, there: Iterable[Provider], measure: Callable[[Provider], float]) -> Provider:
    """The provider to use.

    Args:
        wanted: its name, or ``auto`` for the fastest.
        there: what the machine could run.
        measure: seconds that a batch takes with it; raises what it likes if it cannot be used.
    """
    candidates = [p for p in there if wanted in ("auto", p) or p is Provider.CPU]
    if candidates == [Provider.CPU]:
        best, took = Provider.CPU, {}
    else:
        took = {p: seconds for p in candidates if (seconds := _tried(p, measure)) is not None}
        best = _best(wanted, took)
    if wanted not in ("auto", best):
        log.warning("engine.provider_unavailable wanted=%s used=%s", wanted, best)
    figures = "".join(f" {p}_ms={1e3 * seconds:.2f}" for p, seconds in took.items())
    log.log(logging.WARNING if took else logging.INFO, "engine.provider name=%s%s", best, figures)
    return best


def _best(wanted: str, took: Mapping[Provider, float]) -> Provider:
    others = [p for p in took if p is not Provider.CPU]
    best = min(others, key=lambda p: took[p], default=Provider.CPU)
    plain_s = took.get(Provider.CPU, math.inf)
    return Provider.CPU if wanted == "auto" and best in others and took[best] > _WORTH * plain_s else best


def _tried(provider: Provider, measure: Callable[[Provider], float]) -> float | None:
    try:
        return measure(provider)
    except Exception as error:  # noqa: BLE001 - a driver that does not fit must not keep us from starting
        log.warning("engine.provider_failed name=%s reason=%s", provider, str(error).splitlines()[0])
        return None
