"""Looks for hands in files: pictures and videos through the camera's lane, measured joints through its classifier."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sensorium.event import Event, EventStream, Frame, Modality
from sensorium.lines import Line, encoded, event_line
from sensorium_agent._app.files.each import each
from sensorium_agent._app.files.sketch import Outline, Pixels, Points, Sheet
from sensorium_agent.capture.landmarks import LANDMARK_KINDS
from sensorium_agent.capture.recording import Recording, open_landmarks, open_recording
from sensorium_agent.infer import lanes
from sensorium_agent.infer.gesture.classify import GestureClassifier
from sensorium_agent.infer.gesture.measured import read_hands
from sensorium_agent.infer.gesture.perceive import GesturePerceiver
from sensorium_agent.infer.gesture.track import Track
from sensorium_agent.infer.runtime.shelf import Shelf
from sensorium_agent.infer.taught import Taught


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One event, and what there is to draw of it."""

    event: Event
    picture: Pixels | None
    outlines: tuple[Outline, ...]

    @property
    def caption(self) -> str:
        """In words, for the drawing."""
        said = f"{self.event.label} {self.event.score:.2f}" if self.event.label else "no label"
        if not self.outlines:
            said = "no hand"
        index = self.event.metadata.get("index")
        return said if index is None else f"{index}: {said}"


def see_files(
    files: Sequence[Path],
    models: Shelf,
    write: Callable[[Line], None],
    sheet: Sheet | None,
    taught: Taught | None = None,
) -> int:
    """Write a line for each event of each file and draw it; returns how many files could not be read."""

    def see(number: int, file: Path) -> None:
        for seen in look(file, number, models, taught):
            write(event_line(seen.event, str(file)))
            if sheet is not None:
                name = f"{file.name}: " if len(files) > 1 else ""
                sheet.add(seen.picture, seen.outlines, name + seen.caption)

    return each(files, see)


def print_line(line: Line) -> None:
    """To standard output, at once: who waits for a slow video sees that it goes on."""
    sys.stdout.buffer.write(encoded(line))
    sys.stdout.buffer.flush()


def look(file: Path, number: int, models: Shelf, taught: Taught | None = None) -> Iterator[Seen]:
    """What is seen in the file at that place of the command line, in order.

    Raises:
        RecordingError: it cannot be read, or shows nothing.
        SensoriumError: a model cannot be used.
    """
    session = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}:{file.name}"))  # the same files, the same lines
    if file.suffix.lower() in LANDMARK_KINDS:
        yield from _measured(file, EventStream(session, Modality.GESTURE), models, taught)
        return
    recording = open_recording(file, [Modality.VIDEO])
    yield from _pictures(recording, session, models, taught)


def _pictures(recording: Recording, session: str, models: Shelf, taught: Taught | None) -> Iterator[Seen]:
    """The events of each picture; a photo without a hand has one too, so that each photo has its line."""
    (lane,) = lanes.build({Modality.GESTURE}, session, models=models, taught=taught)
    assert isinstance(lane.perceiver, GesturePerceiver)
    for sample in recording.samples():
        if sample.modality is not Modality.VIDEO:
            continue
        assert isinstance(sample.data, Frame)
        picture, events = sample.data.pixels, lane.perceive([sample])
        hands = lane.perceiver.hands
        for event in events:
            yield Seen(_with_joints(event, hands, picture), picture, tuple(map(_outline, hands)))
        if not events and recording.duration_s == 0:
            stream = EventStream(session, Modality.GESTURE)
            yield Seen(stream.event(sample.at_ns, label=None, metadata={"hands": "0"}), picture, ())
    for event in lane.perceiver.finish(round(recording.duration_s * 1e9)):
        yield Seen(event, None, ())


def _with_joints(event: Event, hands: Sequence[Track], picture: Pixels) -> Event:
    """The event, with the joints of its hand in parts of the picture's width and height."""
    if event.span_ns or not hands:
        return event  # a movement: its hand may be gone
    height, width = picture.shape[:2]
    joints = " ".join(f"{part:.4f}" for part in (hands[0].joints[:, :2] / [width, height]).ravel())
    return replace(event, metadata={**event.metadata, "joints": joints})


def _outline(hand: Track) -> Outline:
    corners: Points = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    return Outline(hand.joints[:, :2], hand.crop.place(corners))


def _measured(file: Path, stream: EventStream, models: Shelf, taught: Taught | None) -> Iterator[Seen]:
    landmarks = open_landmarks(file)
    classifier = GestureClassifier(models.model("gesture_classifier"))
    events = read_hands(stream, landmarks, classifier, lanes.own_gestures(taught))
    for event, joints in zip(events, landmarks.joints, strict=True):
        yield Seen(event, None, (Outline(joints[:, :2]),) if event.features else ())
