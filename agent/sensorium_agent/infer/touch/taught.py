"""Strokes taught by example: kept in a small file, found again at any place, size, slant and speed.

A stroke becomes 32 points at equal steps along its way, about their middle, of unit size. A template is turned onto
it by the best angle (in closed form: the argument of the complex inner product, as in Protractor, Li 2010) and the
two are aligned elastically (dynamic time warping in a band, Sakoe and Chiba 1978), because people stretch one part
of a drawing and not the other. Where a point is counts, and where it heads: a triangle can be stretched to a box,
its corners cannot. Turning has a small price, so that a V stays a V where its mirror image is taught too.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sensorium.errors import SensoriumError
from sensorium_agent.infer import kept
from sensorium_agent.infer.touch.contact import Points, smoothed, spaced
from sensorium_agent.infer.touch.feel import UNKNOWN, USUAL, Answer, Feel

Curve = npt.NDArray[np.complex128]

STEPS: Final = 32
"""Points of a template, for each finger."""
_BAND: Final = 3
_TURN_PRICE: Final = 0.15
"""Of half a turn, in units of a stroke's size."""
_MOST_FINGERS: Final = 3
_HALF: Final = 0.29
_FIRST: Final = 0.035
"""The distance at which a stroke is as likely one that nobody taught: with many examples, and more with only one."""
_SOFT: Final = 0.03
_HEADING: Final = 0.25
_COARSE: Final = 3.0
"""A pad that gave so many points doubles the distance."""
_USUAL_WAY: Final = 6.0
"""Of a box or a triangle, in units of its size."""
_NAME: Final = r"^[a-z][a-z0-9_]{0,40}$"


class StrokesError(SensoriumError):
    """Taught strokes cannot be read, kept or changed; one line."""


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One example: for each finger the points of its path, as it was drawn."""

    name: Annotated[str, Meta(pattern=_NAME)]
    paths: Annotated[tuple[tuple[tuple[float, float], ...], ...], Meta(min_length=1, max_length=_MOST_FINGERS)]


class _File(kept.Kept, frozen=True, kw_only=True):
    strokes: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """How near a taught stroke is: ``distance`` is 0 for the same drawing, about 1 for anything else.

    ``dear`` is the distance with the price of its turn: the dearer of two drawings is the less likely one.
    """

    name: str
    distance: float
    dear: float


class Strokes:
    """The strokes a person taught. Several examples of one name make it surer.

    Args:
        examples: what is known already; see `parse`.
    """

    def __init__(self, examples: Sequence[Template] = ()) -> None:
        self._examples: list[Template] = []
        self._curves: list[Curve] = []
        for example in examples:
            self._keep(example)

    # --- teaching ------------------------------------------------------------------------

    def teach(self, name: str, paths: Sequence[npt.ArrayLike]) -> None:
        """Remember one example of ``name``: a path [n, 2] for each finger, x to the right and y down, any unit.

        Raises:
            StrokesError: the name is not of a-z, 0-9 and _, or nothing was drawn.
        """
        drawn = [np.asarray(path, np.float64) for path in paths]
        if not 1 <= len(drawn) <= _MOST_FINGERS or any(p.ndim != 2 or p.shape[1] != 2 or len(p) < 2 for p in drawn):
            raise StrokesError(f"{name}: an example is one path of points for each of 1 to {_MOST_FINGERS} fingers")
        if max(float(np.ptp(path, axis=0).max()) for path in drawn) <= 0 or not all(
            np.isfinite(p).all() for p in drawn
        ):
            raise StrokesError(f"{name}: the fingers did not move; draw the stroke once more")
        thinned = [spaced(smoothed(path), STEPS) for path in drawn]
        rounded = [[[round(float(x), 5), round(float(y), 5)] for x, y in path] for path in thinned]
        try:
            self._keep(msgspec.convert({"name": name, "paths": rounded}, Template))
        except msgspec.ValidationError as error:
            raise StrokesError(f"{name!r} is no name for a stroke; use a-z, 0-9 and _, as in check_mark") from error

    def forget(self, name: str) -> int:
        """Drop every example of ``name``; how many there were."""
        left = [example for example in self._examples if example.name != name]
        dropped = len(self._examples) - len(left)
        self._examples, self._curves = [], []
        for example in left:
            self._keep(example)
        return dropped

    @property
    def names(self) -> Mapping[str, int]:
        """What was taught, and how many examples of each."""
        return Counter(example.name for example in self._examples)

    @property
    def examples(self) -> tuple[Template, ...]:
        """All that was taught, in its order."""
        return tuple(self._examples)

    def _keep(self, example: Template) -> None:
        self._examples.append(example)
        self._curves.append(curve([np.asarray(path, np.float64) for path in example.paths]))

    # --- finding -------------------------------------------------------------------------

    def nearest(self, paths: Sequence[Points]) -> list[Match]:
        """The nearest example of each name with as many fingers, nearest first."""
        rows = [n for n, known in enumerate(self._curves) if len(known) == STEPS * len(paths)]
        if not rows:
            return []
        known = np.stack([self._curves[n] for n in rows])
        orders = itertools.permutations(paths)
        compared = [distances(curve(order), known, len(paths)) for order in orders]
        best: dict[str, Match] = {}
        for (apart, turn), (n, row) in itertools.product(compared, enumerate(rows)):
            name = self._examples[row].name
            match = Match(name, float(apart[n]), float(apart[n] + _TURN_PRICE * (turn[n] / np.pi) ** 2))
            best[name] = min(best.get(name, match), match, key=lambda m: m.dear)
        return sorted(best.values(), key=lambda m: m.dear)

    def answer(self, paths: Sequence[Points], *, least: float = 0.5) -> Answer:
        """The taught stroke that ``paths`` are, where that it is one at all is at least ``least`` probable.

        That is the logistic of the distance; the score is this times the share the name has against the next.
        """
        found = self.nearest(paths)
        if not found:
            return UNKNOWN
        half = (_HALF + _FIRST / self.names[found[0].name]) * _leeway(paths)
        known = _logistic((half - found[0].distance) / _SOFT)
        if known < least:
            return UNKNOWN
        rival = _logistic((found[1].dear - found[0].dear) / _SOFT) if len(found) > 1 else 1.0
        return Answer(found[0].name, known * rival, {"distance": f"{found[0].distance:.3f}"})

    # --- keeping -------------------------------------------------------------------------

    def export(self) -> bytes:
        """All examples as JSON; `parse` reads it."""
        return kept.encode(_File(strokes=self.examples))


@dataclass(frozen=True, slots=True)
class Touching:
    """What makes one person's touches differ from another's: limits, and the strokes that were taught."""

    feel: Feel = USUAL
    strokes: Strokes = field(default_factory=Strokes)


def parse(data: bytes, where: str = "strokes") -> Strokes:
    """The strokes that `Strokes.export` wrote.

    Raises:
        StrokesError: they are damaged, or of another version.
    """
    return Strokes(kept.decode(data, _File, where, StrokesError).strokes)


def read(path: Path) -> Strokes:
    """The strokes kept in ``path``; none if there is no such file.

    Raises:
        StrokesError: it cannot be read.
    """
    data = kept.read(path, StrokesError)
    return Strokes() if data is None else parse(data, str(path))


def write(path: Path, strokes: Strokes) -> None:
    """Keep ``strokes`` in ``path``, wholly or not at all.

    Raises:
        StrokesError: it cannot be written.
    """
    kept.write(path, strokes.export(), StrokesError)


# --- comparing ---------------------------------------------------------------------------


def curve(paths: Sequence[Points]) -> Curve:
    """``paths`` [n, 2], one for each finger, as complex [32 x fingers] of mean 0 and root mean square 1."""
    points = np.concatenate([spaced(smoothed(path), STEPS) for path in paths])
    centred = points[:, 0] + 1j * points[:, 1]
    centred = centred - centred.mean()
    size = math.sqrt(float(np.mean(np.abs(centred) ** 2)))
    return np.asarray(centred / size if size > 0 else centred, np.complex128)


def distances(drawn: Curve, known: npt.NDArray[np.complex128], fingers: int = 1) -> tuple[Points, Points]:
    """How far ``drawn`` [n] is from each of ``known`` [m, n], and by what angle it is turned in radians.

    Two of float64 [m]; see the top of this module.
    """
    inner = (known.conj() * drawn).sum(axis=1)
    turn = np.angle(inner)
    turned = known * np.exp(1j * turn)[:, None]
    split = drawn.reshape(fingers, STEPS), turned.reshape(len(known), fingers, STEPS)
    squared = np.mean([_elastic(split[0][f], split[1][:, f]) for f in range(fingers)], axis=0)
    return np.sqrt(squared), np.asarray(turn, np.float64)


def _leeway(paths: Sequence[Points]) -> float:
    """How much farther from its example than usual a drawing may be.

    A slow pad cuts corners, and a long way has more of them to go wrong, without being less the same drawing.
    """
    way = float(np.abs(np.diff(curve(paths))).sum()) / len(paths)
    return (1 + _COARSE / min(map(len, paths))) * min(max(math.sqrt(way / _USUAL_WAY), 0.8), 1.5)


def _elastic(drawn: Curve, known: npt.NDArray[np.complex128]) -> Points:
    """Mean squared distance of the best alignment within the band, for each row of ``known`` [m, n]."""
    count = len(drawn)
    cost = np.abs(known[:, None, :] - drawn[None, :, None]) ** 2
    cost += _HEADING * np.abs(_headings(known)[:, None, :] - _headings(drawn)[None, :, None]) ** 2
    total = np.full((count + 1, count + 1, len(known)), np.inf)
    total[0, 0] = 0.0
    for i in range(count):
        for j in range(max(0, i - _BAND), min(count, i + _BAND + 1)):
            # Both a step of one and one of two cost a point each, so that a detour never pays.
            before = np.minimum(total[i, j] + cost[:, i, j], np.minimum(total[i, j + 1], total[i + 1, j]))
            total[i + 1, j + 1] = before + cost[:, i, j]
    return np.asarray(total[count, count] / (2 * count), np.float64)


def _headings(curves: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
    """Where each point of ``curves`` [..., n] heads, of size 1."""
    padded = np.concatenate([curves[..., :1], curves, curves[..., -1:]], axis=-1)
    steps = padded[..., 2:] - padded[..., :-2]
    return np.asarray(steps / np.maximum(np.abs(steps), 1e-9), np.complex128)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-min(max(x, -60.0), 60.0)))
