"""Fits how the cloud's reader turns likeness into probability, on sentences that are in no vocabulary."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from models.build.figures import fit_temperature
from models.build.fusion.events.lines import NOTHING_KNOWN, practised

from sensorium.concepts import Vocabulary
from sensorium_cloud.fuse.reading import EncodeSentences, Manner, Reader

Doubles = npt.NDArray[np.float64]
_STEPS: Final = 50
_PRIOR: Final = 1e-3


def fitted(vocabulary: Vocabulary, encode: EncodeSentences, reader: Reader) -> Manner:
    """The manner in which `practice` sentences are read best; ``reader``'s own plays no part.

    The sharpness is one over the temperature of the likeness (Guo et al. 2017); bar and slope are the logistic
    regression of "means any of them" on the evidence, both sides weighing the same (Platt 1999).
    """
    lines = practised(vocabulary)
    read = {name: reader.likeness(own, encode(own)) for name, own in lines.items() if own}
    known = [name for name in read if name != NOTHING_KNOWN]
    meant = np.concatenate([np.full(len(read[name][0]), vocabulary.index(name)) for name in known])
    rows = np.concatenate([read[name][0] for name in known]).astype(np.float64)
    evidence = np.concatenate([read[name][1] for name in known]).astype(np.float64)
    bar, slope = _logistic(evidence, read[NOTHING_KNOWN][1].astype(np.float64))
    sharpness = 1 / fit_temperature(100 * rows, meant) * 100
    return Manner(round(sharpness, 2), round(bar, 4), round(slope, 2))


def _logistic(above: Doubles, below: Doubles) -> tuple[float, float]:
    """Where "above" is as likely as "below", and how fast that changes; Newton's method."""
    best = np.concatenate([above, below])
    target = np.arange(len(best)) < len(above)
    weight = np.where(target, 0.5 / len(above), 0.5 / len(below))
    columns, given = np.stack([best, np.ones_like(best)], 1), np.zeros(2)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-columns @ given))
        slope = columns.T @ (weight * (target - p)) - _PRIOR * given * (1, 0)
        bend = (columns * (weight * p * (1 - p))[:, None]).T @ columns + np.diag([_PRIOR, 0])
        given = given + np.linalg.solve(bend, slope)
    return float(-given[1] / given[0]), float(given[0])
