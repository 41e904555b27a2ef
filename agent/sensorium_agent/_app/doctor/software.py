"""Is the software here that models and sensors need?"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from sensorium.errors import SensoriumError
from sensorium_agent._app.doctor.result import INSTALL, Result, missing
from sensorium_agent._app.models import accelerators
from sensorium_agent.infer.runtime.accelerate import Accelerator

_OLDEST: Final = (3, 11)


def python(version: tuple[int, ...]) -> Result:
    """The interpreter is one we support."""
    text = ".".join(map(str, version))
    if version[:2] < _OLDEST:
        return Result("Python", "fail", text, f"install Python {_OLDEST[0]}.{_OLDEST[1]} or newer")
    return Result("Python", "ok", text)


def runtime(name: str, modules: Sequence[str], *, needed: bool) -> Result:
    """One of ``modules`` can be imported."""
    reason = "not installed"
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        except (ImportError, OSError) as error:
            reason = f"{module} cannot be loaded: {str(error).splitlines()[0]}"
            continue
        return Result(name, "ok", f"{module} {_version(module)}")
    return Result(name, missing(needed), reason, INSTALL)


def _version(module: str) -> str:
    names = importlib.metadata.packages_distributions().get(module, [])
    return importlib.metadata.version(names[0]) if names else "of unknown version"


def any_onnx() -> bool:
    """Whether a model of the device wants ONNX Runtime; as fetched, none does."""
    from sensorium_models import store

    with contextlib.suppress(SensoriumError):  # which `models` reports
        return any(state.path.suffix == ".onnx" and not _small(state.path) for state in store.verify(purpose="agent"))
    return False


def _small(path: Path) -> bool:
    from sensorium_agent.infer.runtime import small_onnx

    try:
        small_onnx.read(path)
    except (small_onnx.NotSmallError, OSError):
        return False
    return True


def portaudio(*, needed: bool) -> Result:
    """The sound library loads."""
    from sensorium_agent.capture.microphone import sounddevice

    try:
        return Result("PortAudio", "ok", str(sounddevice().get_portaudio_version()[1]))
    except SensoriumError as error:
        problem, _, way_out = str(error).partition(": ")
        return Result("PortAudio", missing(needed), problem, way_out)


def acceleration(setting: str) -> Iterator[Result]:
    """What is set to run the models works; what else could run them."""
    found = accelerators.survey()
    yield Result("Accelerators", "ok", f"here: {', '.join(found.here)}; to be had:", "\n".join(found.ways))
    try:
        why = accelerators.trouble(Accelerator.parse(setting))
    except SensoriumError as error:
        why = f"cannot be tried: {error}"
    if why:
        yield Result(
            "Accelerator",
            "warn",
            f"{setting}: {why}",
            "models run on the processor meanwhile; or set another [models] accelerator",
        )
    else:
        yield Result("Accelerator", "ok", setting)


def models(*, needed: bool) -> Iterator[Result]:
    """Every model of the device is here and whole."""
    from sensorium_models import store

    try:
        states = store.verify(purpose="agent")
    except SensoriumError as error:
        yield Result("Models", missing(needed), str(error), "delete that file: what came with us is used then")
        return
    bad = [s for s in states if s.standing != "ok"]
    if not bad:
        yield Result("Models", "ok", f"{len(states)} verified in {store.root()}")
        yield arithmetic([s.name for s in states])
    for state in bad:
        detail = f"{state.name} is {state.standing}" + (f" ({state.note})" if state.note else "")
        yield Result("Models", missing(needed), detail, "run: sensorium models fetch")


def arithmetic(names: Sequence[str]) -> Result:
    """The kernels chosen for this processor compute what they should."""
    try:
        wrong = accelerators.miscomputed(names)
    except SensoriumError as error:
        return Result("Arithmetic", "warn", str(error), INSTALL)
    if not wrong:
        return Result("Arithmetic", "ok", "XNNPACK answers as LiteRT's own kernels do")
    detail = f"XNNPACK computes wrong answers on this processor: {', '.join(wrong)}"
    return Result("Arithmetic", "fail", detail, 'set [models] accelerator = "builtin": slower, and right')
