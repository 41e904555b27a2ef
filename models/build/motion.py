"""Measures the gestures that are movements: on generated people of two kinds, and on skeletons of real ones.

    python models/build/motion.py [--clips 300] [--conditions] [--skeletons FILE.npz] [--fingertips FILE.csv]

The limits in `infer/gesture/bout.py` were set on `motion_paths.SEEN`; ``UNSEEN`` moves, films and errs differently.
``--conditions`` films people of the second kind anew under one condition at a time, at a rate of 25 pictures a second
where it is not the rate itself, and by a mirrored camera, for which left is right.
``--skeletons`` takes a file of UTD-MHAD (C. Chen, R. Jafari, N. Kehtarnavaz, ICIP 2015): ``skel`` [clip, frame, 20, 3]
in metres at 30 Hz, ``skel_len``, ``action`` and ``names``. It has no fingers: an open hand is put where the hand was.
``--fingertips`` takes point_history.csv of Kazuhito00/hand-gesture-recognition-using-mediapipe (Apache-2.0): the tip of
an index finger at rest, circling and otherwise moving, in overlapping runs of 16 pictures.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import motion_paths
import numpy as np
import numpy.typing as npt
from gesture_scores import interval
from motion_camera import hand

from sensorium_agent.infer.gesture.bout import LABELS, Motion
from sensorium_agent.infer.gesture.motion import spot

_REAL: Final = {
    "swipe left": "swipe_left",
    "swipe right": "swipe_right",
    "wave": "wave",
    "draw circle clockwise": "circle",
    "draw circle counter clockwise": "circle",
}
_QUIET: Final = ("walk", "sit to stand", "stand to sit", "lunge", "draw x", "draw triangle")
_USUAL: Final = replace(motion_paths.UNSEEN, rate_hz=(25,))
_CONDITIONS: Final[Mapping[str, motion_paths.People]] = {
    **{f"{rate} pictures a second": replace(_USUAL, rate_hz=(rate,)) for rate in (8, 10, 15, 25, 30, 60)},
    **{f"{lost:.0%} of pictures lost": replace(_USUAL, dropped=lost) for lost in (0.0, 0.3, 0.5)},
    **{f"joints off by {off} palms": replace(_USUAL, error=(off, off)) for off in (0.01, 0.04, 0.06, 0.1)},
    "times off by half a period": replace(_USUAL, late=0.5),
}
_MIRRORED: Final = {"swipe_left": "swipe_right", "swipe_right": "swipe_left"}
_PALM_M: Final = 0.09
_SPINE: Final = 2
_HANDS: Final = (7, 11)
_FINGER: Final = {"stop": None, "clockwise": "circle", "counter clockwise": "circle", "move": None}
_PALMS_PX: Final = (60, 90)  # not in the file, so guessed


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A clip and the motions found in it."""

    clip: motion_paths.Clip
    motions: list[Motion]

    @property
    def right(self) -> bool:
        """Exactly the gesture was found, or nothing where there was none."""
        wanted = [self.clip.label] if self.clip.label in LABELS else []
        return [motion.label for motion in self.motions] == wanted


def heard(people: motion_paths.People, names: Sequence[str], clips: int, seed: int) -> list[Heard]:
    """``clips`` clips of each name."""
    rng = np.random.default_rng(seed)
    made = (motion_paths.clip(name, people, rng) for name in names for _ in range(clips))
    return [Heard(clip, list(spot(zip(clip.times_ns.tolist(), clip.joints, strict=True)))) for clip in made]


def measure(title: str, people: motion_paths.People, clips: int) -> None:
    """Print what is found of gestures, and what in ordinary life."""
    meant = heard(people, list(motion_paths.GESTURES), clips, seed=1)
    life = heard(people, list(motion_paths.LIFE), clips, seed=2)
    print(f"\n{title}: gestures {interval(sum(h.right for h in meant), len(meant))}")
    for label in motion_paths.GESTURES:
        print_label(label, [h for h in meant if h.clip.label == label])
    print(f"{title}: ordinary life without a gesture {interval(sum(h.right for h in life), len(life))}")
    for label in motion_paths.LIFE:
        print_label(label, [h for h in life if h.clip.label == label])
    print_times([h for h in meant if h.right])
    print_rates(meant)
    print_scores([*meant, *life])


def print_label(label: str, found: Sequence[Heard]) -> None:
    """One line: how many are right, and what the others were taken for."""
    wrong = Counter("+".join(m.label for m in h.motions) or "nothing" for h in found if not h.right)
    taken = ", ".join(f"{name} {count}" for name, count in wrong.most_common(4))
    print(f"  {label:14} {interval(sum(h.right for h in found), len(found))}  {taken}")


def print_times(found: Sequence[Heard], period_ms: float | None = None) -> None:
    """How far onsets and ends are off; where the camera's period is given, how many lie within one of it."""
    for name in ("onset_ns", "end_ns"):
        off = np.array([(getattr(h.motions[0], name) - getattr(h.clip, name)) / 1e6 for h in found])
        low, middle, high = np.quantile(off, [0.05, 0.5, 0.95])
        near = f"; within one picture {(np.abs(off) <= period_ms).mean():.2f}" if period_ms else ""
        print(f"  {name[:-3]}: median {middle:+.0f} ms off, 90 % between {low:+.0f} and {high:+.0f}{near}")


def print_rates(found: Sequence[Heard]) -> None:
    """The share that is right by the pictures a second that came."""
    rates = np.array([1e9 * (len(h.clip.times_ns) - 1) / (h.clip.times_ns[-1] - h.clip.times_ns[0]) for h in found])
    right = np.array([h.right for h in found])
    for low, high in ((0, 12), (12, 20), (20, 35), (35, 70)):
        those = (rates >= low) & (rates < high)
        if those.any():
            print(f"  {low}-{high} pictures a second: {interval(int(right[those].sum()), int(those.sum()))}")


def measure_conditions(clips: int) -> None:
    """Print what is found under each condition, and how far onsets and ends are off, in periods of the camera too."""
    print()
    for title, people in _CONDITIONS.items():
        found = heard(people, list(motion_paths.GESTURES), clips, seed=3)
        life = heard(people, list(motion_paths.LIFE), clips, seed=4)
        quiet = interval(sum(h.right for h in life), len(life))
        print(f"{title}: gestures {interval(sum(h.right for h in found), len(found))}, ordinary life {quiet}")
        print_times([h for h in found if h.right], period_ms=1e3 / people.rate_hz[0])
    rng = np.random.default_rng(3)
    made = [motion_paths.clip(name, _USUAL, rng) for name in motion_paths.GESTURES for _ in range(clips)]
    found = [
        Heard(clip, list(spot(zip(clip.times_ns.tolist(), clip.joints, strict=True)))) for clip in map(mirrored, made)
    ]
    print(f"a mirrored camera, left for right: gestures {interval(sum(h.right for h in found), len(found))}")


def mirrored(clip: motion_paths.Clip) -> motion_paths.Clip:
    """The clip as a camera that mirrors shows it, and what it then means."""
    joints = clip.joints * np.array([-1, 1, 1], np.float32)
    return replace(clip, joints=joints, label=_MIRRORED.get(clip.label, clip.label))


def print_scores(found: Sequence[Heard]) -> None:
    """How often a motion of some score was the right one."""
    pairs = [(m.score, m.label == h.clip.label) for h in found for m in h.motions]
    for low, high in ((0.5, 0.7), (0.7, 0.85), (0.85, 0.95), (0.95, 1.01)):
        those = [right for score, right in pairs if low <= score < high]
        if those:
            print(f"  score {low:.2f} to {min(high, 1):.2f}: right {interval(sum(those), len(those))}")


# --- real people -------------------------------------------------------------------------


def measure_skeletons(path: Path) -> None:
    """Print what is found in people who were asked to do something before a Kinect."""
    data = np.load(path, allow_pickle=True)
    names, actions = [str(name) for name in data["names"]], data["action"]
    print()
    for number, name in enumerate(names):
        clips = [data["skel"][i, : data["skel_len"][i]] for i in np.flatnonzero(actions == number)]
        found = [[motion.label for motion in in_skeleton(clip)] for clip in clips]
        wanted = [_REAL[name]] if name in _REAL else []
        seen = Counter("+".join(labels) or "nothing" for labels in found)
        kind = "gesture" if wanted else "no gesture" if name in _QUIET else "vigorous, no gesture"
        print(f"  {kind:21}{name:30} {interval(found.count(wanted), len(found))}  {dict(seen.most_common(4))}")


def in_skeleton(clip: npt.NDArray[np.float32]) -> list[Motion]:
    """The motions of both hands while they are above the middle of the spine, as a camera on a desk sees them."""
    return [
        motion
        for joint in _HANDS
        for times, joints in in_sight(clip, joint)
        for motion in spot(zip(times, joints, strict=True))
    ]


def in_sight(clip: npt.NDArray[np.float32], joint: int) -> Iterator[tuple[list[int], npt.NDArray[np.float32]]]:
    """The stretches of a clip in which the hand is above the middle of the spine: times and joints."""
    shape = hand(np.full((1, 5), 0.1), np.random.default_rng(0))[0] * [1, -1, -1]
    place = clip[:, joint]
    above = np.flatnonzero(place[:, 1] > clip[:, _SPINE, 1].mean())
    for run in np.split(above, np.flatnonzero(np.diff(above) > 12) + 1):
        if len(run) >= 5:
            near = 1 / place[run, 2, np.newaxis, np.newaxis]
            joints = shape * _PALM_M * near
            joints[..., :2] += place[run, np.newaxis, :2] * [-1, -1] * near
            yield [round(n * 1e9 / 30) for n in run], joints.astype(np.float32)


def measure_fingertips(path: Path) -> None:
    """Print what is found in the way of one person's index finger."""
    rows = np.loadtxt(path, delimiter=",")
    runs = list(_joined(rows[:, 0].astype(int), rows[:, 1:].reshape(len(rows), 16, 2) * [960, 540]))
    pointing = hand(np.array([[0.8, 0, 0.95, 0.95, 0.95]]), np.random.default_rng(0))[0] * [1, -1, -1]
    for palm_px in _PALMS_PX:
        print(f"\na real index finger, if the palm is {palm_px} pixels long:")
        for kind, (name, wanted) in enumerate(_FINGER.items()):
            found = []
            for way in (way for label, way in runs if label == kind):
                joints = pointing * palm_px + np.pad(way, ((0, 0), (0, 1)))[:, np.newaxis]
                times = (round(n * 1e9 / 30) for n in range(len(way)))
                found.append({m.label for m in spot(zip(times, joints.astype(np.float32), strict=True))})
            print(f"  {name:18} {interval(found.count({wanted} if wanted else set()), len(found))}")


def _joined(
    labels: npt.NDArray[np.int64], runs: npt.NDArray[np.float64]
) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """Runs of 16 places that follow each other by one picture, as one way each, if of a second or so."""
    steps = np.diff(runs, axis=1)
    follows = (np.abs(steps[1:, :-1] - steps[:-1, 1:]).max(axis=(1, 2)) < 1.5) & (labels[1:] == labels[:-1])
    for part in np.split(np.arange(len(runs)), np.flatnonzero(~follows) + 1):
        way = np.cumsum(np.concatenate([np.zeros((1, 2)), steps[part, 0], steps[part[-1], 1:]]), axis=0)
        if len(way) >= 25:
            yield int(labels[part[0]]), way


def print_cost() -> None:
    """Print the thread's CPU time for each picture of a hand."""
    clips = [motion_paths.clip(name, motion_paths.SEEN, np.random.default_rng(0)) for name in motion_paths.GESTURES]
    begin, pictures = time.thread_time(), 0
    for clip in clips * 5:
        list(spot(zip(clip.times_ns.tolist(), clip.joints, strict=True)))
        pictures += len(clip.joints)
    print(f"\n{(time.thread_time() - begin) / pictures * 1e6:.0f} us of CPU for each hand and picture")


def main() -> None:
    """Print every figure on a line of its own."""
    parser = argparse.ArgumentParser(description="Measure the gestures that are movements.")
    parser.add_argument("--clips", type=int, default=300, help="of each kind")
    parser.add_argument("--conditions", action="store_true", help="under one condition at a time, too")
    parser.add_argument("--skeletons", type=Path, help="a file of UTD-MHAD")
    parser.add_argument("--fingertips", type=Path, help="a point_history.csv")
    options = parser.parse_args()
    measure("people as known", motion_paths.SEEN, options.clips)
    measure("people not known", motion_paths.UNSEEN, options.clips)
    if options.conditions:
        measure_conditions(max(20, options.clips // 3))
    if options.skeletons:
        measure_skeletons(options.skeletons)
    if options.fingertips:
        measure_fingertips(options.fingertips)
    print_cost()


if __name__ == "__main__":
    main()
