"""What following a hand costs beyond the landmark model, how fast a hand may go, and what smoothing costs and brings.

    python bench/tracking.py

All on a sample photo of a hand, moved before a camera of 640x480 with noise. Costs are CPU time of this thread, taken
in turns with the bare model in one run.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from unittest import mock

import cv2
import numpy as np

from sensorium.event import EventStream, Frame, Modality, Sample
from sensorium_agent.infer.gesture.landmark import LandmarkModel
from sensorium_agent.infer.gesture.palm import PalmDetector
from sensorium_agent.infer.gesture.perceive import GesturePerceiver
from sensorium_agent.infer.gesture.smooth import Smoothed, Softness
from sensorium_agent.infer.gesture.track import HandTracker, Track
from sensorium_agent.infer.runtime.model import Model, load
from sensorium_models import media, store

Picture = np.ndarray
Way = Callable[[float], tuple[float, float]]
_SIZE = (640, 480)
_LANE = {"palm": "palm_detection", "landmark": "hand_landmark", "classifier": "gesture_classifier"}


class Counted:
    """A model that counts its runs and their time."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.runs, self.spent_s = 0, 0.0

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        began = time.thread_time()
        outputs = self.model.run(*inputs)
        self.spent_s += time.thread_time() - began
        self.runs += 1
        return outputs

    def reset(self) -> None:
        self.model.reset()


def seen(way: Way, seconds: float, rate_hz: float, *, zoom: float = 1.0, noise: float = 4.0) -> Iterator[Picture]:
    """The photo, moved along ``way`` (pixels after so many seconds)."""
    photo = cv2.imread(str(media.path("opencv-doc/Histogram_Comparison_Source_0.jpg")))[:, :, ::-1].copy()
    height, width = photo.shape[:2]
    scale = zoom * min(_SIZE[1] / height, _SIZE[0] / width)
    rng = np.random.default_rng(0)
    grain = [rng.normal(0, noise, (*_SIZE[::-1], 3)).astype(np.int16) for _ in range(8)]
    for n in range(round(seconds * rate_hz)):
        x, y = way(n / rate_hz)
        matrix = np.array([[scale, 0, 320 - scale * width / 2 + x], [0, scale, 240 - scale * height / 2 + y]])
        clean = cv2.warpAffine(photo, matrix, _SIZE, borderMode=cv2.BORDER_REPLICATE)
        yield np.clip(clean + grain[n % 8], 0, 255).astype(np.uint8)


def still(t: float) -> tuple[float, float]:
    """A hand held as still as people can."""
    return 1.5 * np.sin(9 * t), 1.0 * np.sin(7 * t)


def cost_of_following() -> None:
    """Print tracking, and the whole gesture lane, against the landmark model alone; and the share of a core."""
    palm, landmark = Counted(load(store.path("palm_detection"))), Counted(load(store.path("hand_landmark")))
    tracker = HandTracker(PalmDetector(palm), LandmarkModel(landmark))
    lane = GesturePerceiver(
        EventStream("bench", Modality.GESTURE), **{name: load(store.path(file)) for name, file in _LANE.items()}
    )
    bare = load(store.path("hand_landmark"))
    crop = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    turns: dict[str, Callable[[Sample], object]] = {
        "landmark model alone": lambda _: bare.run(crop),
        "tracking": lambda sample: tracker.follow(sample.data.pixels, sample.at_ns),
        "whole gesture lane": lane.perceive,
    }
    spent: dict[str, list[float]] = {name: [] for name in turns}
    for n, picture in enumerate(seen(still, 20, 30, zoom=0.6)):
        sample = Sample(Modality.VIDEO, "camera", n, n * 33_333_333, Frame(picture))
        for name in np.roll(list(turns), n):  # who comes later finds more in the cache
            began = time.thread_time()
            turns[name](sample)
            spent[name].append(time.thread_time() - began)
    mean = {name: float(np.mean(times[30:])) for name, times in spent.items()}
    alone = mean["landmark model alone"]
    print(f"steady hand, {n + 1} pictures: palm detector {palm.runs} times, landmarks {landmark.runs}")
    print(", ".join(f"{name} {seconds * 1e3:.2f} ms" for name, seconds in mean.items()) + " a picture")
    print(f"tracking / landmark model alone = {mean['tracking'] / alone:.3f}   (to reach: 1.15)")
    print(f"whole gesture lane / landmark model alone = {mean['whole gesture lane'] / alone:.3f}")
    print(f"30 pictures a second of 640x480: {mean['whole gesture lane'] * 30:.1%} of a core   (to stay under: 25 %)")


def cost_of_looking() -> None:
    """Print the same where there is no hand: nothing moves, or all does."""
    for name, pictures in (
        ("an empty, still scene", (np.full((480, 640, 3), 90 + n % 2, np.uint8) for n in range(600))),
        ("an empty scene in motion", (np.roll(_texture(), 5 * n, axis=1) for n in range(600))),
    ):
        palm = Counted(load(store.path("palm_detection")))
        tracker = HandTracker(PalmDetector(palm), LandmarkModel(load(store.path("hand_landmark"))))
        spent = []
        for n, picture in enumerate(pictures):
            began = time.thread_time()
            tracker.follow(picture, n * 33_333_333)
            spent.append(time.thread_time() - began)
        print(f"{name}: palm detector in {palm.runs / len(spent):.0%} of pictures, {np.mean(spent) * 30:.1%} of a core")


def _texture() -> Picture:
    small = np.random.default_rng(5).integers(0, 255, (24, 32, 3), np.uint8)
    return cv2.resize(small, _SIZE, interpolation=cv2.INTER_CUBIC)


# --- speed -----------------------------------------------------------------------------


def fastest() -> None:
    """Print in how many pictures a hand that swings is followed without being lost, by its top speed."""
    models = load(store.path("palm_detection")), load(store.path("hand_landmark"))
    for rate_hz in (15, 30):
        for expected in (True, False):
            shares = [_followed(models, speed, rate_hz, expected=expected) for speed in (400, 800, 1200, 1600, 2400)]
            how = "looking ahead" if expected else "looking where it was"
            print(f"{rate_hz} pictures a second, {how}: " + ", ".join(f"{share:.0%}" for share in shares))
    print("   at top speeds of 400, 800, 1200, 1600, 2400 pixels a second; the hand is 150 pixels wide")


def _followed(models: tuple[Model, Model], speed: float, rate_hz: float, *, expected: bool) -> float:
    tracker = HandTracker(PalmDetector(models[0]), LandmarkModel(models[1]), most=1)
    reach = 180.0
    numbers = []
    patch = mock.patch.object(Track, "expected", Track.expected if expected else lambda track, _: track.crop)
    with patch:
        way = seen(lambda t: (reach * np.sin(speed / reach * t), 0.0), 4, rate_hz, zoom=0.6)
        for n, picture in enumerate(way):
            tracks = tracker.follow(picture, round(n * 1e9 / rate_hz))
            numbers.append(tracks[0].number if tracks else None)
    return sum(number == 0 for number in numbers) / len(numbers)


# --- smoothing -------------------------------------------------------------------------


def smoothing() -> None:
    """Print jitter of a still hand and lag of a swinging one for several constants of the filter."""
    models = load(store.path("palm_detection")), load(store.path("hand_landmark"))
    calm, going = (_measured(models, way) for way in (still_really, lambda t: (150 * np.sin(4 * t), 0.0)))
    print("still_hz opening   jitter kept   lag ms   (30 pictures a second)")
    for still_hz, opening in itertools.product((1.5, 3.0, 6.0), (2.0, 6.0, 12.0)):
        softness = Softness(still_hz=still_hz, opening=opening)
        kept = _jitter(_smoothed(calm, softness)) / _jitter([joints for joints, _ in calm])
        chosen = "  <- in use" if softness == Softness() else ""
        print(f"{still_hz:8.1f} {opening:7.1f} {kept:13.2f} {_lag_ms(going, softness):8.1f}{chosen}")
    size = float(np.mean([size for _, size in calm]))
    print(f"jitter of the model itself: {_jitter([joints for joints, _ in calm]):.2f} px of a hand of {size:.0f} px")


def still_really(_: float) -> tuple[float, float]:
    """A hand that only the camera's noise moves."""
    return 0.0, 0.0


def _measured(models: tuple[Model, Model], way: Way) -> list[tuple[np.ndarray, float]]:
    """Joints as the landmark model gives them, and the hand's size, at 30 pictures a second."""
    tracker = HandTracker(PalmDetector(models[0]), LandmarkModel(models[1]), most=1)
    tracks = [tracker.follow(picture, n * 33_333_333) for n, picture in enumerate(seen(way, 5, 30, zoom=0.8, noise=8))]
    return [(found[0].hand.joints, found[0].crop.side / 2) for found in tracks if found]


def _smoothed(hands: list[tuple[np.ndarray, float]], softness: Softness) -> list[np.ndarray]:
    smoothed = Smoothed.start(hands[0][0], 0)
    joints = []
    for n, (hand, size) in enumerate(hands):
        smoothed = smoothed.then(hand, n * 33_333_333, size, softness)
        joints.append(smoothed.joints)
    return joints


def _jitter(joints: list[np.ndarray]) -> float:
    return float(np.std(np.array(joints)[15:, :, :2], axis=0).mean())


def _lag_ms(hands: list[tuple[np.ndarray, float]], softness: Softness) -> float:
    """By how much the smoothed palm must be moved forward in time to lie on the measured one."""
    raw = np.array([hand[9, 0] for hand, _ in hands])
    soft = np.array([hand[9, 0] for hand in _smoothed(hands, softness)])
    times = np.arange(len(raw)) / 30
    shifts = np.arange(0, 0.2, 0.001)
    errors = [np.abs(np.interp(times[:-8] + shift, times, soft) - raw[:-8]).mean() for shift in shifts]
    return float(shifts[int(np.argmin(errors))]) * 1e3


def main() -> None:
    """Print every figure on a line of its own."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    cost_of_following()
    cost_of_looking()
    fastest()
    smoothing()


if __name__ == "__main__":
    main()
