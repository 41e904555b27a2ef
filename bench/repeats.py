"""What the fusion cache saves, and whether it ever changes a decision: `python bench/repeats.py`.

Sessions of two minutes, two windows a second, in which people hold a gesture, a sound and a pulse for some seconds,
with noise on every feature vector and score. Fused with the weights that ship: all of it, then through the exact cache,
then through the one that repeats answers to windows that are nearly the last. Prints, for each noise, the share of
windows that were not fused, how many answers name another concept than fusion would have, and the time of both in
thread CPU time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from sensorium import concepts
from sensorium.event import EventStream, Modality, Tensor
from sensorium.symbol import Symbol
from sensorium.window import Presence, Slot, Window
from sensorium_cloud.cache import Cached, Similar
from sensorium_cloud.encode.encoders import EncodedWindow, SentenceEncoder
from sensorium_cloud.fuse.fusion import Fuser
from sensorium_cloud.fuse.space import Space
from sensorium_models import store

MS: Final = 1_000_000
SIZES: Final = {Modality.AUDIO: 256, Modality.GESTURE: 128, Modality.BIOMETRIC: 32}
LABELS: Final = {
    Modality.AUDIO: ("speech", "silence", None),
    Modality.GESTURE: ("thumb_up", "thumb_down", "open_palm", "victory", None),
    Modality.BIOMETRIC: ("calm", "stressed", None),
}
NOISES: Final = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5)
COSINE: Final = 0.98


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--cosine", type=float, default=COSINE)
    args = parser.parse_args()
    fuser = loaded()
    print(f"{'noise':>6} {'exact':>7} {'similar':>8} {'other answers':>16} {'CPU, of fusing all':>20}")
    for noise in NOISES:
        windows = [w for seed in range(args.sessions) for w in session(seed, noise)]
        print(line(fuser, windows, noise, args.cosine), flush=True)


def loaded() -> Fuser:
    """The fusion that ships."""
    sentences = SentenceEncoder(store.path("sentence_embedding"), store.path("sentence_tokenizer"))
    meeting = store.path("fusion")
    return Fuser.load(
        store.path("fusion_senses"),
        meeting,
        meeting.with_suffix(".json"),
        concepts.load(),
        sentences.encode,
        space=Space.load(store.path("sentence_space")),
    )


def session(seed: int, noise: float) -> Iterator[EncodedWindow]:
    """Windows in which each sense holds a state for two to eight seconds."""
    rng = np.random.default_rng(seed)
    streams = {modality: EventStream(f"s{seed}", modality) for modality in SIZES}
    held: dict[Modality, tuple[int, str | None, np.ndarray, float]] = {}
    for index in range(240):
        slots = []
        for modality in Modality:
            if modality not in SIZES:
                slots.append(Slot(modality, Presence.ABSENT))
                continue
            if modality not in held or held[modality][0] <= index:
                label = LABELS[modality][rng.integers(len(LABELS[modality]))]
                vector = rng.standard_normal(SIZES[modality])
                held[modality] = (index + int(rng.integers(4, 17)), label, vector, rng.uniform(0.6, 0.95))
            _, label, vector, score = held[modality]
            seen = vector + noise * rng.standard_normal(len(vector))
            told = float(np.clip(score + 0.2 * noise * rng.standard_normal(), 0, 1)) if label else 0.0
            event = streams[modality].event((500 * index + 400) * MS, label=label, score=told, features=Tensor.of(seen))
            slots.append(Slot(modality, Presence.PRESENT, (event,), age_ns=100 * MS, offset_ns=0))
        end_ns = 500 * (index + 1) * MS
        window = Window(f"s{seed}.{index}", f"s{seed}", index, 0, end_ns - 500 * MS, end_ns, end_ns, tuple(slots))
        yield EncodedWindow(window, None, None, 0.0)


def line(fuser: Fuser, windows: Sequence[EncodedWindow], noise: float, cosine: float) -> str:
    """One row of the table."""
    exact, similar = Cached(fuser.fuse, most=100_000), Cached(fuser.fuse, similar=Similar(cosine))
    whole, whole_s = timed(fuser.fuse, windows)
    repeated, _ = timed(exact, windows)
    again, _ = timed(exact, windows)
    spared, spared_s = timed(similar, windows)
    shares = [sum(reused(s) for s in found) / len(windows) for found in (repeated, spared)]
    wrong = sum(a.concept != b.concept for a, b in zip(whole, spared, strict=True))
    assert [s.concept for s in again] == [s.concept for s in whole]
    return (
        f"{noise:6.2f} {shares[0]:7.1%} {shares[1]:8.1%} {f'{wrong} of {len(windows)}':>16} {spared_s / whole_s:>20.2f}"
    )


def reused(symbol: Symbol) -> bool:
    """Whether it was not fused."""
    return any(stage.name == "reuse" for stage in symbol.latency)


def timed(fuse: object, windows: Sequence[EncodedWindow]) -> tuple[list[Symbol], float]:
    """Symbols of windows one by one, and the CPU time of that."""
    began = time.thread_time()
    symbols = [fuse([window])[0] for window in windows]  # type: ignore[operator]
    return symbols, time.thread_time() - began


if __name__ == "__main__":
    main()
