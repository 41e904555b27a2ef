"""Fits what makes a probability of the keyword network's answers: a slope, and an offset for each word.

    python models/build/keyword_scores.py hear FOLDER ... --out HEARD.npz [--half even]
    python models/build/keyword_scores.py fit HEARD.npz ...

FOLDER/WORD/SPEAKER_NUMBER.wav is a word; a folder that is no keyword holds other words. ``hear`` keeps the largest mean
log odds of each keyword in each recording, through the whole device; ``--half`` takes half of the people, as
keywords.py does.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from keywords import _of_half, _wavs
from speech import hear, perceiver, read

from sensorium_agent.infer.sound import keyword
from sensorium_agent.infer.sound.keyword import KEYWORDS, OTHER

PRIOR = 2.0
"""Deviation of the words' offsets from their mean: many recordings of a word move it further."""
FALSE = 0.04
"""Share of other words that reach one half."""
Floats = npt.NDArray[np.float64]


def heard(paths: Sequence[Path]) -> Floats:
    """Largest mean log odds of each keyword in each recording [n, 21]."""
    most = np.full(OTHER, -9.0)

    def kept(odds: Any, _: Any) -> npt.NDArray[np.float32]:
        np.maximum(most, odds, out=most)
        return np.zeros(OTHER, np.float32)

    ear, real = perceiver(keyword.Listening(threshold=1.0)), keyword.calibrated
    keyword.calibrated, rows = kept, []  # what stands between the odds and the words
    try:
        for path in paths:
            most[:] = -9.0
            hear(ear, read(path))
            rows.append(most.copy())
    finally:
        keyword.calibrated = real
    return np.stack(rows)


def fit(odds: Floats, words: npt.NDArray[np.int64], steps: int = 4000) -> tuple[float, Floats]:
    """Slope, and offsets [21], by which words (an index each; OTHER for none) are most likely.

    Each keyword counts alike, and the other words together as much as all of them.
    """
    rows = [(odds[i, w], w, 1.0, 1 / (words == w).sum()) for i, w in enumerate(words) if w < OTHER]
    none = odds[words == OTHER]
    total = sum(weight for *_, weight in rows)
    rows += [(none[i, w], w, 0.0, total / len(none)) for i in range(len(none)) for w in range(OTHER)]
    x, word, said, weight = (np.array(column) for column in zip(*rows, strict=True))
    slope, common, own = 1.4, 0.0, np.zeros(OTHER)
    for _ in range(steps):
        wrong = weight * (1 / (1 + np.exp(-(slope * x + common + own[word.astype(int)]))) - said)
        slope -= 0.001 * float((wrong * x).sum())
        common -= 0.006 * float(wrong.sum())
        own -= 0.1 * (np.bincount(word.astype(int), wrong, OTHER) + 0.3 * own / PRIOR**2)
    offsets = common + own
    bar = np.quantile((slope * none + offsets).max(axis=1), 1 - FALSE)
    return slope, offsets - bar


def main() -> None:
    """Hear, or fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    hearing = verbs.add_parser("hear")
    hearing.add_argument("folders", type=Path, nargs="+")
    hearing.add_argument("--out", type=Path, required=True)
    hearing.add_argument("--half", choices=("even", "odd"))
    fitting = verbs.add_parser("fit")
    fitting.add_argument("heard", type=Path, nargs="+")
    options = parser.parse_args()
    if options.verb == "hear":
        paths = [path for folder in options.folders for path in _wavs(folder)]
        paths = _of_half(paths, options.half) if options.half else paths
        words = [KEYWORDS.index(p.parent.name) if p.parent.name in KEYWORDS else OTHER for p in paths]
        np.savez(options.out, odds=heard(paths), words=words)
        return
    parts = [np.load(path) for path in options.heard]
    slope, offsets = fit(np.concatenate([p["odds"] for p in parts]), np.concatenate([p["words"] for p in parts]))
    print(f"slope {slope:.2f}, offsets " + ", ".join(f"{value:.2f}" for value in offsets))


if __name__ == "__main__":
    main()
