"""What a hand says: its 21 joints as numbers free of its place and size, and the label they mean."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.gesture.shape import hand_shape
from sensorium_agent.infer.runtime.model import Model

LABELS: Final = (
    "fist", "open_palm", "point", "thumb_up", "thumb_down", "victory",
    "ok", "call", "rock", "three", "four", "pinch",
)  # fmt: skip
KNOWN_FROM: Final = 0.65
"""Probability from which a label is said of a hand in a picture: most hands there mean nothing."""
MEASURED_FROM: Final = 0.3
"""The same where joints alone are given: without depth, or squeezed by a picture's sides, the surest is less sure."""
HAND_FEATURES: Final = 64  # 21 joints x, y, z and the handedness
Floats = npt.NDArray[np.float32]


def hand_features(joints: Floats, right: float) -> Floats:
    """The features [64] of one hand.

    Joints [21, 3] are taken from their centre and divided by their mean distance from it in the picture. The hand's
    roll stays: only against the picture's upright is a thumb up or down.

    Args:
        joints: x right, y down, z away from the camera, all on one scale.
        right: probability of a right hand; the feature runs from -1 (left) to 1 (right).
    """
    centered = joints - joints.mean(axis=0)
    x, y = centered[:, 0], centered[:, 1]
    size = np.sqrt((x * x + y * y).mean())
    features = np.empty(HAND_FEATURES, np.float32)
    features[:-1] = (centered / max(float(size), 1e-6)).ravel()
    features[-1] = 2 * right - 1
    return features


def built_in_label(probabilities: Floats, least: float) -> tuple[str | None, float]:
    """The likeliest of `LABELS` and its probability, if that is at least ``least``; else None and 0."""
    best = int(probabilities[: len(LABELS)].argmax())
    known = bool(probabilities[best] >= least)
    return (LABELS[best], min(float(probabilities[best]), 1.0)) if known else (None, 0.0)


class GestureClassifier:
    """Names a hand's gesture."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def probabilities(self, features: Floats) -> Floats:
        """Probabilities [13] for `hand_features` [64]: one for each of `LABELS`, then that of none of them.

        The last one is the unknown score: the network has learnt it from half-closed hands, hands around objects,
        relaxed hands, other signs and joints thrown at random.
        """
        shape = hand_shape(features[np.newaxis, :-1].reshape(1, 21, 3))
        (probabilities,) = self._model.run(shape)
        return np.asarray(probabilities[0], np.float32)
