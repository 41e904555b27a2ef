"""Measures movements that are taught by examples: drawn in the air by generated people, and by real ones.

    python models/build/teach_motions.py [--draws 10] [--each 12] [--skeletons FILE.npz]

In each draw one person of `motion_paths.SEEN` teaches eight of the drawings of `touch_strokes` by five examples each,
and ``UNSEEN`` people, who move, film and err otherwise, draw all twelve; the four that nobody taught are the unknown.
What is built in, and ordinary life, is asked about too. ``--skeletons`` takes a file of UTD-MHAD, see motion.py: two
people teach what the other two draw. Intervals are over draws, 95 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import motion
import motion_paths
import numpy as np
import numpy.typing as npt
import touch_strokes
from teach import spread

from sensorium_agent.infer.gesture.bout import Bout, Motion
from sensorium_agent.infer.gesture.motion import MotionSpotter
from sensorium_agent.infer.gesture.own_motion import OwnMotions, Ways, way

_TAUGHT: Final = 8
_EXAMPLES: Final = 5
_REAL: Final = ("draw x", "draw circle clockwise", "draw circle counter clockwise", "draw triangle", "arm cross")

Hand = Iterable[tuple[int, npt.NDArray[np.float32]]]


def ways(hand: Hand) -> list[Ways]:
    """The ways of a hand's bouts that went anywhere."""
    found: list[Ways] = []

    def watch(bout: Bout) -> None:
        if (gone := way(bout)) is not None:
            found.append(gone)

    follow(hand, MotionSpotter(watch=watch))
    return found


def follow(hand: Hand, spotter: MotionSpotter) -> list[Motion]:
    """All that a spotter says of a hand."""
    found = [motion for at_ns, joints in hand for motion in spotter.see(at_ns, joints)]
    return [*found, *spotter.lose()]


def shown(clip: motion_paths.Clip) -> list[tuple[int, npt.NDArray[np.float32]]]:
    """A clip's hand."""
    return list(zip(clip.times_ns.tolist(), clip.joints, strict=True))


def drawing(name: str, people: motion_paths.People, rng: np.random.Generator) -> motion_paths.Clip:
    """One of the drawings, by a person of ``people``."""
    return motion_paths.drawn(name, touch_strokes.outline(name, rng), people, rng)


def lesson(name: str, rng: np.random.Generator) -> Ways:
    """Five examples [5, 32, 2]; a take in which nothing was seen is shown again."""
    found: list[Ways] = []
    while len(found) < _EXAMPLES:
        found += ways(shown(drawing(name, motion_paths.SEEN, rng)))[-1:]
    return np.stack(found[:_EXAMPLES])


def draw(seed: int, each: int) -> dict[str, float]:
    """One draw: shares right of the taught, the strange and the built-in, and of life."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(list(touch_strokes.DRAWINGS)).tolist()
    known, strange = names[:_TAUGHT], names[_TAUGHT:]
    own = OwnMotions({name: lesson(name, rng) for name in known})

    def said(clip: motion_paths.Clip) -> list[str]:
        return [found.label for found in follow(shown(clip), MotionSpotter(own))]

    def share(kinds: Sequence[str], right: Callable[[str, list[str]], bool], drawn: bool) -> float:
        make = drawing if drawn else motion_paths.clip
        takes = [(kind, said(make(kind, motion_paths.UNSEEN, rng))) for kind in kinds for _ in range(each)]
        return float(np.mean([right(kind, labels) for kind, labels in takes]))

    before, after = _gestures(own, each, seed)
    return {
        "new, known by their name": share(known, lambda kind, labels: kind in labels, drawn=True),
        "strange drawings taken for one": share(strange, lambda _, labels: bool({*labels} & {*known}), drawn=True),
        "ordinary life taken for one": share(
            list(motion_paths.LIFE), lambda _, labels: bool({*labels} & {*known}), drawn=False
        ),
        "built-in gestures lose": before - after,
    }


def _gestures(own: OwnMotions, each: int, seed: int) -> tuple[float, float]:
    """Share of the built-in gestures that are found without and with what was taught."""
    rng = np.random.default_rng(seed + 1000)
    clips = [motion_paths.clip(g, motion_paths.UNSEEN, rng) for g in motion_paths.GESTURES for _ in range(each)]

    def right(own: OwnMotions | None) -> float:
        return float(np.mean([[m.label for m in follow(shown(c), MotionSpotter(own))] == [c.label] for c in clips]))

    return right(None), right(own)


# --- real people -----------------------------------------------------------------------


def real(path: Path) -> None:
    """Print what is found of drawings of two people after two others taught them, each pair in turn."""
    data = np.load(path, allow_pickle=True)
    people, acts = data["subject"], np.array([str(n) for n in data["names"]])[data["action"]]
    bouts = [_bouts(data["skel"][clip, : data["skel_len"][clip]]) for clip in range(len(acts))]
    subjects, known, taken = np.unique(people), [], []
    for turn in range(len(subjects)):
        shows = np.isin(people, subjects[[turn, (turn + 1) % len(subjects)]])
        lessons = {name: [bouts[i] for i in np.flatnonzero(shows & (acts == name))] for name in _REAL}
        own = OwnMotions({name: np.stack(_drawn(takes)[:_EXAMPLES]) for name, takes in lessons.items()})
        for clip in np.flatnonzero(~shows):
            labels = {found.label for bout in bouts[clip] if (found := own.motion(bout))}
            if acts[clip] in _REAL:
                known.append(acts[clip] in labels)
            else:
                taken.append(bool(labels))
    print(f"real people, {', '.join(_REAL)}: known {motion.interval(sum(known), len(known))}")
    print(f"real people, other actions: taken for one {motion.interval(sum(taken), len(taken))}")


def _bouts(clip: npt.NDArray[np.float32]) -> list[Bout]:
    """The bouts of both hands."""
    found: list[Bout] = []
    for joint in (7, 11):
        for times, joints in motion.in_sight(clip, joint):
            follow(zip(times, joints, strict=True), MotionSpotter(watch=found.append))
    return found


def _drawn(takes: Sequence[Sequence[Bout]]) -> list[Ways]:
    """The longest way of each take."""
    own = [[gone for bout in bouts if (gone := way(bout)) is not None] for bouts in takes]
    return [max(ways, key=_length) for ways in own if ways]


def _length(gone: Ways) -> float:
    return float(np.hypot(*np.diff(gone, axis=0).T).sum())


def main() -> None:
    """Print every figure on a line of its own."""
    parser = argparse.ArgumentParser(description="Measure movements that are taught by examples.")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--each", type=int, default=12, help="takes of each movement in a draw")
    parser.add_argument("--skeletons", type=Path, help="a file of UTD-MHAD, as motion.py takes it")
    options = parser.parse_args()
    found = [draw(seed, options.each) for seed in range(options.draws)]
    for what in found[0]:
        print(f"{what}: {spread([one[what] for one in found])}")
    if options.skeletons:
        real(options.skeletons)


if __name__ == "__main__":
    main()
