"""Hands to learn from: out of pictures, videos, measured joints or a camera."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

import numpy as np

from sensorium.clock import Clock
from sensorium.errors import SensoriumError
from sensorium.event import Event, EventStream, Modality, Sample
from sensorium_agent.capture.camera import Camera
from sensorium_agent.capture.landmarks import LANDMARK_KINDS
from sensorium_agent.capture.recording import open_landmarks, open_recording
from sensorium_agent.infer import lanes
from sensorium_agent.infer.gesture.bout import Bout
from sensorium_agent.infer.gesture.classify import (
    HAND_FEATURES,
    MEASURED_FROM,
    Floats,
    GestureClassifier,
    built_in_label,
    hand_features,
)
from sensorium_agent.infer.gesture.motion import Watch
from sensorium_agent.infer.gesture.own import OWN_FROM
from sensorium_agent.infer.runtime.shelf import Shelf
from sensorium_agent.infer.taught import Taught

_CLEAR: Final = 0.7
"""Reliability of a hand that one can learn from: only the faintest and most blurred are less."""
_APART_NS: Final = 600_000_000
_PATIENCE_S: Final = 60.0


class NoHands(SensoriumError):
    """There is nothing to learn from."""


def hands_in(file: Path, models: Shelf, most: int) -> list[Floats]:
    """At most ``most`` hands [64] of a file, spread over its length; a picture gives one.

    Raises:
        RecordingError: it cannot be read.
        NoHands: there is no hand in it, or none that is clear enough.
    """
    found = _measured(file) if file.suffix.lower() in LANDMARK_KINDS else list(_pictured(file, models))
    if not found:
        raise NoHands(f"{file}: no clear hand in it; show one whole hand, in good light")
    chosen = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[place] for place in chosen]


def _measured(file: Path) -> list[Floats]:
    landmarks = open_landmarks(file)
    pairs = zip(landmarks.joints, landmarks.right, strict=True)
    return [hand_features(joints, float(right)) for joints, right in pairs if np.isfinite(joints).all()]


def _pictured(file: Path, models: Shelf) -> Iterator[Floats]:
    recording = open_recording(file, [Modality.VIDEO])
    (lane,) = lanes.build({Modality.GESTURE}, "teach", models=models)
    for sample in recording.samples():
        if sample.modality is Modality.VIDEO:
            yield from _clear(lane.perceive([sample]))


def ways_in(file: Path, models: Shelf, most: int) -> list[Floats]:
    """At most ``most`` movements [64] of a video, from rest to rest: x and y of 32 points.

    Raises:
        RecordingError: it cannot be read, or has no pictures.
        NoHands: no hand moves in it.
    """
    recording = open_recording(file, [Modality.VIDEO])
    found: list[Floats] = []
    perceiver = lanes.hands(EventStream("teach", Modality.GESTURE), models, watch=_into(found))
    for sample in recording.samples():
        if sample.modality is Modality.VIDEO:
            perceiver.perceive(sample)
    perceiver.finish(0)
    if not found:
        raise NoHands(f"{file}: no hand moves in it; begin and end each movement at rest, in sight")
    chosen = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[place] for place in chosen]


def _into(found: list[Floats]) -> Watch:
    """Adds the way of every bout that went anywhere."""
    from sensorium_agent.infer.gesture.own_motion import way

    def watch(bout: Bout) -> None:
        if (gone := way(bout)) is not None:
            found.append(gone.reshape(-1))

    return watch


async def ways_before(camera: Camera, clock: Clock, models: Shelf) -> AsyncIterator[Floats]:
    """The movements [64] that a camera sees, until nobody asks for more.

    Raises:
        NoHands: none was seen for a minute.
        SensorFailed: the camera cannot be used.
    """
    found: list[Floats] = []
    perceiver = lanes.hands(EventStream("teach", Modality.GESTURE), models, watch=_into(found))
    began_ns = clock.now_ns()
    async with aclosing(camera.samples(clock)) as samples:
        async for sample in samples:
            await asyncio.to_thread(perceiver.perceive, sample)
            while found:
                began_ns = sample.at_ns
                yield found.pop(0)
            if sample.at_ns - began_ns > _PATIENCE_S * 1e9:
                raise NoHands(f"{camera.name}: no movement for {_PATIENCE_S:.0f} s; begin and end it at rest, in sight")


def _clear(events: Sequence[Event]) -> Iterator[Floats]:
    """The surest hand of each picture, if it is clear; a movement is not how a hand is held."""
    for event in events:
        if event.span_ns == 0 and event.features is not None and event.quality >= _CLEAR:
            yield event.features.array().reshape(-1)[:HAND_FEATURES].astype(np.float32)


async def hands_before(camera: Camera, clock: Clock, models: Shelf) -> AsyncIterator[Floats]:
    """The hands [64] that a camera sees, some time apart so that they differ, until nobody asks for more.

    Raises:
        NoHands: none was seen for a minute.
        SensorFailed: the camera cannot be used.
    """
    (lane,) = lanes.build({Modality.GESTURE}, "teach", models=models)
    last_ns = began_ns = clock.now_ns()
    async with aclosing(camera.samples(clock)) as samples:
        async for sample in samples:
            hands = await asyncio.to_thread(_seen, lane, sample)
            if hands and sample.at_ns - last_ns >= _APART_NS:
                last_ns = began_ns = sample.at_ns
                yield hands[0]
            if sample.at_ns - began_ns > _PATIENCE_S * 1e9:
                raise NoHands(
                    f"{camera.name}: no clear hand for {_PATIENCE_S:.0f} s; hold one before it, in good light"
                )


def _seen(lane: lanes.Lane, sample: Sample) -> list[Floats]:
    return list(_clear(lane.perceive([sample])))


def hardly_told(taught: Taught, name: str, models: Shelf) -> tuple[int, str]:
    """How many of a sign's own examples it would not be named for, and what they are mostly taken for."""
    own = lanes.own_gestures(taught)
    assert own is not None, "the sign has examples"
    classifier = GestureClassifier(models.model("gesture_classifier"))
    taken: Counter[str] = Counter()
    for hand in taught.hands()[name]:
        built_in = built_in_label(classifier.probabilities(hand), MEASURED_FROM)[0]
        chances = own.chances(hand, built_in)
        if chances[own.names.index(name)] <= OWN_FROM:
            taken[built_in or "hands that mean nothing"] += 1
    return taken.total(), taken.most_common(1)[0][0] if taken else ""
