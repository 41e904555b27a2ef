"""What each runtime would give the cloud's nets: ``python bench/engines.py [--seconds S]``.

Every provider that this machine has runs the same: the fusion network with all of its passes, a batch of windows to
symbols, sentences and pictures. In turns, so that whatever else runs here meets all of them; CPU time of the process,
the tenth percentile. Then how far answers lie from those of ONNX Runtime in binary32, on the sentences of the built-in
concepts and on the sample pictures. Needs the extra "openvino" for more than one row.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the service sets it for itself

import cloud
import cv2
import numpy as np

from sensorium import concepts
from sensorium_cloud.encode.encoders import EncodedWindow, FrameEncoder, SentenceEncoder, decode
from sensorium_cloud.fuse.evidence import embed
from sensorium_cloud.fuse.fusion import Fuser
from sensorium_cloud.fuse.network import Network, read_card
from sensorium_cloud.fuse.space import Space
from sensorium_cloud.fuse.trials import FUSION, largest_angle, largest_difference
from sensorium_cloud.runtime.net import Provider, available
from sensorium_models import store

SENTENCES = ("stop", "turn the light off, please", "would you mind to open the door of the garage for me?")
WINDOWS = 32


class Nets:
    """All that a provider runs."""

    def __init__(self, provider: Provider) -> None:
        meeting = store.path("fusion")
        files = store.path("fusion_senses"), meeting, meeting.with_suffix(".json")
        self.sentences = SentenceEncoder(
            store.path("sentence_embedding"), store.path("sentence_tokenizer"), provider=provider
        )
        self.frames = FrameEncoder(store.path("frame_embedding"), provider=provider)
        plain = SentenceEncoder(store.path("sentence_embedding"), store.path("sentence_tokenizer"))
        card, vocabulary = read_card(files[2]), concepts.load()
        self.network = Network(*files[:2], card, embed(vocabulary, plain.encode), provider=provider)
        space = Space.load(store.path("sentence_space"))
        self.fuser = Fuser.load(*files, vocabulary, plain.encode, space=space, provider=provider)


def tasks(nets: Nets) -> dict[str, tuple[Callable[[], object], int]]:
    """What is timed, and how many things it is for."""
    rng = np.random.default_rng(0)
    batch = [EncodedWindow(cloud.a_window("engines", n, rng), None, None, 0.0) for n in range(WINDOWS)]
    picture = rng.integers(0, 256, (224, 224, 3)).astype(np.uint8)
    found: dict[str, tuple[Callable[[], object], int]] = {
        f"network, batches of {WINDOWS}": (FUSION.begin(nets.network), WINDOWS),
        f"windows to symbols, batches of {WINDOWS}": (lambda: nets.fuser.fuse(batch), WINDOWS),
        "windows to symbols, one by one": (lambda: nets.fuser.fuse(batch[:1]), 1),
    }
    for own in SENTENCES:
        found[f"a sentence of {len(own.split())} words"] = (lambda own=own: nets.sentences.vectors([own]), 1)
    several = said()[:WINDOWS]
    found[f"sentences, {WINDOWS} together"] = (lambda: nets.sentences.vectors(several), WINDOWS)
    found["a picture"] = (lambda: nets.frames.vector(picture), 1)
    return found


def costs_us(by_provider: Mapping[Provider, Callable[[], object]], seconds: float) -> dict[Provider, float]:
    """CPU of this process for one run, in turns."""
    took: dict[Provider, list[int]] = {provider: [] for provider in by_provider}
    for run in by_provider.values():
        run()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for provider, run in by_provider.items():
            began = time.process_time_ns()
            run()
            took[provider].append(time.process_time_ns() - began)
    return {provider: sorted(spent)[len(spent) // 10] / 1e3 for provider, spent in took.items()}


def pictures() -> list[np.ndarray]:
    """Those of the samples that can be read."""
    folder = Path(__file__).parents[1] / ".cache" / "media"
    found = (cv2.imread(str(path)) for path in sorted(folder.rglob("*")) if path.suffix in (".jpg", ".png"))
    jpegs = (cv2.imencode(".jpg", picture)[1].tobytes() for picture in found if picture is not None)
    return [decode(jpeg) for jpeg in jpegs]


def said() -> list[str]:
    """Descriptions and phrases of the built-in concepts."""
    return [text for concept in concepts.load() for text in (concept.description, *concept.phrases)]


def answers(nets: Nets, seen: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, sentences and pictures."""
    frames = np.stack([nets.frames.vector(pixels) for pixels in seen])
    return FUSION.answers(nets.network), nets.sentences.encode(said()), frames


def main() -> None:
    parser = argparse.ArgumentParser(description="What each runtime would give the cloud's nets.")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement")
    args = parser.parse_args()
    there = {provider: Nets(provider) for provider in available()}
    print(f"{'us of CPU':<40}" + "".join(f"{provider:>16}" for provider in there))
    run = {provider: tasks(nets) for provider, nets in there.items()}
    for name, (_, count) in run[Provider.CPU].items():
        spent = costs_us({provider: own[name][0] for provider, own in run.items()}, args.seconds)
        print(f"{name:<40}" + "".join(f"{us / count:>16.1f}" for us in spent.values()), flush=True)
        if count > 1:
            print(f"{'  of a core, a second':<40}" + "".join(f"{count * 1e6 / us:>16.0f}" for us in spent.values()))
    seen = pictures()
    expected = answers(there[Provider.CPU], seen)
    print(f"beside binary32 ({len(said())} sentences, {len(seen)} pictures):")
    for provider in (p for p in there if p is not Provider.CPU):
        ours = answers(there[provider], seen)
        same = (ours[0].argmax(axis=1) == expected[0].argmax(axis=1)).mean()
        print(
            f"  {provider}: probabilities differ by at most {largest_difference(ours[0], expected[0]):.2g}, same best "
            f"hypothesis {same:.4f}; least cosine of sentences {1 - largest_angle(ours[1], expected[1]):.6f}, of "
            f"pictures {1 - largest_angle(ours[2], expected[2]):.5f}"
        )


if __name__ == "__main__":
    main()
