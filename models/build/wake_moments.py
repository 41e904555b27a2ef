"""The moments at which microWakeWord says that a wake word was said, or nearly does: what its second opinion is about.

A *moment* is an inference of a word's network after which the mean of its last answers is above its cutoff, or above a
lower one. `moments` finds them in what a microphone that stays on hears, `of_files` in recordings each heard by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from speech import read

from sensorium_agent.infer.lanes import WAKE_WORDS
from sensorium_agent.infer.runtime.model import load
from sensorium_agent.infer.sound.wake_word import CUTOFFS, STEP, FrontEnd, quantize
from sensorium_models import store

RATE_HZ = 16_000
KEPT = 32_000
"""Samples kept before each moment."""
AFTER = np.zeros(4_800, np.int16)
"""What follows a recording that is heard by itself, as the device does it."""
_APART = 2 * RATE_HZ
_BLOCK = 1_600
Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One inference of a network that was rather sure.

    Attributes:
        word: index in WAKE_WORDS.
        mean: of its last five answers.
        end: sample, counted from the beginning of what was heard.
        call: number of the stretch of moments it belongs to: less than 2 s lie between its moments.
        pcm: the last two seconds of sound before ``end``.
    """

    word: int
    mean: float
    end: int
    call: int
    pcm: Pcm

    @property
    def stock(self) -> bool:
        """Whether microWakeWord tells the word here."""
        return self.mean > CUTOFFS[WAKE_WORDS[self.word]].probability


class Ear:
    """All four networks, each with its own memory of when it was last sure."""

    def __init__(self, least: float) -> None:
        self._least = least
        self._front = FrontEnd()
        self._nets = [load(store.path(name)) for name in WAKE_WORDS]
        self.calls = 0
        self.reset()

    def reset(self) -> None:
        """Forget what was heard; samples count from 0 again."""
        self._front.reset()
        for net in self._nets:
            net.reset()
            for _ in range(100):
                net.run(np.full((1, 3, 40), -128, np.int8))
        self._answers = [deque([0.0] * 5, maxlen=5) for _ in WAKE_WORDS]
        self._last = [-_APART] * len(WAKE_WORDS)
        self._call = [0] * len(WAKE_WORDS)
        self._features: list[list[float]] = []
        self._pcm: Pcm = np.zeros(KEPT, np.int16)
        self._fed = 0

    def feed(self, pcm: Pcm) -> Iterator[Moment]:
        """The moments in a whole number of steps of sound."""
        for begin in range(0, len(pcm), _BLOCK):
            block = pcm[begin : begin + _BLOCK]
            self._pcm = np.concatenate([self._pcm[-KEPT:], block])
            first = self._fed
            for features in self._front.feed(block):
                self._fed += STEP
                if features is not None:
                    self._features.append(features)
                if len(self._features) == 3:
                    quantized = quantize(self._features)
                    self._features = []
                    yield from self._step(quantized, self._pcm[: KEPT + self._fed - first])

    def _step(self, quantized: npt.NDArray[np.int8], known: Pcm) -> Iterator[Moment]:
        for word, (net, answers) in enumerate(zip(self._nets, self._answers, strict=True)):
            answers.append(float(net.run(quantized)[0][0, 0]) / 256)
            mean = sum(answers) / len(answers)
            if mean <= self._least:
                continue
            if self._fed - self._last[word] > _APART:
                self.calls += 1
                self._call[word] = self.calls
            self._last[word] = self._fed
            yield Moment(word, mean, self._fed, self._call[word], known[-KEPT:].copy())


def whole(pcm: Pcm) -> Pcm:
    """Up to the next whole block."""
    return np.pad(pcm, (0, -len(pcm) % _BLOCK))


def moments(ear: Ear, sounds: Iterable[Pcm], pause_s: float = 1.0) -> Iterator[Moment]:
    """Of sounds that follow each other, a pause apart, in one recording."""
    pause = np.zeros(round(pause_s * RATE_HZ), np.int16)
    for sound in sounds:
        yield from ear.feed(whole(np.concatenate([sound, pause])))


def of_files(ear: Ear, paths: Iterable[Path]) -> Iterator[tuple[Path, list[Moment]]]:
    """Of recordings, each heard by itself."""
    for path in paths:
        ear.reset()
        yield path, list(ear.feed(whole(np.concatenate([read(path), AFTER]))))
