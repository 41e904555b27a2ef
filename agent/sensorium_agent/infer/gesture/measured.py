"""Gestures of hands whose joints someone else has measured."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sensorium.event import Event, EventStream, Tensor
from sensorium_agent.capture.landmarks import Landmarks
from sensorium_agent.infer.gesture.classify import (
    HAND_FEATURES,
    MEASURED_FROM,
    Floats,
    GestureClassifier,
    built_in_label,
    hand_features,
)
from sensorium_agent.infer.gesture.own import OWN_FROM, OwnGestures


def read_hands(
    stream: EventStream, landmarks: Landmarks, classifier: GestureClassifier, own: OwnGestures | None = None
) -> Iterator[Event]:
    """An event for each hand, in order, each by itself: no time passes between two rows of a file.

    A row with numbers that are not finite, or with all joints in one place, is no hand: its event has neither label
    nor features.
    """
    for index, (joints, right) in enumerate(zip(landmarks.joints, landmarks.right, strict=True)):
        there = bool(np.isfinite(joints).all() and np.ptp(joints[:, :2], axis=0).any())
        if there:
            yield _event(stream, index, hand_features(joints, float(right)), classifier, own)
        else:
            yield stream.event(0, label=None, quality=0.0, metadata={"index": str(index), "hands": "0"})


def _event(
    stream: EventStream, index: int, features: Floats, classifier: GestureClassifier, own: OwnGestures | None
) -> Event:
    chances = classifier.probabilities(features)
    label, score = _said(chances, features, own)
    both = np.zeros(2 * HAND_FEATURES, np.float32)
    both[:HAND_FEATURES] = features
    return stream.event(
        0,
        label=label,
        score=score,
        features=Tensor.of(both),
        metadata={"index": str(index), "hands": "1", "unknown": f"{chances[-1]:.3f}"},
    )


def _said(chances: Floats, features: Floats, own: OwnGestures | None) -> tuple[str | None, float]:
    """The label and its probability: the user's own where the hand is nearest to that."""
    label, score = built_in_label(chances, MEASURED_FROM)
    taught = own.chances(features, label) if own else None
    if own and taught is not None and taught.max() > OWN_FROM:
        return own.names[int(taught.argmax())], float(taught.max())
    return label, score
