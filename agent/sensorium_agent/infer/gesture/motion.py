"""Gestures that are movements: from one hand's joints over time to swipes, waves, circles, pushes, grabs, releases.

Nothing here knows of pictures: times and joints in, motions out, at any rate from 10 to 60 a second. A hand rests, then
is busy for a while (a *bout*), then rests again; `bout` names what a bout was.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.gesture.bout import PALM, Bout, Motion, named
from sensorium_agent.infer.gesture.own_motion import OwnMotions

__all__ = ["HandMotions", "Motion", "MotionSpotter", "at_rate", "spot"]

Floats = npt.NDArray[np.float32]

_MS: Final = 1_000_000
_BEFORE_NS: Final = 300 * _MS  # of rest that are kept in front of a bout
_REST_NS: Final = 160 * _MS  # so long without movement ends a bout
_LONGEST_NS: Final = 3_500 * _MS  # a busier hand talks; what it did so far is named
_STEP_NS: Final = 70 * _MS  # over which speed is measured
_GAP_NS: Final = 400 * _MS  # a hand unseen for longer begins anew
# What counts as moving, a second: palms, tips against the palm (hands both), size (part of itself).
_BUSY: Final = (1.3, 1.8, 0.35)
_CALM: Final = 0.6  # part of those below which a hand rests
_TIPS: Final = (8, 12, 16, 20)
_KNUCKLES: Final = (5, 9, 13, 17)
_SPREAD: Final = 0.424  # root mean square distance of the palm's joints from their middle, in palms (wrist to knuckle)

Row = tuple[float, ...]
Watch = Callable[[Bout], None]


class MotionSpotter:
    """Follows one hand and names its bouts.

    Args:
        own: movements that the user taught: heard before those that are built in.
        watch: told of every bout.
    """

    def __init__(self, own: OwnMotions | None = None, watch: Watch | None = None) -> None:
        self._own = own
        self._watch = watch
        self._rows: deque[tuple[int, Row]] = deque()
        self._onset_ns: int | None = None
        self._moved_ns = 0
        self._last: Motion | None = None

    def see(self, at_ns: int, joints: Floats) -> list[Motion]:
        """What has just ended, given the joints ([21, 2] or [21, 3]; x right, y down, any unit) at ``at_ns``."""
        ended = self._gap(at_ns)
        if self._rows and at_ns <= self._rows[-1][0]:
            return ended
        self._rows.append((at_ns, row(joints)))
        busy = self._busyness()
        if self._onset_ns is None:
            self._wait(at_ns, busy)
            return ended
        if busy > _CALM:
            self._moved_ns = at_ns
        if at_ns - self._moved_ns >= _REST_NS or at_ns - self._onset_ns >= _LONGEST_NS:
            ended += self._close(lost=False)
        return ended

    def lose(self) -> list[Motion]:
        """What the hand was doing when it went out of sight."""
        ended = self._close(lost=True)
        self._rows.clear()
        return ended

    @property
    def busy(self) -> bool:
        """Whether it moves, or has only just come to rest."""
        return self._onset_ns is not None

    def gone(self, at_ns: int) -> bool:
        """Whether it has been out of sight for too long to go on."""
        return bool(self._rows) and at_ns - self._rows[-1][0] > _GAP_NS

    def _gap(self, at_ns: int) -> list[Motion]:
        return self.lose() if self.gone(at_ns) else []

    def _wait(self, at_ns: int, busy: float) -> None:
        """At rest: forget what is long ago, and see whether a bout begins."""
        if busy > 1.0:
            self._onset_ns = self._moved_ns = at_ns
            return
        while len(self._rows) > 2 and self._rows[1][0] < at_ns - _BEFORE_NS:
            self._rows.popleft()

    def _busyness(self) -> float:
        """How much moves, 1 being the least that counts."""
        at_ns, now = self._rows[-1]
        past_ns, past = next(((t, r) for t, r in reversed(self._rows) if at_ns - t >= _STEP_NS), self._rows[0])
        since_s = (at_ns - past_ns) / 1e9
        if since_s <= 0:
            return 0.0
        unit = math.exp(now[4]) * since_s
        px, py = now[0] - past[0], now[1] - past[1]
        palm = math.hypot(px, py) / unit
        tips = math.hypot(now[2] - past[2] - px, now[3] - past[3] - py) / unit
        size = abs(now[4] - past[4]) / since_s
        return max(palm / _BUSY[0], tips / _BUSY[1], size / _BUSY[2])

    def _close(self, *, lost: bool) -> list[Motion]:
        """End the bout, name it, and keep its end as the rest before the next one."""
        if self._onset_ns is None or len(self._rows) < 3:
            return []
        times = np.array([t for t, _ in self._rows], np.int64)
        values = np.array([r for _, r in self._rows], np.float64)
        onset_ns, self._onset_ns = self._onset_ns, None
        while len(self._rows) > 2 and self._rows[1][0] < self._moved_ns:
            self._rows.popleft()
        bout = Bout.over(times, values, onset_ns, lost=lost)
        if self._watch is not None:
            self._watch(bout)
        taught = self._own.motion(bout) if self._own else None
        found = [taught] if taught else named(bout)
        meant = [motion for motion in found if self._last is None or not motion.leads_back(self._last)]
        self._last = meant[-1] if meant else self._last
        return meant


class HandMotions:
    """The motions of several hands, told apart by number; its arguments are those of `MotionSpotter`."""

    def __init__(self, own: OwnMotions | None = None, watch: Watch | None = None) -> None:
        self._own = own
        self._watch = watch
        self._spotters: dict[int, MotionSpotter] = {}

    def learn(self, own: OwnMotions | None) -> None:
        """Go by other movements of the user's own, for hands that come from now on."""
        self._own = own
        self._spotters = {}

    def see(self, at_ns: int, hands: Mapping[int, Floats]) -> list[tuple[int, Motion]]:
        """Whose motion has just ended, given the joints of the hands in sight at ``at_ns``."""
        found = []
        for number, joints in hands.items():
            spotter = self._spotters.setdefault(number, MotionSpotter(self._own, self._watch))
            found += [(number, motion) for motion in spotter.see(at_ns, joints)]
        gone = [number for number, spotter in self._spotters.items() if number not in hands and spotter.gone(at_ns)]
        return found + [(number, motion) for number in gone for motion in self._spotters.pop(number).lose()]

    def busy(self, number: int) -> bool:
        """Whether a hand is on its way."""
        spotter = self._spotters.get(number)
        return spotter is not None and spotter.busy

    def finish(self) -> list[tuple[int, Motion]]:
        """What every hand was doing at the end."""
        found = [(number, motion) for number, spotter in self._spotters.items() for motion in spotter.lose()]
        self._spotters.clear()
        return found


def row(joints: Floats) -> Row:
    """What of a hand moves: `bout.COLUMNS`. In plain numbers, which for so few are quicker than arrays."""
    points: list[list[float]] = joints.tolist()
    palm = [points[joint] for joint in PALM]
    tips = [points[joint] for joint in _TIPS]
    x, y = _middle(palm)
    spread = sum((p[0] - x) ** 2 + (p[1] - y) ** 2 for p in palm) / len(palm)
    size = max(math.sqrt(spread) / _SPREAD, 1e-6)
    wrist = points[0]
    reach = [
        math.dist(points[tip], wrist) / max(math.dist(points[knuckle], wrist), 1e-6)
        for tip, knuckle in zip(_TIPS, _KNUCKLES, strict=True)
    ]
    return (x, y, *_middle(tips), math.log(size), min(reach), max(reach), *points[8][:2])


def _middle(points: Sequence[Sequence[float]]) -> tuple[float, float]:
    return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)


def spot(hands: Iterable[tuple[int, Floats]]) -> Iterator[Motion]:
    """The motions in a sequence of times and joints of one hand."""
    spotter = MotionSpotter()
    for at_ns, joints in hands:
        yield from spotter.see(at_ns, joints)
    yield from spotter.lose()


def at_rate(joints: Sequence[Floats], rate_hz: float) -> Iterator[tuple[int, Floats]]:
    """Joints with the times they have at a constant rate."""
    for number, hand in enumerate(joints):
        yield round(number * 1e9 / rate_hz), hand
