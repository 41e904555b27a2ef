"""Figures about who was taken for whom."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
from figures import wilson

Names = npt.NDArray[np.str_]


def interval(right: int, total: int) -> str:
    """A proportion with its 95 % interval."""
    if not total:
        return "none"
    low, high = wilson(right, total)
    return f"{right}/{total} = {right / total:.3f} ({low:.3f} to {high:.3f})"


def print_confusion(name: str, truth: Names, said: Names) -> None:
    """Print a line for all that is known, and one for each label with what it was mostly taken for instead."""
    known = truth != "none"
    print(f"{name}: {interval(int((truth == said)[known].sum()), int(known.sum()))}")
    for label in np.unique(truth):
        mine = truth == label
        wrong = Counter(said[mine & (said != label)].tolist()).most_common(3)
        others = ", ".join(f"{other} {count}" for other, count in wrong)
        print(f"  {label:10s} {(said[mine] == label).mean():.3f} of {mine.sum()}{'; said ' + others if others else ''}")
