"""What senses answered, how good the signal was, whether they were right: what reliability is learnt from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Look:
    """One answer of a sense.

    Attributes:
        measures: of its signal's quality, by name.
        formula: what the quality was by formula, 0 to 1.
        right: whether the answer was.
        whose: the person or the recording; intervals are over these.
    """

    measures: Mapping[str, float]
    formula: float
    right: bool
    whose: str


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """n of them: measures [n] by name, NaN where one was not taken."""

    measures: Mapping[str, Floats]
    formula: Floats
    right: Bools
    whose: npt.NDArray[np.str_]

    @classmethod
    def of(cls, looks: Iterable[Look]) -> Looks:
        """Rows as columns."""
        rows = list(looks)
        names = sorted({name for row in rows for name in row.measures})
        measures = {name: np.array([row.measures.get(name, np.nan) for row in rows], np.float64) for name in names}
        formula, right = np.array([row.formula for row in rows]), np.array([row.right for row in rows])
        return cls(measures, formula, right, np.array([row.whose for row in rows]))

    def __len__(self) -> int:
        return len(self.right)

    def save(self, path: Path) -> None:
        """As an npz file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        own = {f"measure_{name}": values for name, values in self.measures.items()}
        np.savez_compressed(path, formula=self.formula, right=self.right, whose=self.whose, **own)

    @classmethod
    def load(cls, path: Path) -> Looks:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as kept:
            measures = {name.removeprefix("measure_"): kept[name] for name in kept.files if name.startswith("measure_")}
            return cls(measures, kept["formula"], kept["right"], kept["whose"])
