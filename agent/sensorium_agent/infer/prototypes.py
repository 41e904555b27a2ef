"""Nearest taught example, with the right to say "none of them": no training, only statistics of a measured space.

The space is that of a two-covariance model (Ioffe, "Probabilistic linear discriminant analysis", 2006): two looks at
one thing differ with variance 1 in every direction, things among each other with the variances ``between``. A class
of which n examples with mean m are known expects a new look z, in each direction,

    its own    N(z; v n m / s, s + v)    v = 1 / (1 / between + n / s)
    any other  N(z; 0, s + between)

and its *evidence* is the log of their ratio, in nats. s is the spread of the user's own examples, taken with four
more of the usual one. A class speaks only above its *threshold*: at least 0, and what all but three in a hundred of
those that have a name already stay below, of each kind of them. So what is taught too much like something else is heard
less, not too often. A sense that looks ten times a second at whatever there is asks for more than 0 nats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_HELD: Final = 4.0
"""Examples of the usual spread that the user's own are taken with."""
_KEPT_OUT: Final = 0.97
"""Of the negatives that are known here."""


class SpaceError(SensoriumError):
    """A space cannot be read; one line."""


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Where examples are compared.

    Attributes:
        mean: float32 [D], what features are taken from.
        basis: float32 [D, d].
        between: float32 [d], variance between classes where that within one is 1.
        negatives: float32 [n, d], places of what is known here already.
        labels: [n], what each of those is; empty for nothing with a name.
        slope: log odds of being right, by nat of evidence above all others.
        kinds: [n], which negatives are alike enough to be asked about together (talk, noises); all, if empty.
    """

    mean: Floats
    basis: Floats
    between: Floats
    negatives: Floats
    labels: npt.NDArray[np.str_]
    slope: float
    kinds: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))

    def place(self, features: Floats) -> Doubles:
        """The places [n, d] of features [n, D]."""
        return np.asarray((features - self.mean) @ self.basis, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Prototype:
    """One class: what of its own is expected where (``centre``, ``own`` [d]), and of any other (``other`` [d])."""

    centre: Doubles
    own: Doubles
    other: Doubles
    threshold: float = 0.0

    @classmethod
    def of(cls, places: Doubles, space: Space) -> Prototype:
        """From examples [n, d], before a threshold is set."""
        count = len(places)
        between = space.between.astype(np.float64)
        scatter = float(((places - places.mean(axis=0)) ** 2).sum()) / places.shape[1]
        spread = (_HELD + scatter) / (_HELD + count - 1)
        v = 1 / (1 / between + count / spread)
        centre = v * count / spread * places.mean(axis=0)
        return cls(centre, spread + v, spread + between)

    def evidence(self, places: Doubles) -> Doubles:
        """That places [n, d] are of this class rather than any other, nats [n]."""
        own = ((places - self.centre) ** 2 / self.own).sum(axis=1) + np.log(self.own).sum()
        other = (places**2 / self.other).sum(axis=1) + np.log(self.other).sum()
        return np.asarray((other - own) / 2, np.float64)


class Prototypes:
    """Classes that a user taught, beside those that are built in.

    Args:
        space: where they are compared.
        examples: by name features [n, D], at least one.
        least: by name the lowest threshold in nats, 0 where none is given.
    """

    def __init__(
        self, space: Space, examples: Mapping[str, Floats], least: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        self.names = tuple(examples)
        self._space = space
        self._taught = [self._heldback(space.place(some), least.get(name, 0.0)) for name, some in examples.items()]
        known = {str(label) for label in np.unique(space.labels) if label}
        self._built_in = {label: _clusters(space, label) for label in known}

    def chances(self, features: Floats, built_in: Sequence[str | None]) -> Floats:
        """Probability [n, names] that features [n, D] show what was taught, beside the ``built_in`` label each has.

        It is that of the evidence above the class's threshold, above that of the built-in label and above that of the
        other names: half where two are equal, so that never two have more.
        """
        places = self._space.place(features)
        evidence = np.stack([p.evidence(places) for p in self._taught], axis=1)
        above = evidence - [p.threshold for p in self._taught]
        for column in range(len(self.names)):
            rivals = np.delete(evidence, column, axis=1).max(axis=1, initial=-np.inf)
            rivals = np.maximum(
                rivals, [self._known(place, label) for place, label in zip(places, built_in, strict=True)]
            )
            above[:, column] = np.minimum(above[:, column], evidence[:, column] - rivals)
        return np.asarray(1 / (1 + np.exp(-np.clip(self._space.slope * above, -60, 60))), np.float32)

    def nearest(self, features: Floats) -> list[str | None]:
        """The built-in label that features [n, D] show most evidently, whatever names it; None where none is likely."""
        return [self._nearest(place) for place in self._space.place(features)]

    def _nearest(self, place: Doubles) -> str | None:
        likely = {label: known for label in self._built_in if (known := self._known(place, label)) > 0}
        return max(likely, key=lambda label: likely[label], default=None)

    def _known(self, place: Doubles, label: str | None) -> float:
        """The evidence for a built-in label; none where nothing is known of it here."""
        clusters = self._built_in.get(label or "", ())
        return max((float(c.evidence(place[np.newaxis])[0]) for c in clusters), default=-np.inf)

    def _heldback(self, places: Doubles, least: float) -> Prototype:
        raw = Prototype.of(places, self._space)
        against = raw.evidence(self._space.negatives.astype(np.float64))
        kinds = self._space.kinds if len(self._space.kinds) else np.zeros(len(against), np.int8)
        bars = [float(np.quantile(against[kinds == kind], _KEPT_OUT)) for kind in np.unique(kinds)]
        return Prototype(raw.centre, raw.own, raw.other, max([*bars, least]))


def _clusters(space: Space, label: str) -> tuple[Prototype, ...]:
    """The ways to show a built-in label: its negatives lie way by way, `WAY` of each."""
    places = space.negatives[space.labels == label].astype(np.float64)
    return tuple(Prototype.of(places[i : i + WAY], space) for i in range(0, len(places), WAY))


WAY: Final = 40
"""Examples of each way to show something that a space's negatives have, one way after the other."""


def read_space(path: Path) -> Space:
    """The space in a ``.npz`` file.

    Raises:
        SpaceError: it is not one.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            mean, basis, between, negatives = (
                file[name].astype(np.float32) for name in ("mean", "basis", "between", "negatives")
            )
            kinds = file["kinds"].astype(np.int8) if "kinds" in file else np.zeros(0, np.int8)
            return Space(mean, basis, between, negatives, file["labels"].astype(str), float(file["slope"]), kinds)
    except (OSError, ValueError, KeyError) as error:
        raise SpaceError(f"{path}: not a space of examples; run: sensorium models verify") from error
