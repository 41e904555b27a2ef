"""Are the sensors there, and what listens to them?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sensorium_agent._app import devices
from sensorium_agent._app.doctor.result import Result, told
from sensorium_agent._app.settings import Settings


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
    from sensorium_agent.infer.sound.grammar import GrammarError, Recognizer

    try:
        Recognizer(setting)
    except GrammarError as error:
        return told("Grammar", "fail", error)
    return Result("Grammar", "ok", setting if isinstance(setting, str) else f"{len(setting)} phrases")
