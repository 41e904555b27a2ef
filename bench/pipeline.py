"""How much of the bare models' speed the whole pipeline keeps on recorded video.

The bare loop runs exactly the model calls the pipeline makes on the same video, with the same inputs, and
nothing else; a second one reads the video too, since whoever runs models on a video must. All are timed in turns
in one run, by the clock and by the CPU time of the whole process; the ratios of the best rounds are the figures: other
work on the machine only ever adds.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from sensorium.clock import ManualClock
from sensorium.event import EventStream, Modality
from sensorium_agent._app import compose
from sensorium_agent._app.listeners import LineListener
from sensorium_agent._app.play import play
from sensorium_agent._app.settings import Settings
from sensorium_agent.capture.recording import open_recording
from sensorium_agent.infer.gesture.perceive import GesturePerceiver
from sensorium_agent.infer.lanes import MODELS
from sensorium_agent.infer.runtime.model import Model, load
from sensorium_models import media, store

_ROUNDS = 9
_SHOTS = ("opencv-doc/handSrc.jpg", "opencv-doc/handDst.jpg", "opencv-doc/Histogram_Comparison_Source_0.jpg")


def write_video(path: Path, frames: int = 150) -> None:
    """A slow move over photos of hands, 640x480."""
    photos = [cv2.imread(str(media.path(shot))) for shot in _SHOTS]
    out = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (640, 480))
    for n in range(frames):
        photo = photos[n * len(photos) // frames]
        height, width = photo.shape[:2]
        scale = min(480 / height, 640 / width) * (1 + 0.1 * np.sin(n / 20))
        move = np.float32([[scale, 0, 320 - scale * width / 2], [0, scale, 240 - scale * height / 2]])
        out.write(cv2.warpAffine(photo, move, (640, 480), borderMode=cv2.BORDER_REPLICATE))
    out.release()


class Recorder:
    """A model that remembers what it was asked."""

    def __init__(self, name: str, calls: list[tuple[str, tuple]]) -> None:
        self.model = load(store.path(name))
        self._name, self._calls = name, calls

    def run(self, *inputs):
        self._calls.append((self._name, tuple(np.array(i) for i in inputs)))
        return self.model.run(*inputs)

    def reset(self) -> None:
        self.model.reset()


def recorded_calls(video: Path) -> list[tuple[str, tuple]]:
    calls: list[tuple[str, tuple]] = []
    palm, landmark, classifier = (Recorder(name, calls) for name in MODELS[Modality.GESTURE])
    stream = EventStream("bench", Modality.GESTURE)
    perceiver = GesturePerceiver(stream, palm=palm, landmark=landmark, classifier=classifier)
    for sample in open_recording(video).samples():
        perceiver.perceive(sample)
    return calls


@dataclass(slots=True)
class Spent:
    """Seconds by the clock and of CPU, a round each."""

    clock: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @contextmanager
    def round(self) -> Iterator[None]:
        began, cpu = time.perf_counter(), time.process_time()
        yield
        self.clock.append(time.perf_counter() - began)
        self.cpu.append(time.process_time() - cpu)


def run_bare(models: dict[str, Model], calls: list[tuple[str, tuple]]) -> None:
    for name, inputs in calls:
        models[name].run(*inputs)


def read(video: Path) -> None:
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    while capture.read()[0]:
        pass
    capture.release()


async def run_pipeline(video: Path, spent: Spent) -> tuple[int, float]:
    """The number of pictures, and the longest stall in ms."""
    clock, listener = ManualClock(), LineListener(None, None)
    modalities = (Modality.VIDEO, Modality.GESTURE)
    parts = compose.assemble(Settings(), modalities, "bench", clock=clock, listener=listener)
    samples = open_recording(video).samples()
    with longest_callback() as longest, spent.round():
        await play(samples, parts.lanes, parts.aligner, parts.answerer, clock=clock, listener=listener)
    return listener.tally.samples["video"], longest[0] * 1e3


@contextmanager
def longest_callback() -> Iterator[list[float]]:
    """The longest the event loop was held by one callback, in seconds: no probe's period hides a stall."""
    run, longest = asyncio.Handle._run, [0.0]

    def timed(self: asyncio.Handle) -> None:
        began = time.perf_counter()
        run(self)
        longest[0] = max(longest[0], time.perf_counter() - began)

    asyncio.Handle._run = timed
    try:
        yield longest
    finally:
        asyncio.Handle._run = run


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    bare, reading, whole, lags = Spent(), Spent(), Spent(), []
    with tempfile.TemporaryDirectory() as scratch:
        video = Path(scratch) / "hands.avi"
        write_video(video)
        calls = recorded_calls(video)
        models = {name: load(store.path(name)) for name in MODELS[Modality.GESTURE]}
        for _ in range(_ROUNDS):
            with bare.round():
                run_bare(models, calls)
            with reading.round():
                read(video)
            frames, lag = asyncio.run(run_pipeline(video, whole))
            lags.append(lag)
    kinds = {name: sum(n == name for n, _ in calls) for name in models}
    print(f"{frames} frames, model calls {kinds}")
    for kind in ("clock", "cpu"):
        models_s, read_s, whole_s = (min(getattr(spent, kind)) for spent in (bare, reading, whole))
        print(f"by {kind}: bare models {frames / models_s:.1f} frames/s, pipeline {frames / whole_s:.1f}")
        print(f"by {kind}: pipeline / bare models = {models_s / whole_s:.3f}   (to reach: 0.95)")
        print(f"by {kind}: pipeline / bare models and reading the video = {(models_s + read_s) / whole_s:.3f}")
    print(f"longest stall of the event loop, by round: {[round(x, 1) for x in lags]} ms   (to stay under: 20)")


if __name__ == "__main__":
    main()
