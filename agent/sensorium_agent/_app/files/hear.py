"""Listens to files: each through a microphone's lane of its own, as fast as it goes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Event, EventStream, Modality, Sound
from sensorium.lines import Line, event_line
from sensorium_agent._app.files.each import each
from sensorium_agent._app.files.sound_sheet import SoundSheet
from sensorium_agent.capture.recording import open_recording
from sensorium_agent.infer import lanes
from sensorium_agent.infer.keyword import Listening
from sensorium_agent.infer.shelf import Shelf
from sensorium_agent.infer.sound_quality import BLOCK, Noise, quality
from sensorium_agent.infer.taught import Taught

_NOISE_DBFS: Final = -60.0  # what is softer than this is called silence


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A file's sound (int16 at 16 kHz) and its events."""

    pcm: npt.NDArray[np.int16]
    events: tuple[Event, ...]


def hear_files(
    files: Sequence[Path],
    listening: Listening,
    write: Callable[[Line], None],
    sheet: SoundSheet | None,
    models: Shelf | None = None,
    *,
    taught: Taught | None = None,
) -> int:
    """Write a line for each event of each file and draw it; returns how many files could not be read."""

    def hear(number: int, file: Path) -> None:
        heard = listen(file, number, listening, models, taught)
        for event in heard.events:
            write(event_line(event, str(file)))
        if sheet is not None:
            sheet.add(file.name, heard.pcm, heard.events)

    return each(files, hear)


def listen(
    file: Path, number: int, listening: Listening, models: Shelf | None = None, taught: Taught | None = None
) -> Heard:
    """What is heard in the file at that place of the command line, in the order in which it is known.

    Raises:
        RecordingError: it cannot be read, or has no sound.
        SensoriumError: a model cannot be used.
    """
    session = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}:{file.name}"))  # the same files, the same lines
    recording = open_recording(file, [Modality.AUDIO])
    (lane,) = lanes.build({Modality.AUDIO}, session, models=models, listening=listening, taught=taught)
    runs, events, end_ns = [], [], 0
    for sample in recording.samples():
        if isinstance(sample.data, Sound):
            runs.append(sample.data.pcm)
            events += lane.perceive([sample])
            end_ns = sample.at_ns
    events += lane.perceiver.finish(end_ns)
    pcm = np.concatenate(runs) if runs else np.zeros(0, np.int16)
    return Heard(pcm, tuple(events) or (_nothing(pcm, end_ns, EventStream(session, Modality.AUDIO)),))


def _nothing(pcm: npt.NDArray[np.int16], end_ns: int, stream: EventStream) -> Event:
    """The one line of a file in which nothing was heard: how it sounds at all."""
    noise = Noise()
    for begin in range(0, len(pcm), BLOCK):
        noise.add(pcm[begin : begin + BLOCK])
    worth = quality(pcm, noise.level_dbfs)
    kind = "silence" if worth.level_dbfs < _NOISE_DBFS else "noise"
    metadata = {"heard": kind, **worth.metadata()}
    return stream.event(end_ns, span_ns=end_ns, label=None, quality=worth.trust, metadata=metadata)
