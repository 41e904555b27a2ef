"""What runs the models: one setting, and what it means for each runtime.

    auto              the processor; for ONNX models the first accelerator ONNX Runtime brings
    cpu               the processor, nothing else
    xnnpack:4         the processor, LiteRT models with four threads
    builtin           the processor, LiteRT models without XNNPACK: slow, but right where XNNPACK computes wrong answers
    cuda, tensorrt, openvino, coreml
                      ONNX models on that provider; LiteRT models on the processor
    delegate:/usr/lib/libedgetpu.so.1,device=usb
                      LiteRT models through an external delegate with its options; ONNX models on the processor

Importing this loads no runtime.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sensorium.errors import SensoriumError

PROVIDERS: Final[Mapping[str, tuple[str, ...]]] = {
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
    "openvino": ("OpenVINOExecutionProvider",),
    "coreml": ("CoreMLExecutionProvider",),
}
"""ONNX Runtime's names, the wanted one first; the processor always comes last."""

WAYS: Final[Mapping[str, str]] = {
    "cuda": "pip install onnxruntime-gpu in place of onnxruntime (on a Jetson the wheel for its JetPack)",
    "tensorrt": "TensorRT, and what cuda needs",
    "openvino": "pip install onnxruntime-openvino in place of onnxruntime",
    "coreml": "macOS only",
}
"""How to come by a provider."""

# TensorRT builds its engines for minutes at the first start: only who names it gets it.
_BY_ITSELF: Final = ("cuda", "openvino", "coreml")
_MOST_THREADS: Final = 64


class AcceleratorUnknown(SensoriumError):
    """A setting that names no accelerator."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What the setting asks for.

    Attributes:
        kind: ``auto``, ``cpu``, ``xnnpack``, ``builtin``, ``delegate`` or a key of `PROVIDERS`.
        threads: of LiteRT's XNNPACK, if given.
        library: of the delegate.
        options: the delegate's own, by name.
    """

    kind: str = "cpu"
    threads: int | None = None
    library: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Accelerator:
        """The accelerator a setting means.

        Raises:
            AcceleratorUnknown: it means none; one line.
        """
        kind, _, rest = text.strip().partition(":")
        if kind == "delegate" and rest:
            library, *options = rest.split(",")
            return cls(kind, library=library, options=tuple(_option(option) for option in options))
        if kind == "xnnpack" and rest:
            return cls(kind, threads=_threads(text, rest))
        if not rest and kind in {"auto", "cpu", "xnnpack", "builtin", *PROVIDERS}:
            return cls(kind)
        known = ", ".join(("auto", "cpu", "xnnpack:THREADS", "builtin", *PROVIDERS, "delegate:LIBRARY"))
        raise AcceleratorUnknown(f"{text!r} is none; take one of {known}")

    def __str__(self) -> str:
        if self.kind == "delegate":
            return ",".join([f"delegate:{self.library}", *(f"{name}={value}" for name, value in self.options)])
        return f"{self.kind}:{self.threads}" if self.threads else self.kind

    def concerns(self, model: Path) -> bool:
        """Whether it changes anything for a model file of this kind."""
        if model.suffix == ".onnx":
            return self.kind in PROVIDERS or self.kind == "auto"
        return self.kind in {"delegate", "xnnpack", "builtin"}

    def providers(self, available: Collection[str]) -> tuple[str, ...]:
        """Those of ONNX Runtime's ``available`` providers to run on, before the processor; empty for none."""
        if self.kind == "auto":
            found = (PROVIDERS[kind][0] for kind in _BY_ITSELF)
            return tuple(name for name in found if name in available)[:1]
        return tuple(name for name in PROVIDERS.get(self.kind, ()) if name in available)

    def lacking(self, available: Collection[str]) -> str:
        """Why ONNX Runtime cannot give what is asked for, and the way out; empty if it can."""
        wanted = PROVIDERS.get(self.kind)
        if wanted is None or wanted[0] in available:
            return ""
        return f"this onnxruntime has no {wanted[0]}: {WAYS[self.kind]}"


CPU: Final = Accelerator()


def _option(option: str) -> tuple[str, str]:
    name, given, value = option.partition("=")
    if not name or not given:
        raise AcceleratorUnknown(f"{option!r} is no option; write delegate:LIBRARY,NAME=VALUE")
    return name, value


def _threads(text: str, count: str) -> int:
    if not count.isdigit() or not 1 <= int(count) <= _MOST_THREADS:
        raise AcceleratorUnknown(f"{text!r}: threads are a number from 1 to {_MOST_THREADS}")
    return int(count)
