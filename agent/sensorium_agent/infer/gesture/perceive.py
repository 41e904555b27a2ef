"""Gestures in pictures: every picture with a hand in it gives one event, and every movement that meant something."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sensorium.event import Event, EventStream, Frame, Modality, Sample, Tensor
from sensorium.reliability import reliability
from sensorium_agent.infer.gesture.classify import (
    HAND_FEATURES,
    KNOWN_FROM,
    LABELS,
    Floats,
    GestureClassifier,
    built_in_label,
    hand_features,
)
from sensorium_agent.infer.gesture.landmark import LandmarkModel
from sensorium_agent.infer.gesture.motion import HandMotions, Motion, Watch
from sensorium_agent.infer.gesture.own import OWN_FROM, OwnGestures
from sensorium_agent.infer.gesture.own_motion import OwnMotions
from sensorium_agent.infer.gesture.palm import PalmDetector
from sensorium_agent.infer.gesture.region import Picture
from sensorium_agent.infer.gesture.track import HandTracker, Track
from sensorium_agent.infer.runtime.model import Model

# At 30 Hz a new gesture passes one half of the smoothed probability with its second picture, after 67 ms.
_SMOOTH_NS: Final = 60_000_000
_NONE: Final = np.zeros(0, np.float32)
_REMEMBER_NS: Final = 5_000_000_000  # a hand's features, for a movement that ended out of sight


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """What one hand said up to now: probabilities smoothed over time, and its features [64] now.

    ``own`` are those of the user's own gestures.
    """

    track: Track
    probabilities: Floats
    own: Floats
    features: Floats
    at_ns: int

    @property
    def score(self) -> float:
        """Probability of the likeliest label."""
        return float(max(self.probabilities[: len(LABELS)].max(), self.own.max(initial=0.0)))

    def said(self, own_names: Sequence[str], least: float) -> tuple[str | None, float]:
        """The label and its probability: the user's own from one half on, a built-in one from ``least`` on."""
        if len(self.own) and self.own.max() > OWN_FROM:
            return own_names[int(self.own.argmax())], float(self.own.max())
        return built_in_label(self.probabilities, least)

    @property
    def side(self) -> str:
        """Whether it is its owner's left or right hand."""
        return "right" if self.track.right >= 0.5 else "left"


class GesturePerceiver:
    """Finds up to two hands in each picture and names the gesture of the one that is surest.

    The event's features are 128 numbers: `hand_features` of that hand, then of the other one, zero if there is none.
    Gestures that the user taught (``own``) are named where a hand is nearer to them than to the built-in one, movements
    (``own_motions``) before those that are built in; ``watch`` is told of each.
    A movement (`bout.LABELS`) is an event of its own once it is over: ``at_ns`` is its end, ``span_ns`` its length.
    """

    def __init__(
        self,
        stream: EventStream,
        *,
        palm: Model,
        landmark: Model,
        classifier: Model,
        min_score: float = KNOWN_FROM,
        own: OwnGestures | None = None,
        own_motions: OwnMotions | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._stream = stream
        self._tracker = HandTracker(PalmDetector(palm), LandmarkModel(landmark))
        self._classifier = GestureClassifier(classifier)
        self._min_score = min_score
        self._own = own
        self._learnt = (own, own_motions)
        self._own_motions = own_motions
        self._readings: dict[int, _Reading] = {}
        self._motions = HandMotions(own_motions, watch)
        self._error_ns = 0
        self._moving: dict[int, _Reading] = {}

    def learn(self, own: OwnGestures | None, own_motions: OwnMotions | None = None) -> None:
        """Go by other gestures of the user's own from the next picture on; from any thread."""
        self._learnt = (own, own_motions)

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """The gesture in a picture, or nothing where there is no hand."""
        assert isinstance(sample.data, Frame)
        picture = sample.data.pixels
        if self._learnt != (self._own, self._own_motions):
            (self._own, self._own_motions), self._readings = self._learnt, {}
            self._motions.learn(self._own_motions)
        tracks = self._tracker.follow(picture, sample.at_ns)
        self._readings = {track.number: self._read(track, sample.at_ns) for track in tracks}
        moved = self._moved(sample)
        if not self._readings:
            return moved
        readings = sorted(self._readings.values(), key=_score, reverse=True)
        return [*moved, self._event(sample, picture, readings)]

    @property
    def hands(self) -> Sequence[Track]:
        """The hands of the last picture, the one that its event is about first."""
        return [reading.track for reading in sorted(self._readings.values(), key=_score, reverse=True)]

    def finish(self, now_ns: int) -> Sequence[Event]:  # noqa: ARG002
        """The movements that the end cut short."""
        return [self._motion(number, motion, self._error_ns) for number, motion in self._motions.finish()]

    def _moved(self, sample: Sample) -> list[Event]:
        """The movements that were over by now, also of hands out of sight."""
        self._error_ns = sample.at_error_ns
        hands = {number: reading.track.hand.joints for number, reading in self._readings.items()}
        ended = self._motions.see(sample.at_ns, hands)
        self._moving |= self._readings
        events = [self._motion(number, motion, sample.at_error_ns) for number, motion in ended]
        self._moving = {n: r for n, r in self._moving.items() if sample.at_ns - r.at_ns <= _REMEMBER_NS}
        return events

    def _motion(self, number: int, motion: Motion, at_error_ns: int) -> Event:
        reading = self._moving[number]
        return self._stream.event(
            motion.end_ns,
            at_error_ns=at_error_ns,
            span_ns=motion.end_ns - motion.onset_ns,
            label=motion.label,
            score=motion.score,
            quality=reliability(Modality.GESTURE, {"presence": reading.track.hand.presence}),
            features=_features([reading]),
            metadata={"handedness": reading.side, "hand": str(number)},
        )

    def _read(self, track: Track, at_ns: int) -> _Reading:
        """Classify a hand, and soften the answer by what it said before; the first picture speaks for itself."""
        features = hand_features(track.joints, track.right)
        probabilities = self._classifier.probabilities(features)
        label, _ = built_in_label(probabilities, self._min_score)
        own = self._own.chances(features, label) if self._own else _NONE
        before = self._readings.get(track.number)
        if before is not None:
            kept = math.exp((before.at_ns - at_ns) / _SMOOTH_NS)
            probabilities = kept * before.probabilities + (1 - kept) * probabilities
            own = kept * before.own + (1 - kept) * own
        return _Reading(track, probabilities, own, features, at_ns)

    def _event(self, sample: Sample, picture: Picture, readings: Sequence[_Reading]) -> Event:
        surest = readings[0]
        hand = surest.track.hand
        said = [reading.said(self._own.names if self._own else (), self._min_score) for reading in readings]
        (label, score), others = said[0], [name for name, _ in said[1:] if name]
        return self._stream.event(
            sample.at_ns,
            at_error_ns=sample.at_error_ns,
            label=label,
            score=score,
            quality=reliability(Modality.GESTURE, hand.measures()),
            features=_features(readings),
            metadata={
                "handedness": surest.side,
                "hand": str(surest.track.number),
                "hands": str(len(readings)),
                "box": _box(surest, picture),
                "unknown": f"{surest.probabilities[-1]:.3f}",
                **({"other": others[0]} if others else {}),
                **({"moving": "yes"} if self._motions.busy(surest.track.number) else {}),
            },
        )


def _score(reading: _Reading) -> float:
    return reading.score


def _features(readings: Sequence[_Reading]) -> Tensor:
    """Of up to two hands, 128 numbers."""
    features = np.zeros(2 * HAND_FEATURES, np.float32)
    for place, reading in enumerate(readings):
        features[place * HAND_FEATURES :][:HAND_FEATURES] = reading.features
    return Tensor.of(features)


def _box(reading: _Reading, picture: Picture) -> str:
    """Left, top, width and height of what is seen of a hand, in parts of the picture's width and height."""
    height, width = picture.shape[:2]
    (left, top), (right, bottom) = reading.track.hand.box().tolist()
    left, right = (min(max(x / width, 0.0), 1.0) for x in (left, right))
    top, bottom = (min(max(y / height, 0.0), 1.0) for y in (top, bottom))
    return f"{left:.3f} {top:.3f} {right - left:.3f} {bottom - top:.3f}"
