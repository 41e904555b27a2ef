"""Trains gesture_classifier on generated hands, and measures it on those and on photos.

    python -m sensorium_models fetch && python -m sensorium_models fetch-media
    python models/build/gesture.py [--train] [--photos FOLDER]

``--train`` writes models/weights/gesture_classifier.tflite; the same seed gives the same file on the same machine.
``--photos`` measures on a folder as `hand_photos` describes it, through the real detector and landmark model.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import hand_model
import hand_photos
import numpy as np
import numpy.typing as npt
from int8_network import Network, to_litert, train

from sensorium.event import Event, EventStream, Frame, Modality, Sample
from sensorium_agent.infer.gesture.classify import HAND_FEATURES, LABELS, hand_features
from sensorium_agent.infer.gesture.perceive import GesturePerceiver
from sensorium_agent.infer.model import Model, load
from sensorium_models import store

_SEED: Final = 2006
_STEPS: Final = 9000
_BATCH: Final = 512
_KEPT: Final = Path(__file__).parents[1] / "weights" / "gesture_classifier.tflite"
assert (*LABELS, "none") == hand_model.LABELS
Examples = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


def examples(count: int, rng: np.random.Generator) -> Examples:
    """Features [n, 64] and labels [n] of generated hands."""
    hands = hand_model.generate(count, rng)
    rows = [hand_features(joints, float(right)) for joints, right in zip(hands.joints, hands.right, strict=True)]
    return np.stack(rows), hands.labels


def batches(rng: np.random.Generator) -> Iterator[Examples]:
    """Batches without end, no hand twice."""
    while True:
        features, labels = examples(80 * _BATCH, rng)
        for begin in range(0, len(labels) - _BATCH + 1, _BATCH):
            yield features[begin : begin + _BATCH], labels[begin : begin + _BATCH]


def said(model: Model, features: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The likeliest label of each row of features."""
    return np.array([model.run(row[np.newaxis])[0][0].argmax() for row in features])


def measure_generated(model: Model) -> None:
    """Print the accuracy on hands of a seed of their own, and the cost of one."""
    features, labels = examples(20_000, np.random.default_rng(_SEED + 1))
    begin = time.thread_time()
    answers = said(model, features)
    print(f"{(time.thread_time() - begin) / len(features) * 1e6:.1f} us of CPU a hand")
    print(f"generated hands: {interval(int((answers == labels).sum()), len(labels))}")
    for index, label in enumerate(hand_model.LABELS):
        mine = labels == index
        print(f"  {label:10s} {(answers[mine] == index).mean():.3f} of {mine.sum()}")


def interval(right: int, total: int) -> str:
    """A proportion with its 95 % interval: E. B. Wilson, 1927."""
    if not total:
        return "none"
    part, z = right / total, 1.96
    middle = (part + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(part * (1 - part) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return f"{right}/{total} = {part:.3f} ({middle - half:.3f} to {middle + half:.3f})"


def look(photo: hand_photos.Photo, classifier: Model) -> Event | None:
    """What the perceiver says of one photo."""
    palm, landmark = load(store.path("palm_detection")), load(store.path("hand_landmark"))
    stream = EventStream("photos", Modality.GESTURE)
    perceiver = GesturePerceiver(stream, palm=palm, landmark=landmark, classifier=classifier)
    events = perceiver.perceive(Sample(Modality.VIDEO, "photo", 0, 0, Frame(photo.pixels)))
    return events[0] if events else None


def measure_photos(photos: Sequence[hand_photos.Photo], classifier: Model) -> None:
    """Print what is made of real photos, every mistake by name."""
    counts: Counter[tuple[str, str]] = Counter()
    for photo in photos:
        event = look(photo, classifier)
        answer = (event.label or "none") if event else "no hand"
        kind = "no_hand" if photo.truth == hand_photos.NO_HAND else "none" if photo.truth == "none" else "gesture"
        fine = answer == photo.truth or (kind != "gesture" and answer in ("none", "no hand"))
        if photo.truth != hand_photos.ANY_HAND:
            counts[kind, "right" if fine else "wrong"] += 1
        if not fine or photo.truth == hand_photos.ANY_HAND:
            print(f"  {photo.name}: {photo.truth}, said {answer} {event.score if event else 0:.2f}")
    for kind in ("gesture", "none", "no_hand"):
        right = counts[kind, "right"]
        print(f"photos, {kind}: {interval(right, right + counts[kind, 'wrong'])}")


def trained() -> Network:
    """The network, from the seed alone."""
    rng = np.random.default_rng(_SEED)
    network = Network.random((HAND_FEATURES, 48, 32, len(hand_model.LABELS)), rng)
    train(network, batches(rng), steps=_STEPS)
    return network


def retrain() -> None:
    """Train, write the file, and print how far int8 agrees with float32."""
    network = trained()
    calibration, _ = examples(20_000, np.random.default_rng(_SEED + 2))
    _KEPT.write_bytes(to_litert(network, calibration))
    print(f"{_KEPT.name}: sha256 {hashlib.sha256(_KEPT.read_bytes()).hexdigest()}")
    features, _ = examples(20_000, np.random.default_rng(_SEED + 1))
    exact = network.probabilities(features).argmax(axis=1)
    print(f"int8 agrees with float32 on {(said(load(_KEPT), features) == exact).mean():.2%}")


def main() -> None:
    """Print every figure on a line of its own."""
    parser = argparse.ArgumentParser(description="Train the gesture classifier, and measure it.")
    parser.add_argument("--photos", type=Path, help="a folder of more photos, see hand_photos.py")
    parser.add_argument("--train", action="store_true", help=f"make {_KEPT.name} anew, in some minutes")
    options = parser.parse_args()
    if options.train:
        retrain()
    classifier = load(_KEPT)
    print(f"{_KEPT.stat().st_size:,} bytes")
    measure_generated(classifier)
    measure_photos(
        [*hand_photos.samples(), *(hand_photos.folder(options.photos) if options.photos else ())], classifier
    )


if __name__ == "__main__":
    main()
