"""`sensorium doctor`: what this machine has and lacks for its settings, and how to mend it.

Each check looks at one thing and never raises: what it finds is its result.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import os
import platform
import shutil
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from sensorium.clock import boot_id
from sensorium.errors import SensoriumError
from sensorium.settings import SettingsError
from sensorium_agent._app import devices
from sensorium_agent._app.models import accelerators
from sensorium_agent._app.settings import Cloud, Mqtt, Settings
from sensorium_agent.infer.accelerate import Accelerator
from sensorium_agent.replicas import named

State = Literal["ok", "warn", "fail"]

_OLDEST: Final = (3, 11)
_REACH_S: Final = 3.0
_TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised."""
_INSTALL: Final = "pip install 'sensorium[agent]'"


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found.

    Attributes:
        name: what was looked at.
        state: ``warn`` where something works less well, ``fail`` where the settings cannot work.
        detail: what is there, or what is wrong.
        way_out: how to mend it, one way a line; empty if there is nothing to do.
    """

    name: str
    state: State
    detail: str
    way_out: str = ""


def check(settings: Settings) -> list[Result]:
    """Every check that matters for ``settings``."""
    return list(_checks(settings))


def _checks(settings: Settings) -> Iterator[Result]:
    models_needed = settings.microphone is not None or (settings.camera is not None and settings.camera.gestures)
    yield python(sys.version_info[:3])
    yield machine()
    yield runtime("LiteRT", ("ai_edge_litert", "tflite_runtime"), needed=models_needed)
    yield runtime("ONNX Runtime", ("onnxruntime",), needed=models_needed and _any_onnx())
    yield from acceleration(settings.models.accelerator)
    yield runtime("OpenCV", ("cv2",), needed=settings.camera is not None)
    yield portaudio(needed=settings.microphone is not None)
    yield from sensors(settings)
    if settings.microphone is not None and settings.microphone.grammar:
        yield grammar(settings.microphone.grammar)
    yield from models(needed=models_needed)
    yield boot()
    yield wall_clock(_adjtimex())
    yield disk(settings.spool_directory, settings.spool.max_mb)
    if settings.cloud is not None:
        yield cloud(settings.cloud)
    if settings.mqtt is not None:
        yield broker(settings.mqtt)


def render(results: Sequence[Result]) -> str:
    """One line a result, the way out, or ways, below it."""
    width = max((len(r.name) for r in results), default=0)
    lines = []
    for r in results:
        lines.append(f"{r.state:<4}  {r.name:<{width}}  {r.detail}")
        lines += [f"{'':<4}  {'':<{width}}  -> {way}" for way in r.way_out.splitlines()]
    counts = {state: sum(r.state == state for r in results) for state in ("ok", "warn", "fail")}
    lines.append(", ".join(f"{count} {state}" for state, count in counts.items()))
    return "\n".join(lines)


# --- software ----------------------------------------------------------------------------


def python(version: tuple[int, ...]) -> Result:
    """The interpreter is one we support."""
    text = ".".join(map(str, version))
    if version[:2] < _OLDEST:
        return Result("Python", "fail", text, f"install Python {_OLDEST[0]}.{_OLDEST[1]} or newer")
    return Result("Python", "ok", text)


def machine() -> Result:
    """What this is."""
    detail = f"{platform.machine()}, {platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}"
    if platform.machine() == "armv7l":
        return Result(
            "Machine", "warn", detail, "a 64-bit system has newer runtimes; here tflite-runtime takes their place"
        )
    return Result("Machine", "ok", detail.strip(", "))


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
    return Result(name, _missing(needed), reason, _INSTALL)


def _any_onnx() -> bool:
    """Whether a model of the device wants ONNX Runtime; as fetched, none does."""
    from sensorium_models import store

    with contextlib.suppress(SensoriumError):  # which `models` reports
        return any(state.path.suffix == ".onnx" for state in store.verify(purpose="agent"))
    return False


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


def _version(module: str) -> str:
    names = importlib.metadata.packages_distributions().get(module, [])
    return importlib.metadata.version(names[0]) if names else "of unknown version"


def _missing(needed: bool) -> State:
    return "fail" if needed else "warn"


def portaudio(*, needed: bool) -> Result:
    """The sound library loads."""
    from sensorium_agent.capture.microphone import sounddevice

    try:
        return Result("PortAudio", "ok", str(sounddevice().get_portaudio_version()[1]))
    except SensoriumError as error:
        problem, _, way_out = str(error).partition(": ")
        return Result("PortAudio", _missing(needed), problem, way_out)


# --- sensors and models --------------------------------------------------------------------


def sensors(settings: Settings) -> Iterator[Result]:
    """The configured devices are there; addresses are not tried."""
    if settings.camera is not None and "://" not in settings.camera.source:
        source = settings.camera.source
        path = Path(f"/dev/video{source}" if source.isdigit() else source)
        yield _file("Camera", path, "see `sensorium devices`; plug it in, or set [camera] source")
    if settings.microphone is not None:
        yield _microphone(settings.microphone.source, devices.microphones())
    if settings.touch is not None:
        yield _file("Touch", Path(settings.touch.source), "see `sensorium devices`, and set [touch] source")
    if settings.pulse is not None:
        yield _file("Pulse", Path(settings.pulse.source), "start what writes it, or set [pulse] source")
    if settings.skin is not None:
        yield _file("Skin", Path(settings.skin.source), "start what writes it, or set [skin] source")
    if settings.text is not None and settings.text.source != "-":
        yield _file("Text", Path(settings.text.source), "create it, or set [text] source")


def _file(name: str, path: Path, way_out: str) -> Result:
    if not path.exists():
        return Result(name, "fail", f"{path} is not there", way_out)
    if not os.access(path, os.R_OK):
        group = {"Camera": "video", "Touch": "input", "Pulse": "dialout", "Skin": "dialout"}.get(name)
        cure = f"run: sudo usermod -aG {group} $USER" if group else f"run: chmod u+r {path}"
        return Result(name, "fail", f"{path} may not be read", cure)
    return Result(name, "ok", str(path))


def _microphone(source: str, found: Sequence[devices.Found]) -> Result:
    usable = [f for f in found if f.source]
    fits = (
        usable if source == "default" else [f for f in usable if source == f.source or source.lower() in f.name.lower()]
    )
    if fits:
        return Result("Microphone", "ok", fits[0].name if source != "default" else f"default of {len(usable)}")
    return Result(
        "Microphone", "fail", f"{source!r} is not there", "see `sensorium devices`, and set [microphone] source"
    )


def grammar(setting: str | Sequence[str]) -> Result:
    """The recognizer of sentences is here, and knows how to say every word of the grammar."""
    from sensorium_agent.infer.grammar import GrammarError, Recognizer

    try:
        Recognizer(setting)
    except GrammarError as error:
        problem, _, way_out = str(error).rpartition("; ")
        return Result("Grammar", "fail", problem, way_out)
    return Result("Grammar", "ok", setting if isinstance(setting, str) else f"{len(setting)} phrases")


def models(*, needed: bool) -> Iterator[Result]:
    """Every model of the device is here and whole."""
    from sensorium_models import store

    try:
        states = store.verify(purpose="agent")
    except SensoriumError as error:
        yield Result("Models", _missing(needed), str(error), "delete that file: what came with us is used then")
        return
    bad = [s for s in states if s.standing != "ok"]
    if not bad:
        yield Result("Models", "ok", f"{len(states)} verified in {store.root()}")
        yield arithmetic([s.name for s in states])
    for state in bad:
        detail = f"{state.name} is {state.standing}" + (f" ({state.note})" if state.note else "")
        yield Result("Models", _missing(needed), detail, "run: sensorium models fetch")


def arithmetic(names: Sequence[str]) -> Result:
    """The kernels chosen for this processor compute what they should."""
    try:
        wrong = accelerators.miscomputed(names)
    except SensoriumError as error:
        return Result("Arithmetic", "warn", str(error), _INSTALL)
    if not wrong:
        return Result("Arithmetic", "ok", "XNNPACK answers as LiteRT's own kernels do")
    detail = f"XNNPACK computes wrong answers on this processor: {', '.join(wrong)}"
    return Result("Arithmetic", "fail", detail, 'set [models] accelerator = "builtin": slower, and right')


# --- the machine ---------------------------------------------------------------------------


def boot() -> Result:
    """Monotonic times of different boots can be told apart."""
    found = boot_id()
    if found == "unknown":
        return Result(
            "Boot id", "warn", "the kernel tells none", "mount /proc: without it spooled times may be mixed up"
        )
    return Result("Boot id", "ok", found)


def _adjtimex() -> int:
    """The kernel's clock state; a negative number if it will not say."""
    try:
        # 256 bytes hold struct timex on every architecture; modes = 0 only reads.
        return int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(256)))
    except (OSError, AttributeError):
        return -1


def wall_clock(kernel_state: int) -> Result:
    """The wall clock is set from the network; order and windows do not depend on it."""
    if kernel_state == _TIME_ERROR:
        way_out = "run: sudo timedatectl set-ntp true; until then wall times are this machine's guess"
        return Result("Wall clock", "warn", "not synchronised", way_out)
    if kernel_state < 0:
        return Result("Wall clock", "warn", "the kernel does not say", "check with: timedatectl")
    return Result("Wall clock", "ok", "synchronised")


def disk(directory: Path, max_mb: int) -> Result:
    """There is room for the spool, and it may be written."""
    there = next(p for p in (directory, *directory.parents) if p.exists())
    free_mb = shutil.disk_usage(there).free // 1_000_000
    if not os.access(there, os.W_OK):
        return Result(
            "Spool", "fail", f"{there} may not be written", "set [spool] directory, or run: chown it to this user"
        )
    if free_mb < max_mb:
        way_out = f"free some space, or set [spool] max_mb below {free_mb}"
        return Result("Spool", "fail", f"{free_mb} MB free for a spool of {max_mb} MB in {directory}", way_out)
    return Result("Spool", "ok", f"{free_mb} MB free for {max_mb} MB in {directory}")


# --- the network ---------------------------------------------------------------------------


def cloud(settings: Cloud) -> Result:
    """Somebody listens at the fusion service's address, or at one of them."""
    detail = ""
    try:
        places = named(settings.target)
    except SettingsError:
        return Result("Cloud", "fail", f"{settings.target!r} is no address", "set [cloud] target to host:port")
    for place in places:
        try:
            socket.create_connection(place, _REACH_S).close()
        except OSError as error:
            detail = f"{settings.target}: {error.strerror or error}"
        else:
            return Result("Cloud", "ok", settings.target)
    return Result("Cloud", "warn", detail, "windows wait in the spool; check [cloud] target and that it runs")


def broker(settings: Mqtt) -> Result:
    """The broker lets us in."""
    where = f"{settings.host}:{settings.port}"
    try:
        refused = _greeting(settings)
    except OSError as error:
        way_out = "the agent works without; check [mqtt] host and port"
        return Result("Broker", "warn", f"{where}: {error.strerror or error}", way_out)
    except ImportError:
        return Result("Broker", "fail", "paho-mqtt is not installed", _INSTALL)
    if refused:
        return Result("Broker", "fail", f"{where}: {refused}", "check [mqtt] username and SENSORIUM_MQTT_PASSWORD")
    return Result("Broker", "ok", where)


def _greeting(settings: Mqtt) -> str:
    """Connect once; why it was refused, or nothing."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    answered, reasons = threading.Event(), list[str]()

    def on_connect(_client: paho.Client, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            reasons.append(str(reason))
        answered.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect_timeout = _REACH_S
    client.on_connect = on_connect
    if settings.username:
        client.username_pw_set(settings.username, settings.password or None)
    if settings.tls:
        client.tls_set()
    client.connect(settings.host, settings.port)
    client.loop_start()
    try:
        return "" if answered.wait(_REACH_S) and not reasons else (*reasons, "no answer")[0]
    finally:
        client.disconnect()
        client.loop_stop()
