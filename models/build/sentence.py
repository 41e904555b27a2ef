"""Measures sentence_embedding on the built-in concepts: does a paraphrase lie nearest to its own concept?

    python -m sensorium_models fetch
    python models/build/sentence.py

Each paraphrase is left out in turn; a concept is the mean of its description and its other paraphrases.
"""

from __future__ import annotations

import math
import sys
import time

import numpy as np
import numpy.typing as npt

from sensorium import concepts
from sensorium_cloud.encode import SentenceEncoder
from sensorium_models import store

Floats = npt.NDArray[np.float32]


def interval(right: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion."""
    z, p = 1.96, right / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return middle - half, middle + half


def centre(rows: Floats) -> Floats:
    """Mean direction."""
    mean = rows.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def nearest_is_own(encoder: SentenceEncoder) -> tuple[int, int]:
    """How many paraphrases lie nearest to their own concept, and of how many."""
    vocabulary = [c for c in concepts.load(None).concepts if len(c.paraphrases) > 1]
    rows = [encoder.encode([c.description, *c.paraphrases]) for c in vocabulary]
    centres = np.stack([centre(r) for r in rows])
    right = total = 0
    for number, own in enumerate(rows):
        for left_out in range(1, len(own)):
            others = centres.copy()
            others[number] = centre(np.delete(own, left_out, axis=0))
            right += int((others @ own[left_out]).argmax()) == number
            total += 1
    return right, total


def main() -> int:
    """Print every figure on a line of its own."""
    path = store.path("sentence_embedding")
    encoder = SentenceEncoder(path, store.path("sentence_tokenizer"))
    right, total = nearest_is_own(encoder)
    low, high = interval(right, total)
    print(f"paraphrase nearest to its own concept: {right} of {total} = {right / total:.3f} [{low:.3f}, {high:.3f}]")
    lines = [f"please turn on light number {n} now" for n in range(200)]
    begin = time.thread_time()
    encoder.encode(lines)
    spent_ms = (time.thread_time() - begin) / len(lines) * 1e3
    print(f"size {path.stat().st_size / 1e6:.1f} MB, {spent_ms:.1f} ms of CPU for 7 words")
    begin = time.thread_time()
    encoder.encode(lines)
    print(f"a sentence heard before: {(time.thread_time() - begin) / len(lines) * 1e6:.0f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
