"""Is somebody speaking? A probability for each 32 ms, and the stretches of speech made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.runtime.model import Model

BLOCK: Final = 512
"""Samples of one answer: 32 ms at 16 kHz."""

_CONTEXT: Final = 64
_RATE: Final = np.array(16_000, np.int64)


class VoiceActivity:
    """Runs the streaming Silero network over sound of any run length.

    Each answer takes 64 samples of context and 512 new ones; the recurrent state [2, 1, 128] is ours to keep.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._held = np.zeros(_CONTEXT, np.float32)

    def feed(self, pcm: npt.NDArray[np.int16]) -> Iterator[float]:
        """The probability of speech in each block that ``pcm`` (int16 [n] at 16 kHz) completes."""
        self._held = np.concatenate([self._held, pcm.astype(np.float32) / np.float32(32768)])
        while len(self._held) >= _CONTEXT + BLOCK:
            probability, self._state = self._model.run(self._held[None, : _CONTEXT + BLOCK], self._state, _RATE)
            self._held = self._held[BLOCK:]
            yield float(probability[0, 0])


@dataclass(frozen=True, slots=True)
class Stretch:
    """Speech that was not told before.

    Attributes:
        start, end: its first and last block, the latter exclusive, counted from the first block heard.
        score: mean probability of speech over the blocks with voice.
    """

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Patience:
    """How much it takes to believe in speech, and in its end.

    Attributes:
        onset: probability from which a block begins speech.
        release: probability below which a block is a pause (the hysteresis Silero's own code uses).
        confirm: blocks in a row that make an onset; 3 are 96 ms.
        every: blocks from one report to the next while speech goes on; 8 are 256 ms.
        pause: quiet blocks after which what is not told yet is told.
        end: quiet blocks that end the utterance; 10 are 320 ms.
    """

    onset: float = 0.5
    release: float = 0.35
    confirm: int = 3
    every: int = 8
    pause: int = 3
    end: int = 10


USUAL: Final = Patience()


class Utterances:
    """Turns probabilities into stretches of speech: one when it is sure, then one about every 250 ms."""

    def __init__(self, patience: Patience = USUAL) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Nothing was heard; blocks count from 0 again."""
        self.speaking = False
        self._block = 0
        self._quiet = 0
        self._since_told = 0
        self._voiced: list[tuple[int, float]] = []

    def push(self, probability: float) -> Stretch | None:
        """The next block's probability; a stretch where there is something to tell."""
        block, self._block = self._block, self._block + 1
        if not self.speaking:
            return self._wait(block, probability)
        self._since_told += 1
        if probability >= self._patience.release:
            self._quiet = 0
            self._voiced.append((block, probability))
        else:
            self._quiet += 1
        self.speaking = self._quiet < self._patience.end
        due = self._since_told >= self._patience.every or self._quiet >= self._patience.pause
        return self.flush() if due else None

    def flush(self) -> Stretch | None:
        """The speech not told yet; less than a confirmation's worth waits for more."""
        if not self.speaking or len(self._voiced) < self._patience.confirm:
            return None
        score = sum(p for _, p in self._voiced) / len(self._voiced)
        told = Stretch(self._voiced[0][0], self._voiced[-1][0] + 1, score)
        self._voiced = []
        self._since_told = 0
        return told

    def _wait(self, block: int, probability: float) -> Stretch | None:
        if probability < self._patience.onset:
            self._voiced = []
            return None
        self._voiced.append((block, probability))
        self.speaking = len(self._voiced) >= self._patience.confirm
        self._quiet = 0
        return self.flush()
