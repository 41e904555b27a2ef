"""How well classes are taught that a network never saw, to people it never saw: leave-people-out, several times.

    python -m models.build.fusion.few_shots --data FILE|DIR --out DIR [--shots 1,5] [--new 5] [--times 3] [--seeds 1]

Each time other classes are new. One network (or ``--seeds`` of them together) is trained on the clips of the other
people and the other classes; examples of the new ones are drawn from everybody's clips, as on one's own device, and the
clips of the people left out are asked about. Networks are kept in DIR/networks.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from models.build.fusion import dataset as datasets
from models.build.fusion import words
from models.build.fusion.dataset import Bools, Dataset, folds
from models.build.fusion.export import Pool, answers
from models.build.fusion.jobs import Job, Lesson, train_all
from models.build.fusion.network import ClipNet
from models.build.fusion.recipe import Recipe
from models.build.fusion.teach import Lessons, Space, Taught, views

_SEED = 7
_NEUTRAL = 1.0
"""The temperature: strangeness counts more than how sure the network is of what it knows."""


@dataclass(frozen=True, slots=True)
class Found:
    """Of one time and one part of the people: what teaching gave, by number of examples, and the unknown found."""

    taught: tuple[Taught, ...]
    unknown: float


def parts(dataset: Dataset, new: int, times: int) -> Iterator[Sequence[str]]:
    """The new classes of each time, none twice while there are enough."""
    rng = np.random.default_rng(_SEED)
    order = np.concatenate([rng.permutation(len(dataset.names)) for _ in range(1 + new * times // len(dataset.names))])
    for number in range(times):
        yield [dataset.names[k] for k in sorted(set(order[number * new : (number + 1) * new].tolist()))]


def study(dataset: Dataset, fresh: Sequence[str], args: argparse.Namespace) -> Iterator[Found]:
    """One time: each part of the people is left out once."""
    known = [name for name in dataset.names if name not in fresh]
    base = dataset.only(known)
    held_out = list(folds(base.group, args.folds, 0))
    lesson = Lesson(base, words.anchors(base.descriptions)[0], Recipe(), args.out / "networks")
    work = [Job(~held, seed) for held in held_out for seed in range(args.seeds)]
    nets = train_all(lesson, work, args.processes)
    for number, held in enumerate(held_out):
        own = nets[number * args.seeds : (number + 1) * args.seeds]
        strangers = np.isin(dataset.group, np.unique(base.group[held]))
        yield _examined(dataset, base.take(~held), strangers, own, args.shots)


def _examined(
    dataset: Dataset, seen: Dataset, strangers: Bools, nets: Sequence[ClipNet], shots: Sequence[int]
) -> Found:
    pool = Pool(nets).eval()
    told = answers(pool, seen)
    space = Space.of(told.features.astype(np.float64), views(told), seen.y, len(seen.names))
    lessons = Lessons.of(answers(pool, dataset), dataset, space, seen.names, strangers)
    taught = tuple(found for count in shots if (found := lessons.few_shot(count)))
    return Found(taught, lessons.unknown(_NEUTRAL)[0])


def told(found: Sequence[Found], shots: Sequence[int]) -> Iterator[str]:
    """Lines for people: means over times and people, with 95 % intervals by resampling these (bootstrap)."""
    yield f"unknown told from known, AUROC {_mean([f.unknown for f in found])}"
    for count in shots:
        own = [t for f in found for t in f.taught if t.shots == count]
        if own:
            lost = [t.old_before - t.old[0] for t in own]
            new = f"{_mean([t.new[0] for t in own])}, among new {_mean([t.among_new for t in own])}"
            yield f"{count:>2} examples: new among all {new}; old {_mean([t.old[0] for t in own])}, lost {_mean(lost)}"


def _mean(values: Sequence[float]) -> str:
    rng = np.random.default_rng(0)
    drawn = np.array(values)[rng.integers(len(values), size=(1000, len(values)))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shots", type=lambda text: tuple(map(int, text.split(","))), default=(1, 5))
    parser.add_argument("--new", type=int, default=5, help="classes that are new each time (%(default)s)")
    parser.add_argument("--times", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="networks together (%(default)s)")
    parser.add_argument("--folds", type=int, default=4, help="parts of the people (%(default)s)")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    dataset = datasets.read(args.data)
    found: list[Found] = []
    for fresh in parts(dataset, args.new, args.times):
        print(f"new: {', '.join(fresh)}", flush=True)
        found += study(dataset, fresh, args)
    print(f"{len(found)} trainings left out, {args.seeds} networks together")
    print("\n".join(told(found, args.shots)))


if __name__ == "__main__":
    main()
