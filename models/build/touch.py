"""How well are touches understood? Made strokes with jitter, any rate, size and slant, against what was meant.

    python models/build/touch.py [--each 500] [--seed 1]

Three generators that share nothing but the names: `touch_strokes`, on which the rules were developed, `touch_exam`, on
which they were not, and `touch_unseen`, which came when they were finished. Nobody's finger was recorded: the figures
say that the rules keep their promises over the ranges given there, not how people swipe.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import touch_exam
import touch_strokes
import touch_unseen
from figures import wilson

from sensorium.event import EventStream, Modality, Sample
from sensorium_agent.infer.touch import Strokes, TouchPerceiver
from sensorium_agent.infer.touch.taught import Template

Rng = np.random.Generator
EXAMPLES: Final = 3
_SLANT_DEG: Final = 30.0


@dataclass(frozen=True, slots=True)
class Maker:
    """One generator: what a pad feels of a named touch or drawing, and the clean drawing a user would teach."""

    touch: Callable[[str, Rng], Iterable[Sample]]
    drawing: Callable[[str, Rng, float], Iterable[Sample]]
    clean: Callable[[str, Rng], list[npt.NDArray[np.float64]]]


def _developed_drawing(name: str, rng: Rng, slant: float) -> Iterable[Sample]:
    return touch_strokes.samples(touch_strokes.drawing(name, rng, most_turn_deg=slant), rng)


def _examined_drawing(name: str, rng: Rng, slant: float) -> Iterable[Sample]:
    return touch_exam.felt(touch_exam.drawing(name, rng, most_turn_deg=slant), rng)


MAKERS: Final[Mapping[str, Maker]] = {
    "developed on": Maker(
        lambda name, rng: touch_strokes.samples(touch_strokes.stroke(name, rng), rng),
        _developed_drawing,
        lambda name, rng: [np.array(p)[:, 1:] for p in touch_strokes.drawing(name, rng, most_turn_deg=10)],
    ),
    "exam": Maker(
        lambda name, rng: touch_exam.felt(touch_exam.touch(name, rng), rng),
        _examined_drawing,
        lambda name, rng: [f.places for f in touch_exam.drawing(name, rng, most_turn_deg=10)],
    ),
}


def understood(given: Iterable[Sample], strokes: Strokes | None = None) -> str:
    """The labels of the events, None as "none", joined by +."""
    perceiver = TouchPerceiver(EventStream("s", Modality.HAPTIC), strokes=strokes)
    events = [event for sample in given for event in perceiver.perceive(sample)]
    return "+".join(event.label or "none" for event in [*events, *perceiver.finish(0)])


def share(right: int, of: int) -> str:
    """A share and its 95 % interval."""
    low, high = wilson(right, of)
    return f"{right / of:.3f} [{low:.3f}, {high:.3f}] of {of}"


def built_in(maker: Maker, each: int, rng: Rng) -> None:
    """Print the share of each kind that was understood as exactly that one event."""
    total = 0
    for meant in touch_strokes.MEANT:
        answers = Counter(understood(maker.touch(meant, rng)) for _ in range(each))
        right = answers.pop(meant, 0)
        total += right
        print(f"  {meant:<12} {share(right, each)}  else: {dict(answers.most_common(3))}")
    print(f"  {'all':<12} {share(total, each * len(touch_strokes.MEANT))}")


def taught(maker: Maker, count: int, rng: Rng) -> list[Template]:
    """``count`` examples of each drawing."""
    strokes = Strokes()
    for name in touch_strokes.DRAWINGS:
        for _ in range(count):
            strokes.teach(name, maker.clean(name, rng))
    return list(strokes.examples)


def free(examples: list[Template], maker: Maker, each: int, rng: Rng) -> None:
    """Print how often drawings are found among all that were taught, and taken for another where theirs was not."""
    right, strangers, everything = 0, 0, Strokes(examples)
    for name in touch_strokes.DRAWINGS:
        others = Strokes([example for example in examples if example.name != name])
        for _ in range(each):
            right += understood(maker.drawing(name, rng, _SLANT_DEG), everything) == name
            strangers += understood(maker.drawing(name, rng, _SLANT_DEG), others) in others.names
    of = each * len(touch_strokes.DRAWINGS)
    print(f"    found {share(right, of)}; untaught, taken for another {share(strangers, of)}")


def unseen(rate_hz: int, each: int, rng: Rng) -> None:
    """Print what is understood of the third hand on a pad of ``rate_hz``; it teaches at 60 Hz, one example each."""
    named = [name for name in touch_strokes.MEANT if name != "none"]
    right = Counter(
        name
        for name in named
        for _ in range(each)
        if understood(touch_unseen.felt(touch_unseen.touch(name, rng), rng, rate_hz)) == name
    )
    worst = min(named, key=lambda name: right[name])
    strokes = Strokes()
    for name in touch_unseen.DRAWINGS:
        strokes.teach(name, [places for _, places in touch_unseen.drawing(name, rng, 10.0)])
    drawn = [name for name in touch_unseen.DRAWINGS for _ in range(each)]
    found = sum(
        understood(touch_unseen.felt(touch_unseen.drawing(name, rng), rng, rate_hz), strokes) == name for name in drawn
    )
    print(f"  {rate_hz} Hz: with a name {share(right.total(), each * len(named))} (worst {worst} {right[worst]})")
    print(f"    taught by one example {share(found, len(drawn))}")


def cost(rng: Rng) -> None:
    """Print what a drawing costs where 36 examples are known."""
    strokes = Strokes(taught(MAKERS["exam"], EXAMPLES, rng))
    given = [list(MAKERS["exam"].drawing("box", rng, 0)) for _ in range(50)]
    begin = time.thread_time()
    for samples in given:
        understood(samples, strokes)
    print(
        f"one drawing against {len(strokes.examples)} examples: {(time.thread_time() - begin) / 50 * 1e3:.1f} ms of CPU"
    )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=500, help="touches of each kind")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for title, maker in MAKERS.items():
        print(f"generator: {title}")
        built_in(maker, options.each, np.random.default_rng(options.seed))
    for count in (1, EXAMPLES):
        for teacher, examinee in (("exam", "exam"), ("developed on", "exam"), ("exam", "developed on")):
            print(f"12 drawings, {count} examples each by the hand of {teacher!r}, drawn by that of {examinee!r}")
            rng = np.random.default_rng(options.seed)
            free(taught(MAKERS[teacher], count, rng), MAKERS[examinee], options.each // 10, rng)
    print("the unseen hand")
    for rate_hz in touch_unseen.RATES_HZ:
        unseen(rate_hz, options.each // 5, np.random.default_rng(options.seed))
    cost(np.random.default_rng(options.seed))


if __name__ == "__main__":
    main()
