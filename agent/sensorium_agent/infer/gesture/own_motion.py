"""Movements of a hand that the user taught, beside those that are built in.

A movement is the way that the middle between palm and index finger goes from rest to rest, compared as drawings are
(`touch.taught`): 32 points of unit size, aligned elastically. It may be larger or quicker than it was shown, but hardly
turned: up is not left. The fingers may be held in any way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.gesture.bout import Bout, Motion
from sensorium_agent.infer.touch.contact import smoothed, spaced
from sensorium_agent.infer.touch.taught import STEPS, Curve, curve, distances

OWN_FROM: Final = 0.5
"""Probability from which a movement is what was taught."""
_LEAST_PALMS: Final = 1.0  # the larger side of what counts as a movement
_SLOW: Final = 0.12  # part of the highest speed below which a hand rests
_TURN_PRICE: Final = 4.0  # of half a turn, in units of a way's size: 45 degrees are about too many
_HALF: Final = 0.32
_FIRST: Final = 0.04
"""The distance at which a way is as likely one that nobody taught, and what a first example alone adds to it."""
_SOFT: Final = 0.035

Ways = npt.NDArray[np.float32]


class OwnMotions:
    """Knows what a hand's movements mean to this user.

    Args:
        ways: by name examples [n, 32, 2] as `way` gives them, at least one name.
    """

    def __init__(self, ways: Mapping[str, Ways]) -> None:
        self.names = tuple(ways)
        self._counts = [len(some) for some in ways.values()]
        self._of = np.repeat(np.arange(len(self.names)), self._counts)
        self._curves = np.stack([_curve(one) for some in ways.values() for one in some])

    def motion(self, bout: Bout) -> Motion | None:
        """The taught movement that a bout was, if it was one."""
        found = way(bout)
        if found is None:
            return None
        chances = self.chances(found)
        best = int(chances.argmax())
        if chances[best] <= OWN_FROM:
            return None
        first, last = moving(bout)
        return bout.motion(self.names[best], float(chances[best]), first, last)

    def chances(self, found: Ways) -> npt.NDArray[np.float64]:
        """Probability [names] that a way [32, 2] is what was taught, by how much nearer it is than it has to be.

        It has to be nearer than what nobody taught would be, and than the nearest way of any other name.
        """
        apart, turn = distances(_curve(found), self._curves)
        dear = apart + _TURN_PRICE * (turn / np.pi) ** 2
        nearest = np.array([dear[self._of == name].min() for name in range(len(self.names))])
        halves = _HALF + _FIRST / np.array(self._counts)
        rivals = np.array([np.delete(nearest, name).min(initial=np.inf) for name in range(len(self.names))])
        margins = np.minimum(halves, rivals) - nearest
        return np.array([_logistic(margin / _SOFT) for margin in margins])


def way(bout: Bout) -> Ways | None:
    """The way [32, 2] in palms that a hand went in a bout; None where it hardly went anywhere."""
    first, last = moving(bout)
    path = _path(bout)[first : last + 1]
    if len(path) < 4 or float(np.ptp(path, axis=0).max()) < _LEAST_PALMS:
        return None
    return spaced(smoothed(path), STEPS).astype(np.float32)


def moving(bout: Bout) -> tuple[int, int]:
    """The first and last grid step at which it moved."""
    speed = np.hypot(*np.diff(_path(bout), axis=0).T)
    fast = np.flatnonzero(speed > _SLOW * speed.max(initial=0.0))
    fast = fast[fast >= bout.onset - 4]
    return (int(fast[0]), int(fast[-1]) + 1) if len(fast) else (0, 0)


def _path(bout: Bout) -> npt.NDArray[np.float64]:
    return (bout.palm + bout.index) / 2


def _curve(one: Ways) -> Curve:
    return curve([np.asarray(one, np.float64)])


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-min(max(x, -60.0), 60.0)))
