"""Figures about who was taken for whom."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import numpy.typing as npt

Names = npt.NDArray[np.str_]


def interval(right: int, total: int) -> str:
    """A proportion with its 95 % interval: E. B. Wilson, 1927."""
    if not total:
        return "none"
    part, z = right / total, 1.96
    middle = (part + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(part * (1 - part) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return f"{right}/{total} = {part:.3f} ({middle - half:.3f} to {middle + half:.3f})"


def ranks(scores: npt.NDArray[np.float32], positive: npt.NDArray[np.bool_]) -> float:
    """The area under the ROC curve: how often a positive has the higher score, ties counting half."""
    values, place = np.unique(scores, return_inverse=True)
    good, bad = (np.bincount(place[side], minlength=len(values)) for side in (positive, ~positive))
    below = np.cumsum(bad) - bad
    pairs = float(good.sum()) * float(bad.sum())
    return float((good * (below + bad / 2)).sum() / pairs) if pairs else math.nan


def print_confusion(name: str, truth: Names, said: Names) -> None:
    """Print a line for all that is known, and one for each label with what it was mostly taken for instead."""
    known = truth != "none"
    print(f"{name}: {interval(int((truth == said)[known].sum()), int(known.sum()))}")
    for label in np.unique(truth):
        mine = truth == label
        wrong = Counter(said[mine & (said != label)].tolist()).most_common(3)
        others = ", ".join(f"{other} {count}" for other, count in wrong)
        print(f"  {label:10s} {(said[mine] == label).mean():.3f} of {mine.sum()}{'; said ' + others if others else ''}")
