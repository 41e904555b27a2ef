"""Does the sensor touch the skin, and does the hand keep still?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.biometric.pulse import clipped_share, flat, held_share

_HELD: Final = 0.9
_LOOKED_HZ: Final = 25.0
_CLIPPED: Final = 0.5
_POOR: Final = 0.1
_LEARN: Final = 0.05
"""Share by which a good look changes what size is usual."""
_FAINT: Final = 0.1
_VIOLENT: Final = 3.0


class Contact(StrEnum):
    """How the sensor sits."""

    GOOD = "good"
    POOR = "poor"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Grip:
    """How the sensor sits, and how far movement spoils what it says: 0 to 1."""

    contact: Contact
    motion: float


class GripWatch:
    """Judges the newest seconds of a pulse against how large this person's pulse usually is."""

    def __init__(self) -> None:
        self._usual: float | None = None

    def judge(self, newest: npt.NDArray[np.floating], rate_hz: float) -> Grip:
        """How the sensor sits in the ``newest`` two seconds or so of raw values."""
        # A coarse sensor that is read often says the same several times, and feels a pulse all the same.
        held = held_share(newest[:: max(round(rate_hz / _LOOKED_HZ), 1)])
        if not len(newest) or flat(newest) or held > _HELD or clipped_share(newest) > _CLIPPED:
            return Grip(Contact.LOST, 0.0)
        size = _size(newest)
        relative = size / self._usual if self._usual else 1.0
        if relative < _FAINT:
            return Grip(Contact.LOST, 0.0)
        poor = clipped_share(newest) > _POOR
        return Grip(Contact.POOR if poor else Contact.GOOD, 1 - min(_VIOLENT / max(relative, 1e-9), 1.0))

    def learn(self, newest: npt.NDArray[np.floating]) -> None:
        """What is felt here is a good pulse: this is its usual size."""
        size = _size(newest)
        self._usual = size if self._usual is None else self._usual * (size / self._usual) ** _LEARN


def _size(values: npt.NDArray[np.floating]) -> float:
    """How far the middle nine tenths reach, without their straight trend."""
    at = np.linspace(-1, 1, len(values))
    level = values - values.mean()
    low, high = np.quantile(level - at * float(at @ level) / float(at @ at), (0.05, 0.95))
    return float(high - low) or 1e-12
