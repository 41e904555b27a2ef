"""`sensorium record`: run the agent on its sensors or on files, and keep the session."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sensorium.errors import SensoriumError
from sensorium_agent._app import run
from sensorium_agent._app.output import Output
from sensorium_agent._app.settings import Settings
from sensorium_agent.capture.recording import Recording, open_recording
from sensorium_agent.capture.sequel import beginning, one_after_another
from sensorium_agent.record.media import Media
from sensorium_agent.record.recorder import Recorder
from sensorium_agent.record.writer import Compression, check_free


@dataclass(frozen=True, slots=True)
class Wish:
    """What is recorded, and how.

    Attributes:
        path: the file to make.
        files: what is played instead of sensors.
        live: play them in their own time, and not at once.
        for_s: end after so many seconds; None for the end of the files, or a signal.
        media: what of pictures and sounds is kept.
        compression: of the file.
    """

    path: Path
    files: Sequence[Path] = ()
    live: bool = False
    for_s: float | None = None
    media: Media = Media.NOTHING
    compression: Compression = "zstd"


async def record(settings: Settings, wish: Wish, output: Output) -> int:
    """Record a session; returns how many files could not be played."""
    check_free(wish.path)
    at_once = bool(wish.files) and not wish.live
    recorder = Recorder(wish.path, media=wish.media, patient=at_once, compression=wish.compression)
    found, failed = _opened(wish.files)
    if wish.files and not found:
        return failed
    if not wish.files:
        await run.run_live(settings, output, recorder=recorder, for_s=wish.for_s)
    elif wish.live:
        await run.play_live(settings, _joined(found, wish.for_s), output, recorder=recorder)
    else:
        name = ",".join(file.name for file in wish.files)
        session_id = str(uuid.uuid5(uuid.NAMESPACE_OID, name))  # the same files give the same windows
        recording = _joined(found, wish.for_s)
        await run.play_at_once(settings, recording, output, session_id=session_id, recorder=recorder)
    sys.stderr.write(f"{_said(recorder)}\n")
    return failed


def _joined(found: Sequence[Recording], for_s: float | None) -> Recording:
    recording = one_after_another(found)
    return recording if for_s is None else beginning(recording, for_s)


def _opened(files: Sequence[Path]) -> tuple[list[Recording], int]:
    """The files that can be played; each other one is said in a line."""
    found, failed = [], 0
    for file in files:
        try:
            found.append(open_recording(file))
        except SensoriumError as error:
            failed += 1
            sys.stderr.write(f"sensorium: {error}\n")
    return found, failed


def _said(recorder: Recorder) -> str:
    """What became of it, in one line."""
    lost = ", ".join(f"{count} {kind}" for kind, count in recorder.losses.items())
    return f"{recorder.path}: {recorder.written_bytes:,} bytes; lost: {lost or 'nothing'}"
