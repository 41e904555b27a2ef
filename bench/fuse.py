"""What does a window cost in the fusion? CPU time of the shipped network, with the passes that explain its answer.

    python bench/fuse.py

A typical window has words, a gesture and a voice, none of which silences another. The network then hears each alone,
all three, and each two of them: seven answers. Figures are CPU time of one thread, the median of several batches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the service sets it for itself

import numpy as np

from sensorium import concepts
from sensorium.event import EventStream, Modality, Tensor
from sensorium.window import Presence, Slot, Window
from sensorium_cloud.encode.encoders import EncodedWindow, SentenceEncoder
from sensorium_cloud.fuse.fusion import Fuser
from sensorium_cloud.fuse.space import Space
from sensorium_models import store

WEIGHTS = Path(__file__).parents[1] / "models" / "weights"
NETWORK = [WEIGHTS / name for name in ("fusion_senses.onnx", "fusion.onnx", "fusion.json")]
SHOWN = {Modality.TEXT: None, Modality.GESTURE: "open_palm", Modality.AUDIO: "stop", Modality.HAPTIC: "tap"}
SIZES = {Modality.AUDIO: 256, Modality.GESTURE: 128, Modality.HAPTIC: 64}
END_NS = 1_000_000_000


def a_window(number: int, modalities: Sequence[Modality], words: np.ndarray, rng: np.random.Generator) -> EncodedWindow:
    slots = []
    for modality in Modality:
        if modality not in modalities:
            slots.append(Slot(modality, Presence.ABSENT))
            continue
        features = Tensor.of(rng.normal(size=SIZES[modality]).astype(np.float32)) if modality in SIZES else None
        text = "stop right there" if modality is Modality.TEXT else None
        told = EventStream("s", modality).event(
            END_NS - 50_000_000, label=SHOWN[modality], score=0.95, features=features, text=text
        )
        slots.append(Slot(modality, Presence.PRESENT, (told,), 50_000_000, 0))
    window = Window(f"s.{number}", "s", number, 0, END_NS - 500_000_000, END_NS, END_NS, tuple(slots))
    has_words = Modality.TEXT in modalities
    return EncodedWindow(window, words if has_words else None, None, 0.0, (0,) if has_words else ())


def cost_ms(fuser: Fuser, windows: Sequence[EncodedWindow], batches: int = 30) -> float:
    fuser.fuse(windows)
    took = []
    for _ in range(batches):
        began = time.thread_time_ns()
        fuser.fuse(windows)
        took.append((time.thread_time_ns() - began) / 1e6 / len(windows))
    return statistics.median(took)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    rng = np.random.default_rng(1)
    encoder = SentenceEncoder(store.path("sentence_embedding"), store.path("sentence_tokenizer"))
    fuser = Fuser.load(*NETWORK, concepts.load(), encoder.encode, space=Space.load(store.path("sentence_space")))
    words = encoder.encode(["stop right there"])
    print("CPU ms a window, with all passes")
    print(f"{'modalities':>12} {'batch 1':>9} {'batch 8':>9} {'batch 32':>9}")
    for count in (1, 2, 3, 4):
        modalities = list(SHOWN)[:count]
        made = [a_window(number, modalities, words, rng) for number in range(32)]
        told = "".join(f"{cost_ms(fuser, made[:size]):>10.3f}" for size in (1, 8, 32))
        print(f"{count:>12}{told}")


if __name__ == "__main__":
    main()
