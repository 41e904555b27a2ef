"""What a hand did while it was busy: geometry of its path, with soft limits.

Lengths are in palms (wrist to the middle finger's knuckle, some 9 cm), so that near and far, large and small hands are
the same. Directions are the person's own, as one who faces the camera has them: a hand that goes to the right in the
picture goes to its owner's left. A score is the least of how well each condition is met; 0.5 is just so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LABELS: Final = (
    "swipe_left", "swipe_right", "swipe_up", "swipe_down", "wave", "circle", "push", "grab", "release",
)  # fmt: skip
COLUMNS: Final = ("palm x", "palm y", "tips x", "tips y", "log size", "least reach", "most reach", "index x", "index y")
"""Of a row of samples, in the picture's unit; reach is that of the four fingers, from the wrist."""
PALM: Final = (0, 5, 9, 13, 17)

_SURE: Final = 0.7  # below, one of two was wrong: see models/cards/hand_motion.md
_SOON_NS: Final = 700_000_000
_LEISURE_NS: Final = 1_500_000_000
_GRID_NS: Final = 20_000_000
_BLUR: Final = np.exp(-0.5 * (np.arange(-4, 5) / 1.6) ** 2)  # 32 ms
_CORNER: Final = 4  # grid steps on either side of a corner
_OPPOSITE: Final = {
    "swipe_left": "swipe_right",
    "swipe_right": "swipe_left",
    "swipe_up": "swipe_down",
    "swipe_down": "swipe_up",
}
_SLOW: Final[Mapping[str, tuple[float, float]]] = {
    **dict.fromkeys(("swipe_left", "swipe_right", "swipe_up", "swipe_down"), (0.04, 0.07)),
    "wave": (0.12, 0.08),
    "circle": (0.10, 0.13),
    **dict.fromkeys(("push", "grab", "release"), (0.17, 0.24)),
}
"""How long the slow beginning and end are that thresholds cut off, in parts of what is left: models/build/motion.py."""
_DIRECTIONS: Final = {"swipe_left": (1, 0), "swipe_right": (-1, 0), "swipe_up": (0, -1), "swipe_down": (0, 1)}


@dataclass(frozen=True, slots=True)
class Motion:
    """A movement that meant something, from ``onset_ns`` to ``end_ns``."""

    label: str
    score: float
    onset_ns: int
    end_ns: int

    def leads_back(self, before: Motion) -> bool:
        """Whether this is but the hand's return from the swipe ``before``: soon, or later and at leisure."""
        if self.label != _OPPOSITE.get(before.label):
            return False
        pause_ns = self.onset_ns - before.end_ns
        slower = self.end_ns - self.onset_ns > 1.2 * (before.end_ns - before.onset_ns)
        return pause_ns < (_LEISURE_NS if slower else _SOON_NS)


@dataclass(frozen=True, slots=True, eq=False)
class Bout:
    """A busy hand on a grid of 20 ms, the rest before it included.

    Attributes:
        begin_ns: of the grid.
        onset: the grid step at which the hand got busy.
        lost: it went out of sight.
        palm, tips, index: places [n, 2] in palms.
        size: logarithm [n] of the hand's size in the picture.
        least, most: of the four fingers' reach from the wrist, [n]: 1 for a fist, 1.9 stretched.
    """

    begin_ns: int
    onset: int
    lost: bool
    palm: Floats
    tips: Floats
    index: Floats
    size: Floats
    least: Floats
    most: Floats

    @classmethod
    def over(cls, times: npt.NDArray[np.int64], rows: Floats, onset_ns: int, *, lost: bool) -> Bout:
        """From uneven samples: rows [n, 9] of `COLUMNS` in the picture's unit."""
        grid = np.arange(times[0], times[-1] + 1, _GRID_NS)
        even = np.stack([_blurred(np.interp(grid, times, column)) for column in rows.T])
        unit = math.exp(float(np.median(rows[:, 4])))
        onset = int(np.clip((onset_ns - times[0]) // _GRID_NS, 0, len(grid) - 1))
        palm, tips, index = ((even[[i, i + 1]] / unit).T for i in (0, 2, 7))
        return cls(int(times[0]), onset, lost, palm, tips, index, even[4], even[5], even[6])

    def motion(self, label: str, score: float, first: int, last: int) -> Motion:
        """One from grid step ``first`` to ``last``."""
        return Motion(label, score, self.begin_ns + first * _GRID_NS, self.begin_ns + last * _GRID_NS)

    def whole(self, motion: Motion) -> Motion:
        """With its slow beginning and end (`_SLOW`), as far as the bout goes."""
        before, after = (round(part * (motion.end_ns - motion.onset_ns)) for part in _SLOW[motion.label])
        last_ns = self.begin_ns + (len(self.palm) - 1) * _GRID_NS
        onset_ns = max(self.begin_ns, motion.onset_ns - before)
        return replace(motion, onset_ns=onset_ns, end_ns=min(last_ns, motion.end_ns + after))


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """A part of a path without corners, from step ``first`` to ``last``."""

    first: int
    last: int
    net: Floats
    path: float

    @property
    def length(self) -> float:
        """From its beginning to its end, straight."""
        return float(np.hypot(*self.net))

    @property
    def span_s(self) -> float:
        """How long it took."""
        return max(self.last - self.first, 1) * _GRID_NS / 1e9


def named(bout: Bout) -> list[Motion]:
    """What a bout was; often nothing."""
    # A wave's first stroke may pass for a swipe, a circle's sides for a wave, and a grip moves the finger tips.
    for kinds in ((_circle,), (_wave,), (_grips,), (_push, _swipe)):
        best = max((m for kind in kinds for m in kind(bout)), key=_score, default=None)
        if best is not None and best.score >= _SURE:
            return [bout.whole(best)]
    return []


# --- swipes ----------------------------------------------------------------------------


def _swipe(bout: Bout) -> Iterator[Motion]:
    """One straight, quick way along an axis of the picture; the way back belongs to it."""
    middle = (bout.palm + bout.tips) / 2
    ways = [(label, way) for label, axis in _DIRECTIONS.items() for way in _ways(middle, np.array(axis, float))]
    meant: Motion | None = None
    for label, stroke in sorted(ways, key=lambda way: way[1].first):
        found = bout.motion(label, _swipe_score(bout, stroke, _DIRECTIONS[label]), stroke.first, stroke.last)
        if found.score >= _SURE and not (meant and found.leads_back(meant)):
            meant = found
            yield found


def _ways(path: Floats, direction: Floats) -> Iterator[Stroke]:
    """The parts of a path that go within 45 degrees of ``direction``, before and behind rounded corners."""
    steps = np.diff(path, axis=0)
    speed = np.hypot(*steps.T)
    along = (steps @ direction > 0.707 * speed) & (speed > 0.1 * speed.max(initial=0.0))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], along, [False]]).astype(np.int8)))
    for first, last in edges.reshape(-1, 2):
        if last - first >= 3:
            yield _stroke(path, int(first), int(last))


def _swipe_score(bout: Bout, stroke: Stroke, direction: tuple[float, float]) -> float:
    along = float(stroke.net @ np.array(direction))
    if along <= 0:
        return 0.0
    off_deg = math.degrees(math.acos(min(along / max(stroke.length, 1e-9), 1.0)))
    growth = abs(float(bout.size[stroke.last] - bout.size[stroke.first]))
    sure = [
        _above(stroke.length, 1.3, 0.25),
        _above(stroke.length / stroke.span_s, 3.0, 0.5),
        _below(stroke.span_s, 1.1, 0.1),
        _above(stroke.length / max(stroke.path, 1e-9), 0.82, 0.05),
        _below(off_deg, 32, 5),
        _below(growth, 0.4, 0.08),
        _below(_clutter(bout, stroke), 0.8, 0.1),
        # A fist carries, strikes and pulls.
        _above(float(np.median(bout.most[stroke.first : stroke.last + 1])), 1.25, 0.05),
    ]
    if direction[1]:  # a hand is raised to begin and lowered to end: only quickly, from rest and in sight is it meant
        sure.append(_above(stroke.first * _GRID_NS / 1e9, 0.12, 0.02))
        sure.append(_above(stroke.length / stroke.span_s, 3.6, 0.7))
        sure.append(_below(stroke.span_s, 0.85, 0.1))
    if direction[1] > 0 and bout.lost:
        sure.append(_above((len(bout.palm) - stroke.last) * _GRID_NS / 1e9, 0.16, 0.02))
    return min(sure)


def _clutter(bout: Bout, stroke: Stroke) -> float:
    """How far the hand went besides, in lengths of the stroke; raising it, the way back and lowering it are free."""
    steps = np.diff((bout.palm + bout.tips) / 2, axis=0)
    far = np.hypot(*steps.T)
    down, back = steps[:, 1] > 0.6 * far, steps @ stroke.net < -0.6 * far * stroke.length
    before, after = slice(0, stroke.first), slice(stroke.last, None)
    besides = far[before][steps[before, 1] > -0.6 * far[before]].sum() + far[after][~(down | back)[after]].sum()
    return float(besides) / max(stroke.length, 1e-9)


# --- waves and circles -------------------------------------------------------------------


def _wave(bout: Bout) -> Iterator[Motion]:
    """To and fro at least three times, about level, with an open hand."""
    strokes = [stroke for stroke in _strokes(bout.tips) if stroke.length > 0.3]
    if len(strokes) < 3:
        return
    run = _alternating(strokes)
    if len(run) < 3:
        return
    first, last = run[0].first, run[-1].last
    level = sum(abs(float(s.net[0])) for s in run) / sum(s.length for s in run)
    lengths = [stroke.length for stroke in run]
    score = min(
        _above(len(run) + min(max(float(np.median(lengths)) - 0.6, 0.0), 0.8), 3.4, 0.25),
        _above(float(np.median(lengths)), 0.45, 0.08),
        _below(float(np.std(lengths) / np.mean(lengths)), 0.45, 0.06),
        _below(max(stroke.span_s for stroke in run), 0.7, 0.08),
        _above(level, 0.72, 0.06),
        _above(float(np.median(bout.least[first : last + 1])), 1.3, 0.08),
    )
    yield bout.motion("wave", score, first, last)


def _alternating(strokes: Sequence[Stroke]) -> list[Stroke]:
    """The longest run of strokes each of which goes back where the last came from."""
    best: list[Stroke] = []
    run: list[Stroke] = []
    for stroke in strokes:
        if run and not _turns_back(run[-1], stroke):
            run = []
        run.append(stroke)
        best = max(best, run, key=len)
        run = list(run)
    return best


def _turns_back(one: Stroke, other: Stroke) -> bool:
    back = -float(one.net @ other.net) / max(one.length * other.length, 1e-9)
    return back > 0.8 and 0.4 < other.length / one.length < 2.5 and other.first - one.last <= 8


def _circle(bout: Bout) -> Iterator[Motion]:
    """Once around or more, by the arm or by the finger alone."""
    for point in (bout.index, bout.palm):
        path = np.stack([_blurred(_blurred(column)) for column in point.T], axis=1)
        speed = np.hypot(*np.diff(path, axis=0).T)
        moving = np.flatnonzero(speed > 0.2 * speed.max(initial=0.0))
        if len(moving) < 12:
            continue
        turned = np.cumsum(_turns(np.diff(path, axis=0)[moving]))
        for values in (turned, -turned):
            first, last = _rise(values)
            loops = [path[moving[one] : moving[other] + 2] for one, other in _loops(values, first, last)]
            score = max((_roundness(loop) for loop in loops if len(loop) > 8), default=0.0)
            yield bout.motion("circle", score, int(moving[first]), int(moving[last]) + 1)


def _loops(turned: Floats, first: int, last: int) -> Iterator[tuple[int, int]]:
    """A short turn whole; a long one loop by loop, beginning anew every quarter, for who circles wanders."""
    so_far = turned[first : last + 1] - turned[first]
    once = min(2 * math.pi, float(so_far[-1]))
    for start in np.arange(0, so_far[-1] - once + 1e-6, math.pi / 2):
        yield first + int(np.argmax(so_far >= start)), first + int(np.argmax(so_far >= start + once - 1e-9))


def _roundness(path: Floats) -> float:
    """The score of a path as a circle: how far it goes around its middle, how evenly, how large and how fast."""
    away = path - (path.max(axis=0) + path.min(axis=0)) / 2
    radius = np.hypot(*away.T)
    angle = np.unwrap(np.arctan2(away[:, 1], away[:, 0]))
    around = abs(float(angle[-1] - angle[0]))
    span_s = len(path) * _GRID_NS / 1e9
    steadiness = around / max(float(np.abs(np.diff(angle)).sum()), 1e-9)
    return min(
        _above(math.degrees(around), 272, 12),
        _above(float(radius.mean()), 0.26, 0.04),
        _below(float(radius.std() / max(radius.mean(), 1e-9)), 0.22, 0.02),
        _above(steadiness, 0.9, 0.02),
        _below(around / (2 * math.pi) / span_s, 3.0, 0.2),
    )


def _turns(steps: Floats) -> Floats:
    """Change of direction [n - 1] from step to step, radians."""
    change = np.diff(np.arctan2(steps[:, 1], steps[:, 0]))
    return np.asarray((change + math.pi) % (2 * math.pi) - math.pi)


# --- pushes and grips --------------------------------------------------------------------


def _push(bout: Bout) -> Iterator[Motion]:
    """Towards the camera: the hand grows and stays where it is in the picture."""
    first, last = _rise(bout.size)
    growth = float(bout.size[last] - bout.size[first])
    span_s = max(last - first, 1) * _GRID_NS / 1e9
    aside = float(np.hypot(*(bout.palm[last] - bout.palm[first])))
    score = min(
        _above(growth, 0.22, 0.03),
        _above(growth / span_s, 0.42, 0.05),
        _below(span_s, 1.1, 0.1),
        _below(aside / max(growth, 1e-6), 4.0, 0.7),
    )
    yield bout.motion("push", score, first, last)


def _grips(bout: Bout) -> Iterator[Motion]:
    """All fingers close, or open, while the hand stays about where it is."""
    for label, values in (("grab", -(bout.least + bout.most)), ("release", bout.least + bout.most)):
        first, last = _rise(values)
        shut, spread = (last, first) if label == "grab" else (first, last)
        aside = float(np.hypot(*(bout.palm[last] - bout.palm[first])))
        score = min(
            _below(float(bout.most[shut]), 1.36, 0.05),
            _above(float(bout.least[spread]), 1.45, 0.05),
            _below(max(last - first, 1) * _GRID_NS / 1e9, 0.9, 0.08),
            _below(aside, 1.5, 0.2),
        )
        yield bout.motion(label, score, first, last)


def _rise(values: Floats) -> tuple[int, int]:
    """The steps between which most is gained, without the slow beginning and end."""
    low = np.minimum.accumulate(values)
    last = int(np.argmax(values - low))
    first = int(np.argmin(values[: last + 1]))
    bottom, gain = values[first], values[last] - values[first]
    part = values[first : last + 1]
    late = first + int(np.flatnonzero(part <= bottom + 0.08 * gain)[-1])
    early = first + int(np.flatnonzero(part >= bottom + 0.92 * gain)[0])
    return (late, early) if late < early else (first, last)


# --- paths -------------------------------------------------------------------------------


def _strokes(path: Floats) -> list[Stroke]:
    """A path cut at its corners, each part without the slow beginning and end."""
    ends = [0, *_corners(path), len(path) - 1]
    found = (_stroke(path, first, last) for first, last in itertools.pairwise(ends) if last - first >= 3)
    return [stroke for stroke in found if stroke.length > 0.25]


def _corners(path: Floats) -> list[int]:
    """Where the path turns by more than 50 degrees within 160 ms, or comes to rest."""
    n = _CORNER
    if len(path) <= 2 * n:
        return []
    before, after = path[n:-n] - path[: -2 * n], path[2 * n :] - path[n:-n]
    both = np.hypot(*before.T) * np.hypot(*after.T)
    turn = np.where(both > 0.003, (before * after).sum(axis=1) / np.maximum(both, 1e-12), -1.0)
    sharp = np.flatnonzero(turn < math.cos(math.radians(50)))
    groups = np.split(sharp, np.flatnonzero(np.diff(sharp) > 1) + 1)
    return [int(group[np.argmin(turn[group])]) + n for group in groups if len(group)]


def _stroke(path: Floats, first: int, last: int) -> Stroke:
    speed = np.hypot(*np.diff(path[first : last + 1], axis=0).T)
    moving = np.flatnonzero(speed > 0.12 * speed.max())
    begin, end = (first + int(moving[0]), first + int(moving[-1]) + 1) if len(moving) else (first, last)
    return Stroke(begin, end, path[end] - path[begin], float(np.hypot(*np.diff(path[begin : end + 1], axis=0).T).sum()))


def _blurred(values: Floats) -> Floats:
    """A Gaussian of 32 ms, the ends repeated."""
    padded = np.pad(values, len(_BLUR) // 2, mode="edge")
    return np.convolve(padded, _BLUR / _BLUR.sum(), mode="valid")


# --- soft limits ---------------------------------------------------------------------------


def _above(value: float, limit: float, softness: float) -> float:
    return 0.5 + 0.5 * math.tanh((value - limit) / (2 * softness))


def _below(value: float, limit: float, softness: float) -> float:
    return _above(limit, value, softness)


_score: Callable[[Motion], float] = lambda motion: motion.score  # noqa: E731
