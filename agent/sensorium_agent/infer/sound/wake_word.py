"""Was it called by name? Small streaming networks over 40 filter-bank features every 10 ms."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.runtime.model import Model, ModelError

STEP: Final = 160
"""Samples of one feature vector: 10 ms at 16 kHz."""

_STRIDE: Final = 3  # feature vectors an inference takes, none of them twice
# The networks were all trained and quantized on features of 0 to 26: q = f / (26 / 255) - 128.
_FEATURE_SCALE: Final = np.float32(26 / 255)
_FEATURE_ZERO: Final = -128
_AFTER: Final = 30 * STEP  # 300 ms
_PROBABILITY_SCALE: Final = 1 / 256
_QUIET: Final = np.full((1, _STRIDE, 40), _FEATURE_ZERO, np.int8)
_SILENCE: Final = 100  # steps, 1 s
_FLUSH: Final = 100  # inferences, 3 s: no network looks further back than 1.5 s
_REMEMBERED: Final = 2 * 16_000  # samples kept for a second opinion
_ASK_AGAIN: Final = (
    960  # samples, 60 ms: what is heard of a word grows, and each look costs as much as 80 ms of keywords
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cutoff:
    """When a word counts as heard.

    Attributes:
        probability: what the mean over the window has to exceed.
        window: inferences in the mean; 5 are 150 ms.
    """

    probability: float
    window: int = 5


CUTOFFS: Final[Mapping[str, Cutoff]] = {
    "okay_nabu": Cutoff(0.85),
    "hey_jarvis": Cutoff(0.97),
    "hey_mycroft": Cutoff(0.95),
    "alexa": Cutoff(0.9),
}
"""As published beside the networks (pymicro-wakeword 2.5.0, ``models/*.json``)."""

_USUAL: Final = Cutoff(0.95)


@dataclass(frozen=True, slots=True)
class Heard:
    """A wake word, and the sample (exclusive, counted from the first one fed) at which it was sure."""

    word: str
    score: float
    end: int


class Opinion(Protocol):
    """Somebody else who says whether a wake word was said."""

    def odds(self, word: str, pcm: npt.NDArray[np.int16]) -> float:
        """Above 0 if ``word`` was said at the end of ``pcm`` (int16 at 16 kHz): log odds beyond what it needs."""


class FrontEnd:
    """Sound to 40 filter-bank features every 10 ms: TensorFlow Lite Micro's audio front end."""

    def __init__(self) -> None:
        try:
            from pymicro_features import MicroFrontend
        except ImportError:
            raise ModelError("no pymicro-features here: pip install 'sensorium[agent]'") from None
        self._micro: Any = MicroFrontend()
        self._held = b""

    def reset(self) -> None:
        """Forget what was heard, its noise estimate too: there was silence."""
        self._micro.reset()
        # Without a past, the first sounds of a recording come out too loud, and "hey mycroft" is heard in them.
        for _ in range(_SILENCE):
            self._micro.process_samples(bytes(2 * STEP))
        self._held = b""

    def feed(self, pcm: npt.NDArray[np.int16]) -> Iterator[list[float] | None]:
        """The 40 features of each step that ``pcm`` (int16 [n]) completes; None while the first window fills."""
        data = self._held + pcm.astype("<i2").tobytes()
        whole = len(data) // (2 * STEP) * (2 * STEP)
        self._held = data[whole:]
        for begin in range(0, whole, 2 * STEP):
            yield self._micro.process_samples(data[begin : begin + 2 * STEP]).features or None


class WakeWord:
    """One word's network, the mean of its last answers, and a rest after each call."""

    def __init__(self, word: str, model: Model, cutoff: Cutoff, refractory: int) -> None:
        self._word = word
        self._model = model
        self._cutoff = cutoff
        self._refractory = refractory
        self._last: deque[float] = deque(maxlen=cutoff.window)
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._model.reset()
        # LiteRT's reset does not reach these networks' resource variables: a word that was cut off
        # would be heard at the start of the next recording. Quiet pushes everything out (1 ms).
        for _ in range(_FLUSH):
            self._model.run(_QUIET)
        self._last.clear()
        self._resting_until = 0

    def step(
        self, quantized: npt.NDArray[np.int8], end: int, agrees: Callable[[str], bool] = lambda _: True
    ) -> Heard | None:
        """The next three feature vectors, int8 [1, 3, 40], that end at sample ``end``; told if somebody ``agrees``."""
        (answer,) = self._model.run(quantized)
        self._last.append(float(answer[0, 0]) * _PROBABILITY_SCALE)
        mean = sum(self._last) / self._cutoff.window
        if mean <= self._cutoff.probability or end < self._resting_until:
            return None
        agreed = agrees(self._word)
        self._resting_until = end + (self._refractory if agreed else _ASK_AGAIN)
        return Heard(self._word, mean, end) if agreed else None


class WakeWords:
    """Every word's network over one front end; a word that one says was said counts if ``opinion`` agrees."""

    def __init__(
        self, models: Mapping[str, Model], *, refractory_s: float = 2.0, opinion: Opinion | None = None
    ) -> None:
        self._front = FrontEnd()
        self._opinion = opinion
        refractory = round(refractory_s * 16_000)
        self._words = [WakeWord(w, m, CUTOFFS.get(w, _USUAL), refractory) for w, m in models.items()]
        self.reset()

    def reset(self) -> None:
        """Forget what was heard; samples count from 0 again."""
        self._front.reset()
        self._features: list[list[float]] = []
        self._pcm: npt.NDArray[np.int16] = np.zeros(0, np.int16)
        self._taken = self._fed = 0
        for word in self._words:
            word.reset()

    def feed(self, pcm: npt.NDArray[np.int16]) -> Iterator[Heard]:
        """The words that ``pcm`` (int16 [n] at 16 kHz) completes."""
        if self._opinion:
            self._pcm = np.concatenate([self._pcm[-_REMEMBERED:], pcm])
        self._taken += len(pcm)
        for features in self._front.feed(pcm):
            self._fed += STEP
            if features is None:
                continue
            self._features.append(features)
            if len(self._features) == _STRIDE:
                quantized = quantize(self._features)
                self._features = []
                yield from filter(None, (word.step(quantized, self._fed, self._agrees) for word in self._words))

    def finish(self) -> list[Heard]:
        """The words that the sound's end completes: the networks want to hear what comes after one."""
        end = self._fed
        return [replace(heard, end=end) for heard in self.feed(np.zeros(_AFTER, np.int16))]

    def _agrees(self, word: str) -> bool:
        """Whether nobody doubts that ``word`` ends here."""
        if self._opinion is None:
            return True
        odds = self._opinion.odds(word, self._pcm[: len(self._pcm) - (self._taken - self._fed)])
        if odds <= 0:
            log.debug("wake.doubted word=%s odds=%.1f at_s=%.2f", word, odds, self._fed / 16_000)
        return odds > 0


def quantize(features: list[list[float]]) -> npt.NDArray[np.int8]:
    """Feature vectors as the networks take them, int8 [1, n, 40]."""
    stored = np.rint(np.asarray(features, np.float32) / _FEATURE_SCALE) + _FEATURE_ZERO
    return np.asarray(np.clip(stored, -128, 127)[None], np.int8)
