"""Which accelerators this machine has, and whether the one that is set works; asked by `sensorium doctor`."""

from __future__ import annotations

import ctypes.util
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sensorium_agent.infer.runtime import trial
from sensorium_agent.infer.runtime.accelerate import PROVIDERS, WAYS, Accelerator
from sensorium_agent.infer.runtime.canary import Comparison, Limits
from sensorium_agent.infer.runtime.model import load_on
from sensorium_models import store

DELEGATES: Final[Mapping[str, str]] = {
    "edgetpu": "Edge TPU: apt install libedgetpu1-std from Coral's packages, then delegate:libedgetpu.so.1",
    "armnnDelegate": "Arm NN: its release for your board, then delegate:libarmnnDelegate.so",
    "QnnTFLiteDelegate": "Qualcomm: its AI Engine Direct SDK, then delegate:libQnnTFLiteDelegate.so",
}
"""Libraries that are LiteRT delegates, by the name the linker looks for, and how to come by them."""

_SMALLEST: Final = "gesture_classifier"
_ROUNDING: Final = 0.25


@dataclass(frozen=True, slots=True)
class Survey:
    """What is here, as it would be written in the settings, and the way to what is not."""

    here: tuple[str, ...]
    ways: tuple[str, ...]


def survey() -> Survey:
    """Look for every accelerator we know."""
    return surveyed(providers(), {name: ctypes.util.find_library(name) or "" for name in DELEGATES})


def surveyed(available: Collection[str], libraries: Mapping[str, str]) -> Survey:
    """A survey from ONNX Runtime's providers and the delegates' libraries, an empty one where there is none."""
    onnx = [kind for kind, names in PROVIDERS.items() if names[0] in available]
    delegates = [f"delegate:{library}" for library in libraries.values() if library]
    ways = [f"{kind}: {WAYS[kind]}" for kind in PROVIDERS if kind not in onnx]
    ways += [DELEGATES[name] for name, library in libraries.items() if not library]
    return Survey(("xnnpack", *onnx, *delegates), tuple(ways))


def providers() -> tuple[str, ...]:
    """What ONNX Runtime brings; nothing if it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return ()
    return tuple(onnxruntime.get_available_providers())


def miscomputed(names: Sequence[str]) -> list[str]:
    """The models whose answers XNNPACK gets wrong on this processor, held against LiteRT's own kernels.

    Both round int8 differently and stay within a tenth; a broken kernel is far off.
    """
    return [name for name in names if _apart(name) > _ROUNDING]


def _apart(name: str) -> float:
    path = store.path(name)
    if path.suffix != ".tflite":
        return 0.0
    fast, plain = (load_on(path, 1, Accelerator(kind)) for kind in ("cpu", "builtin"))
    inputs = trial.made_up(fast.inputs, trial.declared(name))
    answers = zip(plain.run(*inputs), fast.run(*inputs), strict=True)
    # The median over the outputs: one of small numbers may lose a third of them to rounding.
    return statistics.median(Comparison(Limits()).difference([right], [told]) for right, told in answers)


def trouble(accelerator: Accelerator) -> str:
    """Why the accelerator that is set will not be used, or nothing; a delegate is tried, in a process of its own."""
    if lacking := accelerator.lacking(providers()):
        return lacking
    if not accelerator.library:
        return ""
    return trial.attempt(_SMALLEST, store.path(_SMALLEST), accelerator=accelerator).trouble
