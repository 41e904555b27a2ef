"""Trains gesture_classifier on generated hands, and measures it on those, on real landmarks and on photos.

    python -m sensorium_models fetch && python -m sensorium_models fetch-media
    python models/build/gesture.py [--train] [--sets FOLDER] [--photos FOLDER]

``--train`` writes models/weights/gesture_classifier.tflite; the same seed gives the same file on the same machine.
``--sets`` measures on landmarks of real hands as `hand_sets` describes them, ``--photos`` on a folder as `hand_photos`
does, through the real detector and landmark model.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import hand_model
import hand_photos
import hand_sets
import numpy as np
import numpy.typing as npt
from figures import auroc
from gesture_scores import interval, print_confusion
from int8_network import Network, to_litert, train

from sensorium.event import Event, EventStream, Frame, Modality, Sample
from sensorium_agent.infer.gesture.classify import LABELS, MEASURED_FROM
from sensorium_agent.infer.gesture.perceive import GesturePerceiver
from sensorium_agent.infer.gesture.shape import SHAPE, hand_shape
from sensorium_agent.infer.runtime.model import Model, load
from sensorium_models import store

_SEED: Final = 2006
_STEPS: Final = 4_500
_BATCH: Final = 512
_TWICE: Final = 2
_BLUR: Final = 0.12
"""Of the shapes while training: generated hands are alike in ways that real ones are not."""
_KEPT: Final = Path(__file__).parents[1] / "weights" / "gesture_classifier.tflite"
_NONE: Final = "none"
_EACH: Final = 6  # of the real hands, for the conventions
assert (*LABELS, _NONE) == hand_model.LABELS
Examples = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
Names = npt.NDArray[np.str_]


# --- training --------------------------------------------------------------------------


def examples(count: int, rng: np.random.Generator) -> Examples:
    """Shapes [n, SHAPE] and labels [n] of generated hands."""
    hands = hand_model.generate(count, rng)
    return hand_shape(hands.joints), hands.labels


def batches(rng: np.random.Generator) -> Iterator[Examples]:
    """Batches without end, each hand twice."""
    while True:
        shapes, labels = examples(80 * _BATCH, rng)
        for _ in range(_TWICE):
            order = rng.permutation(len(labels))
            for begin in range(0, len(labels) - _BATCH + 1, _BATCH):
                chosen = order[begin : begin + _BATCH]
                blur = rng.normal(0, _BLUR, (_BATCH, SHAPE)).astype(np.float32)
                yield shapes[chosen] + blur, labels[chosen]


def trained() -> Network:
    """The network, from the seed alone."""
    rng = np.random.default_rng(_SEED)
    network = Network.random((SHAPE, 96, 48, len(hand_model.LABELS)), rng)
    train(network, batches(rng), steps=_STEPS, smooth=0.03, decay=0.02)
    return network


def retrain() -> None:
    """Train, write the file, and print how far int8 agrees with float32."""
    network = trained()
    calibration, _ = examples(20_000, np.random.default_rng(_SEED + 2))
    _KEPT.write_bytes(to_litert(network, calibration))
    print(f"{_KEPT.name}: sha256 {hashlib.sha256(_KEPT.read_bytes()).hexdigest()}")
    shapes, _ = examples(20_000, np.random.default_rng(_SEED + 1))
    exact, ours = named(network.probabilities(shapes)), named(chances(load(_KEPT), shapes))
    print(f"int8 agrees with float32 on {interval(int((exact == ours).sum()), len(exact))}")


# --- measuring -------------------------------------------------------------------------


def chances(model: Model, shapes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities [n, labels + 1]."""
    return np.stack([model.run(row[np.newaxis])[0][0] for row in shapes])


def named(probabilities: npt.NDArray[np.float32]) -> Names:
    """What is said of hands whose joints are given: a label, or ``none``."""
    known = probabilities[:, : len(LABELS)]
    names = np.array(LABELS)[known.argmax(axis=1)]
    return np.where(known.max(axis=1) >= MEASURED_FROM, names, _NONE)


def measure_generated(model: Model) -> None:
    """Print the accuracy on people of a seed of their own, and the cost of one hand."""
    hands = hand_model.generate(20_000, np.random.default_rng(_SEED + 1))
    truth = np.array(hand_model.LABELS)[hands.labels]
    probabilities = chances(model, hand_shape(hands.joints))
    print_confusion("generated people", truth, named(probabilities))
    unknown = truth == _NONE
    sure = probabilities[:, : len(LABELS)].max(axis=1)
    print(f"generated people, a known hand against an unknown one: AUROC {auroc(sure, ~unknown):.3f}")


def measure_cost(model: Model) -> None:
    """Print the thread's CPU time of one hand."""
    joints = hand_model.generate(2_000, np.random.default_rng(0)).joints
    begin = time.thread_time()
    shapes = [hand_shape(hand[np.newaxis]) for hand in joints]
    between = time.thread_time()
    for shape in shapes:
        model.run(shape)
    end = time.thread_time()
    shape_us, network_us = ((t / len(joints)) * 1e6 for t in (between - begin, end - between))
    print(f"a hand takes {shape_us:.0f} us of CPU for its shape and {network_us:.1f} us for the network")


def measure_sets(root: Path, model: Model) -> None:
    """Print the accuracy on each collection of real landmarks, and over the collections."""
    right, total = [], []
    sure, unknown = [], []
    for collection in hand_sets.collections(root, (*LABELS, _NONE)):
        probabilities = chances(model, hand_shape(collection.joints))
        shown = collection.truth != _NONE
        said = named(probabilities)
        print_confusion(collection.name, collection.truth, said)
        if shown.any():
            right.append(int((said == collection.truth)[shown].sum()))
            total.append(int(shown.sum()))
        sure.append(probabilities[:, : len(LABELS)].max(axis=1))
        unknown.append(~shown)
    shares = np.array(right) / np.array(total)
    print(
        f"{len(shares)} collections: mean {shares.mean():.3f}, median {np.median(shares):.3f}, least {shares.min():.3f}"
    )
    print(f"all their hands that show something known: {interval(sum(right), sum(total))}")
    known = ~np.concatenate(unknown)
    print(f"collections, a known hand against an unknown one: AUROC {auroc(np.concatenate(sure), known):.3f}")


def turned(joints: npt.NDArray[np.float32], degrees: float) -> npt.NDArray[np.float32]:
    """Hands turned in the picture."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return joints @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]], np.float32)


_CONVENTIONS: Final[Mapping[str, Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]]] = {
    "as they are": lambda joints: joints,
    "x to the left": lambda joints: joints * np.float32([-1, 1, 1]),
    "in thousandths": lambda joints: joints / 1000,
    "in pixels": lambda joints: 500 * joints + 300,
    "from the wrist": lambda joints: joints - joints[:, :1],
    "without depth": lambda joints: joints * np.float32([1, 1, 0]),
    "depth to the camera": lambda joints: joints * np.float32([1, 1, -1]),
    "depth doubled": lambda joints: joints * np.float32([1, 1, 2]),
    **{f"turned by {degrees} degrees": partial(turned, degrees=degrees) for degrees in (20, -20, 45)},
    **{
        f"width times {times:.2f}": partial(np.multiply, np.float32([times, 1, 1]))
        for times in (4 / 3, 3 / 4, 16 / 9, 9 / 16)
    },
}


def measure_conventions(root: Path, model: Model) -> None:
    """Print how many of every sixth hand are right when its joints are written in other ways."""
    found = [collection for collection in hand_sets.collections(root, LABELS) if len(collection.truth)]
    truth = np.concatenate([collection.truth[::_EACH] for collection in found])
    for name, rewritten in _CONVENTIONS.items():
        shapes = np.concatenate([hand_shape(rewritten(collection.joints[::_EACH])) for collection in found])
        print(f"collections, {name}: {rate(named(chances(model, shapes)) == truth)}")


class Looker:
    """Looks at single photos with the models of this machine."""

    def __init__(self, classifier: Model) -> None:
        self._models = {
            "palm": load(store.path("palm_detection")),
            "landmark": load(store.path("hand_landmark")),
            "classifier": classifier,
        }

    def event(self, photo: hand_photos.Photo) -> Event | None:
        """What is said of a photo, by a perceiver that has seen nothing before."""
        stream = EventStream("photos", Modality.GESTURE)
        perceiver = GesturePerceiver(stream, **self._models)
        events = perceiver.perceive(Sample(Modality.VIDEO, "photo", 0, 0, Frame(photo.pixels)))
        return events[0] if events else None


def measure_photos(photos: Iterable[hand_photos.Photo], classifier: Model) -> None:
    """Print what is made of real photos: every mistake by name, each label, and all."""
    looker = Looker(classifier)
    truth, said = [], []
    for photo in photos:
        event = looker.event(photo)
        truth.append(photo.truth)
        said.append((event.label or _NONE) if event else hand_photos.NO_HAND)
        if truth[-1] in LABELS and said[-1] != truth[-1]:
            print(f"  {photo.name}: {truth[-1]}, said {said[-1]} {event.score if event else 0:.2f}")
    print_photos(np.array(truth), np.array(said))


def print_photos(truth: Names, said: Names) -> None:
    """Print a line for each label, and one for each of what may be wanted of all."""
    shown, found = np.isin(truth, LABELS), said != hand_photos.NO_HAND
    for label in np.unique(truth[shown]):
        mine = truth == label
        print(f"photos, {label}: found {rate(found[mine])}, right {rate(said[mine] == label)}")
    print(f"photos of hands: found {rate(found[truth != hand_photos.NO_HAND])}")
    print(
        f"photos, a gesture: right {rate((said == truth)[shown])}, where found {rate((said == truth)[shown & found])}"
    )
    for kind in (_NONE, hand_photos.NO_HAND):
        print(f"photos, {kind}: no label {rate(~np.isin(said, LABELS)[truth == kind])}")


def rate(right: npt.NDArray[np.bool_]) -> str:
    """How many are right, with the interval."""
    return interval(int(right.sum()), len(right))


def main() -> None:
    """Print every figure on a line of its own."""
    parser = argparse.ArgumentParser(description="Train the gesture classifier, and measure it.")
    parser.add_argument("--photos", type=Path, help="a folder of more photos, see hand_photos.py")
    parser.add_argument("--sets", type=Path, help="a folder of real hands' landmarks, see hand_sets.py")
    parser.add_argument("--train", action="store_true", help=f"make {_KEPT.name} anew, in some minutes")
    options = parser.parse_args()
    if options.train:
        retrain()
    classifier = load(_KEPT)
    print(f"{_KEPT.stat().st_size:,} bytes")
    measure_cost(classifier)
    measure_generated(classifier)
    if options.sets:
        measure_sets(options.sets, classifier)
        measure_conventions(options.sets, classifier)
    measure_photos(
        [*hand_photos.samples(), *(hand_photos.folder(options.photos) if options.photos else ())], classifier
    )


if __name__ == "__main__":
    main()
