"""Hands that the user taught, beside the gestures that are built in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from sensorium_agent.infer.gesture.classify import Floats
from sensorium_agent.infer.gesture.shape import hand_shape
from sensorium_agent.infer.prototypes import Prototypes, read_space

OWN_FROM: Final = 0.5
"""Probability from which a hand means what was taught: above, it is nearer to that than to anything else known."""
_JOINTS: Final = 63


class OwnGestures:
    """Knows what hands mean to this user.

    Args:
        space: file of the space in which hands are compared, the model ``gesture_space``.
        hands: by name the features [n, 64] of hands that show it, at least one name.
    """

    def __init__(self, space: Path, hands: Mapping[str, Floats]) -> None:
        self._prototypes = Prototypes(read_space(space), {name: shapes(some) for name, some in hands.items()})
        self.names = self._prototypes.names

    def chances(self, features: Floats, built_in: str | None) -> Floats:
        """Probability [names] that a hand [64] means each, beside the ``built_in`` label it has."""
        (chances,) = self._prototypes.chances(shapes(features[np.newaxis]), [built_in])
        return np.asarray(chances, np.float32)


def shapes(features: Floats) -> Floats:
    """The shapes [n, SHAPE] of hands [n, 64]."""
    return hand_shape(features[:, :_JOINTS].reshape(-1, 21, 3))
