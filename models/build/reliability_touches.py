"""Strokes on pads that are slow, coarse and jittery: was the touch named right, and how well was it sampled?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import touch_strokes
from reliability_looks import Look
from touch import MAKERS

from sensorium.event import EventStream, Modality, Sample, Touch, TouchPhase
from sensorium_agent.infer.touch import TouchPerceiver
from sensorium_agent.infer.touch.contact import Stroke, measures

Rng = np.random.Generator
_WELL_SAMPLED: Final = 8
"""By the formula: points of a stroke that can be trusted."""
Spoil = Callable[[Iterable[Sample], Rng], Iterator[Sample]]


def sparse(given: Iterable[Sample], rng: Rng) -> Iterator[Sample]:
    """A pad that is slow and coarse: most movements are never told, all places are off by up to a twentieth."""
    kept, off = np.exp(rng.uniform(np.log(0.03), 0.0)), np.exp(rng.uniform(np.log(0.001), np.log(0.05)))
    for sample in given:
        touch = _touch(sample)
        if touch.phase is not TouchPhase.MOVE or rng.random() < kept:
            yield replace(sample, data=replace(touch, x=touch.x + rng.normal(0, off), y=touch.y + rng.normal(0, off)))


def gappy(given: Iterable[Sample], rng: Rng) -> Iterator[Sample]:
    """A busy machine: nothing is told for up to half of the movement, and places come in coarse steps."""
    samples = list(given)
    steps, moves = float(rng.uniform(8, 200)), [k for k, s in enumerate(samples) if _touch(s).phase is TouchPhase.MOVE]
    gap = int(rng.uniform(0.0, 0.95) * len(moves))
    begin = int(rng.integers(len(moves) - gap + 1))
    lost = set(moves[begin : begin + gap])
    for number, sample in enumerate(samples):
        if number not in lost:
            touch = _touch(sample)
            yield replace(
                sample, data=replace(touch, x=round(touch.x * steps) / steps, y=round(touch.y * steps) / steps)
            )


def _touch(sample: Sample) -> Touch:
    assert isinstance(sample.data, Touch)
    return sample.data


def looks(maker: str, spoil: Spoil, rng: Rng, *, most: int) -> Iterator[Look]:
    """What was said of ``most`` touches of a maker of `touch.MAKERS`, where it was one thing; three in four spoilt."""
    felt: list[Stroke] = []

    def watch(strokes: Sequence[Stroke]) -> None:
        felt[:] = strokes

    for number in range(most):
        meant = touch_strokes.MEANT[number % len(touch_strokes.MEANT)]
        perceiver = TouchPerceiver(EventStream("s", Modality.HAPTIC), watch=watch)
        felt.clear()
        given = MAKERS[maker].touch(meant, rng)
        given = spoil(given, rng) if number % 4 else given
        events = [event for sample in given for event in perceiver.perceive(sample)]
        events += perceiver.finish(0)
        if len(events) == 1 and felt:
            told = measures(felt)
            formula = min(told["points"] / _WELL_SAMPLED, 1.0)
            yield Look(told, formula, (events[0].label or "none") == meant, str(number))
