"""`sensorium devices`: the cameras, microphones and touch pads found here, and what to write in the settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sensorium_agent.capture.sensor import SensorFailed

Kind = Literal["camera", "microphone", "touch"]

_ORDER: Final[tuple[Kind, ...]] = ("camera", "microphone", "touch")
_V4L: Final = Path("/sys/class/video4linux")
_INPUT: Final = Path("/dev/input")


@dataclass(frozen=True, slots=True)
class Found:
    """One device, or why devices of a kind cannot be listed.

    Attributes:
        kind: what it is; also the table in the settings.
        source: value of its ``source`` key; empty if it cannot be used.
        name: what its maker calls it.
        note: what stands in its way, in one line with the way out.
    """

    kind: Kind
    source: str
    name: str
    note: str = ""


def find() -> list[Found]:
    """Every device of this machine the agent could use."""
    return [*cameras(), *microphones(), *touch_pads()]


def cameras(names: Path = _V4L) -> list[Found]:
    """Video devices by the kernel's list; those that only carry metadata are left out."""
    found = []
    for entry in sorted(_listed(names), key=_number):
        # A camera registers several nodes; pictures come from the first (index 0).
        if _line(entry / "index") not in ("0", ""):
            continue
        device = Path("/dev") / entry.name
        note = "" if os.access(device, os.R_OK | os.W_OK) else "not allowed; run: sudo usermod -aG video $USER"
        found.append(Found("camera", str(device), _line(entry / "name") or entry.name, note))
    return found


def microphones() -> list[Found]:
    """Capture devices PortAudio lists."""
    from sensorium_agent.capture.microphone import sounddevice

    try:
        sd = sounddevice()
        listed = sd.query_devices()
    except SensorFailed as failure:
        return [Found("microphone", "", "", str(failure))]
    return [
        Found("microphone", str(number), str(device["name"]))
        for number, device in enumerate(listed)
        if device["max_input_channels"] > 0
    ]


def touch_pads(devices: Path = _INPUT) -> list[Found]:
    """Input devices with a surface; those that may not be read are said to be so, once."""
    from sensorium_agent.capture.touch import read_pad

    found, closed = [], 0
    for entry in sorted(_listed(devices), key=_number):
        if not entry.name.startswith("event"):
            continue
        try:
            file = os.open(entry, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            closed += 1
            continue
        try:
            found.append(Found("touch", str(entry), read_pad(file).name))
        except SensorFailed:
            continue
        finally:
            os.close(file)
    if closed and not found:
        found.append(Found("touch", "", f"{closed} input devices", "not allowed; run: sudo usermod -aG input $USER"))
    return found


def render(found: Iterable[Found]) -> str:
    """The list for people, with the lines for the settings."""
    by_kind = {kind: [f for f in found if f.kind == kind] for kind in _ORDER} if (found := list(found)) else {}
    lines = []
    for kind in _ORDER:
        here = by_kind.get(kind, [])
        lines.append(f"[{kind}]" if here else f"[{kind}]   # none found")
        lines += [f"{_setting(f):<30} # {' - '.join(filter(None, (f.name, f.note)))}" for f in here]
    return "\n".join(lines)


def _setting(found: Found) -> str:
    return f'source = "{found.source}"' if found.source else ""


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _line(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _number(entry: Path) -> int:
    found = re.search(r"\d+$", entry.name)
    return int(found[0]) if found else -1
