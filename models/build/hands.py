"""Makes palm_detection and hand_landmark from the files of the mediapipe wheel, and measures them.

    python -m sensorium_models fetch && python -m sensorium_models fetch-media
    python models/build/hands.py [--photos FOLDER] [--measure-ranges]

``--measure-ranges`` writes the ranges with which set-up quantizes, from the sample photos of hands, each shifted,
turned, mirrored and lit in 24 ways. ``--photos`` measures on a folder as `hand_photos` describes it, too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import hand_photos
import numpy as np
import numpy.typing as npt
from gesture_scores import interval

from sensorium_agent.infer.gesture.classify import KNOWN_FROM, LABELS, GestureClassifier, hand_features
from sensorium_agent.infer.gesture.landmark import SIZE_PX, LandmarkModel
from sensorium_agent.infer.gesture.palm import PalmDetector
from sensorium_agent.infer.gesture.region import Region
from sensorium_agent.infer.gesture.track import HandTracker
from sensorium_agent.infer.runtime.model import Model, load
from sensorium_models import quantize, store

_VARIANTS: Final = 12
_RANGES: Final = Path(quantize.__file__).with_name("hand_landmark_ranges.json")


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """A palm and a landmark model."""

    palm: Model
    landmark: Model

    def tracker(self) -> HandTracker:
        """A tracker that has seen nothing yet."""
        return HandTracker(PalmDetector(self.palm), LandmarkModel(self.landmark))


def measure_ranges(published: Models) -> None:
    """Write the least and greatest value of every activation over crops of the sample photos."""
    model = quantize.folded(store.path("hand_landmark_lite").read_bytes())
    crops = [(crop / np.float32(255))[np.newaxis] for crop in _calibration_crops(published)]
    ranges = quantize.measured_ranges(model, crops)
    rounded = {name: [float(f"{low:.6g}"), float(f"{high:.6g}")] for name, (low, high) in ranges.items()}
    about = f"Range of each activation of hand_landmark_lite over {len(crops)} crops, by models/build/hands.py"
    _RANGES.write_text(json.dumps({"about": about, "ranges": rounded}, indent=1) + "\n")
    print(f"wrote {_RANGES.name}: {len(rounded)} ranges from {len(crops)} crops")


def _calibration_crops(published: Models) -> Iterator[npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(224)
    for photo in hand_photos.samples():
        for track in published.tracker().follow(photo.pixels, 0) if photo.has_hand else ():
            crop = track.hand.next_crop()
            for _ in range(_VARIANTS):
                right, down = rng.uniform(-0.1, 0.1, 2)
                moved = crop.shifted(right, down, scale=rng.uniform(0.8, 1.4))
                turned = Region(moved.center_x, moved.center_y, moved.side, moved.angle_rad + rng.uniform(-0.5, 0.5))
                yield from hand_photos.varied(turned.cut(photo.pixels, SIZE_PX), rng, 2)


def make(scratch: Path) -> tuple[Path, Path]:
    """Quantize both, twice: the bytes must be the same."""
    palm, landmark = scratch / "palm_detection.tflite", scratch / "hand_landmark.tflite"
    for recipe, source, out in (
        (quantize.palm_detection, "palm_detection_lite", palm),
        (quantize.hand_landmark, "hand_landmark_lite", landmark),
    ):
        raw = store.path(source)
        recipe(raw, out)
        once = out.read_bytes()
        recipe(raw, out)
        assert out.read_bytes() == once, "not deterministic"
        print(f"{out.stem}: {raw.stat().st_size:,} -> {len(once):,} bytes, sha256 {hashlib.sha256(once).hexdigest()}")
    return palm, landmark


def compare_landmarks(photos: Sequence[hand_photos.Photo], published: Models, ours: Models) -> None:
    """Print how far int8 moves the joints, on the crops the published models choose."""
    moves, depth, agree, same = [], [], [], []
    name = GestureClassifier(load(store.path("gesture_classifier"))).probabilities
    for photo in photos:
        for track in published.tracker().follow(photo.pixels, 0):
            crop = track.hand.next_crop().cut(photo.pixels, SIZE_PX)[np.newaxis]
            before, after = published.landmark.run(crop), ours.landmark.run(crop)
            move = np.abs(before[0] - after[0]).reshape(21, 3)
            moves.append(move[:, :2].mean())
            depth.append(move[:, 2].mean())
            agree.append(bool((before[2][0, 0] > 0.5) == (after[2][0, 0] > 0.5)))
            said = [name(hand_features(seen[0].reshape(21, 3), seen[2][0, 0])) for seen in (before, after)]
            same.append(label(said[0]) == label(said[1]))
    print(
        f"landmark int8 against fp16, {len(moves)} hands: {np.mean(moves):.2f} px of {SIZE_PX} (95 %: "
        f"{np.quantile(moves, 0.95):.2f}), depth {np.mean(depth):.2f} px, "
        f"same handedness {interval(sum(agree), len(agree))}, same gesture {interval(sum(same), len(same))}"
    )


def label(probabilities: npt.NDArray[np.float32]) -> str | None:
    """What an event would be called."""
    best = int(probabilities[: len(LABELS)].argmax())
    return LABELS[best] if probabilities[best] >= KNOWN_FROM else None


def count_found(photos: Sequence[hand_photos.Photo], name: str, models: Models) -> None:
    """Print on how many photos a hand was found, rightly and wrongly."""
    found = {photo.name: bool(models.tracker().follow(photo.pixels, 0)) for photo in photos}
    hands = [photo.name for photo in photos if photo.has_hand]
    empty = [photo.name for photo in photos if not photo.has_hand]
    missed = [hand for hand in hands if not found[hand]]
    false = [other for other in empty if found[other]]
    print(f"{name}: photos with hands found {interval(len(hands) - len(missed), len(hands))}, missed {missed}")
    print(f"{name}: photos without hands taken for one {interval(len(false), len(empty))} {false}")


def compare_cost(published: Models, ours: Models) -> None:
    """Print the thread's CPU time of each model, taken in turns."""
    rng = np.random.default_rng(0)
    for name, size in (("palm", 192), ("landmark", SIZE_PX)):
        crop = rng.integers(0, 256, (1, size, size, 3), np.uint8)
        spent: tuple[list[float], list[float]] = ([], [])
        for _ in range(60):
            for model, times in zip((getattr(published, name), getattr(ours, name)), spent, strict=True):
                begin = time.thread_time()
                model.run(crop)
                times.append((time.thread_time() - begin) * 1e3)
        before, after = (float(np.median(times)) for times in spent)
        print(f"{name}: {before:.2f} ms of CPU as published, {after:.2f} ms here, ratio {after / before:.2f}")


def main() -> None:
    """Print every figure on a line of its own."""
    parser = argparse.ArgumentParser(description="Make the hand models and measure them.")
    parser.add_argument("--photos", type=Path, help="a folder of more photos, see hand_photos.py")
    parser.add_argument("--measure-ranges", action="store_true", help="write the ranges set-up quantizes with")
    options = parser.parse_args()
    published = Models(load(store.path("palm_detection_lite")), load(store.path("hand_landmark_lite")))
    if options.measure_ranges:
        measure_ranges(published)
    photos = [*hand_photos.samples(), *(hand_photos.folder(options.photos) if options.photos else ())]
    with tempfile.TemporaryDirectory() as scratch:
        palm, landmark = make(Path(scratch))
        ours = Models(load(palm), load(landmark))
    compare_landmarks([photo for photo in photos if photo.has_hand], published, ours)
    count_found(photos, "as published", published)
    count_found(photos, "here", ours)
    compare_cost(published, ours)


if __name__ == "__main__":
    main()
