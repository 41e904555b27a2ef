"""Listens to files: each through a microphone's lane of its own, as fast as it goes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
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
from sensorium_agent.infer.runtime.shelf import Shelf
from sensorium_agent.infer.sound.keyword import Listening
from sensorium_agent.infer.sound.quality import Quality, Whole
from sensorium_agent.infer.taught import Taught

_NOISE_DBFS: Final = -60.0  # what is softer than this is called silence

Hearing = Callable[[npt.NDArray[np.int16]], None]


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
        runs, events = list[npt.NDArray[np.int16]](), list[Event]()
        heed: Hearing = (lambda _: None) if sheet is None else runs.append
        for event in listen(file, number, listening, models, taught, heed=heed):
            write(event_line(event, str(file)))
            if sheet is not None:
                events.append(event)
        if sheet is not None:
            sheet.add(file.name, np.concatenate([np.zeros(0, np.int16), *runs]), events)

    return each(files, hear)


def listen(
    file: Path,
    number: int,
    listening: Listening,
    models: Shelf | None,
    taught: Taught | None,
    *,
    heed: Hearing,
) -> Iterator[Event]:
    """What is heard in the file at that place of the command line, as soon as it is known; ``heed`` gets its sound.

    Raises:
        RecordingError: it cannot be read, or has no sound.
        SensoriumError: a model cannot be used.
    """
    session = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}:{file.name}"))  # the same files, the same lines
    recording = open_recording(file, [Modality.AUDIO])
    (lane,) = lanes.build({Modality.AUDIO}, session, models=models, listening=listening, taught=taught)
    whole, silent, end_ns = Whole(), True, 0
    for sample in recording.samples():
        if isinstance(sample.data, Sound):
            heed(sample.data.pcm)
            whole.add(sample.data.pcm)
            end_ns = sample.at_ns
            for event in lane.perceive([sample]):
                silent = False
                yield event
    last = lane.perceiver.finish(end_ns)
    yield from last
    if silent and not last:
        yield _nothing(whole.quality(), end_ns, EventStream(session, Modality.AUDIO))


def _nothing(worth: Quality, end_ns: int, stream: EventStream) -> Event:
    """The one line of a file in which nothing was heard: how it sounds at all."""
    kind = "silence" if worth.level_dbfs < _NOISE_DBFS else "noise"
    metadata = {"heard": kind, **worth.metadata()}
    return stream.event(end_ns, span_ns=end_ns, label=None, quality=worth.trust, metadata=metadata)
