"""Gestures of hands whose joints someone else has measured."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sensorium.event import Event, EventStream, Tensor
from sensorium_agent.capture.landmarks import Landmarks
from sensorium_agent.infer.gesture.classify import (
    HAND_FEATURES,
    LABELS,
    MEASURED_FROM,
    Floats,
    GestureClassifier,
    hand_features,
)


def read_hands(stream: EventStream, landmarks: Landmarks, classifier: GestureClassifier) -> Iterator[Event]:
    """An event for each hand, in order, each by itself: no time passes between two rows of a file.

    A row with numbers that are not finite is no hand: its event has neither label nor features.
    """
    for index, (joints, right) in enumerate(zip(landmarks.joints, landmarks.right, strict=True)):
        there = bool(np.isfinite(joints).all())
        yield _event(stream, index, hand_features(joints, float(right)) if there else None, classifier)


def _event(stream: EventStream, index: int, features: Floats | None, classifier: GestureClassifier) -> Event:
    if features is None:
        return stream.event(0, label=None, quality=0.0, metadata={"index": str(index), "hands": "0"})
    chances = classifier.probabilities(features)
    best = int(chances[: len(LABELS)].argmax())
    known = bool(chances[best] >= MEASURED_FROM)
    both = np.zeros(2 * HAND_FEATURES, np.float32)
    both[:HAND_FEATURES] = features
    return stream.event(
        0,
        label=LABELS[best] if known else None,
        score=min(float(chances[best]), 1.0) if known else 0.0,
        features=Tensor.of(both),
        metadata={"index": str(index), "hands": "1", "unknown": f"{chances[-1]:.3f}"},
    )
