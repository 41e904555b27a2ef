"""Makes gesture_space, in which taught gestures are compared, and measures teaching.

    python models/build/teach.py [--train] [--sets FOLDER] [--draws 20]

``--train`` writes models/weights/gesture_space.npz from generated hands in random poses: the same seed, the same file.
Measured is what a user would see: in each draw one of the classifier's gestures is taken from it and taught anew with
five hands (or one), two more are taken from it and never taught, the rest stays. ``--sets`` does so with landmarks of
real hands, each collection by itself, as `hand_sets` describes them; of generated people every hand is another one's.
Intervals are over the draws.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import hand_model
import hand_sets
import numpy as np
import numpy.typing as npt
import touch
from figures import auroc
from hand_model import Finger, Pose, Thumb
from hand_view import Facing
from scipy.linalg import eigh  # type: ignore[import-untyped]

from sensorium_agent.infer.gesture.classify import LABELS, MEASURED_FROM
from sensorium_agent.infer.gesture.shape import SHAPE, hand_shape
from sensorium_agent.infer.prototypes import WAY, Floats, Prototypes, Space, read_space
from sensorium_agent.infer.runtime.model import Model, load

_WEIGHTS: Final = Path(__file__).parents[1] / "weights"
_KEPT: Final = _WEIGHTS / "gesture_space.npz"
_SEED: Final = 2026
_POSES: Final = 1200
_LOOKS: Final = 40
_WIDTH: Final = 24
_RIDGE: Final = 0.03
_MOST: Final = 120
"""Hands of a gesture that are looked at in one draw."""
_LEAST: Final = 25
_FINGERS: Final = (
    Finger.STRAIGHT, Finger.STRAIGHT, Finger.CURLED, Finger.CURLED,
    Finger.HALF, Finger.HOOKED, Finger.BOWED, Finger.ROUND,
)  # fmt: skip
_SLOPE: Final = 0.45
"""Of `Space.slope`; --draws prints how well it is calibrated."""

Names = npt.NDArray[np.str_]
Rng = np.random.Generator


# --- the space -------------------------------------------------------------------------


def random_pose(rng: Rng) -> Pose:
    """A way to hold a hand that may mean nothing to anybody."""
    fingers = [(_FINGERS[rng.integers(len(_FINGERS))],) for _ in range(4)]
    spread = rng.uniform(-5, 25)
    thumb, facing = list(Thumb)[rng.integers(len(Thumb))], list(Facing)[rng.integers(len(Facing))]
    return Pose("none", fingers, (thumb,), (spread, spread + 8), facing)


def shapes(pose: Pose, count: int, rng: Rng) -> Floats:
    """Shapes [n, SHAPE] of generated hands in one pose."""
    joints, _ = hand_model.seen(pose, count, rng)
    return hand_shape(joints.astype(np.float32))


def trained() -> Space:
    """The space, from the seed alone: linear discriminants of random poses, those that tell most."""
    rng = np.random.default_rng(_SEED)
    looks = np.stack([shapes(random_pose(rng), _LOOKS, rng) for _ in range(_POSES)]).astype(np.float64)
    mean, centres = looks.mean(axis=(0, 1)), looks.mean(axis=1)
    within = np.cov((looks - centres[:, np.newaxis]).reshape(-1, SHAPE).T)
    among = np.cov(centres.T) - within / _LOOKS
    variances, axes = eigh(among, within + _RIDGE * np.trace(within) / SHAPE * np.eye(SHAPE))
    order = np.argsort(-variances)[:_WIDTH]
    basis = axes[:, order].astype(np.float32)
    known = [pose for pose in hand_model.POSES if pose.label in LABELS]
    seen = np.concatenate([shapes(pose, WAY, rng) for pose in known])
    negatives = ((seen - mean) @ basis).astype(np.float16).astype(np.float32)
    labels = np.repeat(np.array([pose.label for pose in known]), WAY)
    return Space(mean.astype(np.float32), basis, variances[order].astype(np.float32), negatives, labels, _SLOPE)


def write(space: Space) -> None:
    """Keep the space among the weights, and print its hash."""
    arrays = {name: getattr(space, name) for name in ("mean", "basis", "between", "labels")}
    np.savez(_KEPT, negatives=space.negatives.astype(np.float16), slope=np.float32(space.slope), **arrays)
    print(f"{_KEPT.name}: sha256 {hashlib.sha256(_KEPT.read_bytes()).hexdigest()}, {_KEPT.stat().st_size:,} bytes")


# --- measuring -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Hands that show one thing: shapes [n, SHAPE], and what the classifier makes of them [n, labels + 1]."""

    shapes: Floats
    chances: Floats

    def part(self, rows: npt.NDArray[np.intp]) -> Shown:
        """Some of them."""
        return Shown(self.shapes[rows], self.chances[rows])


@dataclass(frozen=True, slots=True)
class Draw:
    """One measurement: share right of the new, points the old lose, AUROC of new against unknown, mistaken unknown."""

    new: float
    lost: float
    auroc: float
    mistaken: float


def shown(joints: Floats, truth: Names, classifier: Model, rng: Rng) -> dict[str, Shown]:
    """By label, at most `_MOST` hands of each that has `_LEAST`."""
    found = {}
    for label in LABELS:
        rows = rng.permutation(np.flatnonzero(truth == label))[:_MOST]
        if len(rows) >= _LEAST:
            own = hand_shape(joints[rows])
            found[label] = Shown(own, np.stack([classifier.run(row[np.newaxis])[0][0] for row in own]))
    return found


def without(space: Space, labels: Sequence[str]) -> Space:
    """The space as if nobody had built in ``labels``."""
    kept = ~np.isin(space.labels, labels)
    return replace(space, negatives=space.negatives[kept], labels=space.labels[kept])


def built_in(hands: Shown, kept: Sequence[str]) -> list[str | None]:
    """What the classifier says, had it only ``kept``."""
    columns = [LABELS.index(label) for label in kept]
    chances = hands.chances[:, columns]
    best = chances.argmax(axis=1)
    return [kept[b] if row[b] >= MEASURED_FROM else None for b, row in zip(best, chances, strict=True)]


def draw(space: Space, hands: Mapping[str, Shown], examples: int, rng: Rng) -> tuple[Draw, list[tuple[float, bool]]]:
    """Teach one gesture with so many examples; also each score above a half, and whether it was right."""
    new, *strange = rng.permutation(sorted(hands))[:3].tolist()
    kept = [label for label in LABELS if label not in (new, *strange)]
    order = rng.permutation(len(hands[new].shapes))
    taught = Prototypes(without(space, [new, *strange]), {new: hands[new].shapes[order[:examples]]})

    def said(some: Shown) -> tuple[Floats, list[str | None]]:
        labels = built_in(some, kept)
        return taught.chances(some.shapes, labels)[:, 0], labels

    mine, _ = said(hands[new].part(order[examples:]))
    unknown = np.concatenate([said(hands[label])[0] for label in strange])
    lost, pairs = [], [(float(s), True) for s in mine if s > 0.5] + [(float(s), False) for s in unknown if s > 0.5]
    for label in set(hands) & set(kept):
        scores, labels = said(hands[label])
        right = np.array([one == label for one in labels])
        lost.append(float((right & (scores > 0.5)).mean()))
        pairs += [(float(s), False) for s in scores if s > 0.5]
    positive = np.arange(len(mine) + len(unknown)) < len(mine)
    told_apart = auroc(np.concatenate([mine, unknown]), positive)
    return Draw(float((mine > 0.5).mean()), float(np.mean(lost)), told_apart, float((unknown > 0.5).mean())), pairs


def spread(values: Sequence[float]) -> str:
    """The mean and its 95 % interval over draws."""
    mean, half = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return f"{mean:.3f} [{max(mean - half, 0):.3f}, {min(mean + half, 1):.3f}]"


def summary(found: Sequence[Draw]) -> str:
    """What draws say together."""
    return (
        f"new {spread([d.new for d in found])}, old lose {spread([d.lost for d in found])}, "
        f"AUROC {spread([d.auroc for d in found])}, unknown mistaken {spread([d.mistaken for d in found])}"
    )


def calibration(pairs: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error of scores above a half, over five bins of equal width."""
    scores, right = np.array([s for s, _ in pairs]), np.array([r for _, r in pairs], float)
    bins = np.minimum(((scores - 0.5) * 10).astype(int), 4)
    return float(sum(abs((scores - right)[bins == b].sum()) for b in range(5)) / max(len(pairs), 1))


def measure(name: str, space: Space, hands: Mapping[str, Shown], draws: int) -> list[Draw]:
    """Print what ``draws`` draws give, and give those with five examples."""
    found: list[Draw] = []
    for examples in (1, 5):
        done = [draw(space, hands, examples, np.random.default_rng(seed)) for seed in range(draws)]
        found, pairs = [one for one, _ in done], [pair for _, own in done for pair in own]
        print(f"{name}, {examples} taught: {summary(found)}, ECE {calibration(pairs):.3f}", flush=True)
    return found


def real(root: Path, classifier: Model) -> Iterator[tuple[str, dict[str, Shown]]]:
    """The collections that show at least five of the classifier's labels."""
    for collection in hand_sets.collections(root, LABELS):
        hands = shown(collection.joints, collection.truth, classifier, np.random.default_rng(0))
        if len(hands) >= 5:
            yield collection.name, hands


def cost(space: Space) -> None:
    """Print what teaching and knowing cost, in CPU time of a thread."""
    rng = np.random.default_rng(0)
    examples = {f"sign_{n}": shapes(random_pose(rng), 5, rng) for n in range(10)}
    begin = time.thread_time()
    taught = Prototypes(space, examples)
    between = time.thread_time()
    for row in next(iter(examples.values())):
        for _ in range(100):
            taught.chances(row[np.newaxis], [None])
    end = time.thread_time()
    print(
        f"ten signs of five examples: {(between - begin) * 1e3:.1f} ms to learn, {(end - between) * 2e3:.0f} us a hand"
    )


def main() -> None:
    """Print every figure on a line of its own."""
    parser = argparse.ArgumentParser(description="Make the space of taught gestures, and measure teaching.")
    parser.add_argument("--train", action="store_true", help=f"make {_KEPT.name} anew, in seconds")
    parser.add_argument("--sets", type=Path, help="a folder of real hands' landmarks, see hand_sets.py")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--strokes", type=int, default=20, metavar="EACH", help="drawings of each taught stroke")
    options = parser.parse_args()
    if options.train:
        write(trained())
    space, classifier = read_space(_KEPT), load(_WEIGHTS / "gesture_classifier.tflite")
    cost(space)
    people = hand_model.generate(4_000, np.random.default_rng(_SEED + 1))
    truth = np.array(hand_model.LABELS)[people.labels]
    measure("generated", space, shown(people.joints, truth, classifier, np.random.default_rng(0)), options.draws)
    if options.sets:
        found = [measure(name, space, hands, options.draws) for name, hands in real(options.sets, classifier)]
        everything = [one for some in found for one in some]
        print(f"all {len(found)} collections, 5 taught: {summary(everything)}")
    rng = np.random.default_rng(1)
    for count in (1, 5):
        print(f"12 strokes, {count} taught by another hand than draws")
        touch.free(touch.taught(touch.MAKERS["developed on"], count, rng), touch.MAKERS["exam"], options.strokes, rng)


if __name__ == "__main__":
    main()
