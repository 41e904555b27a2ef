"""How much of the bare models' speed the whole pipeline keeps on recorded video.

The bare loop runs exactly the model calls the pipeline makes on the same video, with the same inputs, and
nothing else; a second one reads the video too, since whoever runs models on a video must. All are timed in turns
in one run; the ratios of the medians are the figures.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from sensorium_agent.infer.model import load
from sensorium_models import media, store

_ROUNDS = 5
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


def time_bare(calls: list[tuple[str, tuple]]) -> float:
    models = {name: load(store.path(name)) for name in MODELS[Modality.GESTURE]}
    began = time.perf_counter()
    for name, inputs in calls:
        models[name].run(*inputs)
    return time.perf_counter() - began


def time_reading(video: Path) -> float:
    began = time.perf_counter()
    capture = cv2.VideoCapture(str(video))
    while capture.read()[0]:
        pass
    capture.release()
    return time.perf_counter() - began


async def time_pipeline(video: Path) -> tuple[float, int, float]:
    clock, listener = ManualClock(), LineListener(None, None)
    modalities = (Modality.VIDEO, Modality.GESTURE)
    parts = compose.assemble(Settings(), modalities, "bench", clock=clock, listener=listener)
    samples = open_recording(video).samples()
    with longest_callback() as longest:
        began = time.perf_counter()
        await play(samples, parts.lanes, parts.aligner, parts.answerer, clock=clock, listener=listener)
        spent = time.perf_counter() - began
    return spent, listener.tally.samples["video"], longest[0] * 1e3


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
    with tempfile.TemporaryDirectory() as scratch:
        video = Path(scratch) / "hands.avi"
        write_video(video)
        calls = recorded_calls(video)
        bare, reading, whole, lags = [], [], [], []
        for _ in range(_ROUNDS):
            bare.append(time_bare(calls))
            reading.append(time_reading(video))
            spent, frames, lag = asyncio.run(time_pipeline(video))
            whole.append(spent)
            lags.append(lag)
    kinds = {name: sum(n == name for n, _ in calls) for name in MODELS[Modality.GESTURE]}
    models_s, read_s, whole_s = map(statistics.median, (bare, reading, whole))
    print(f"{frames} frames, model calls {kinds}")
    print(f"bare models {frames / models_s:.1f} frames/s, pipeline {frames / whole_s:.1f}")
    print(f"pipeline / bare models = {models_s / whole_s:.3f}   (to reach: 0.95)")
    print(f"pipeline / bare models and reading the video = {(models_s + read_s) / whole_s:.3f}")
    print(f"longest stall of the event loop, by round: {[round(x, 1) for x in lags]} ms   (to stay under: 20)")


if __name__ == "__main__":
    main()
