"""Which spoken command was it? A small network of ours over the last vectors of a speech embedding.

It costs 1.3 ms of 80 ms, so it runs only while there is a voice, and a little longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.runtime.model import Model
from sensorium_agent.infer.sound.embedding import BANDS, HOP, ROWS, STEP, WIDTH, Spectrogram

Keyword = Literal[
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "yes", "no", "stop", "go", "left", "right", "up", "down", "on", "off", "help",
]  # fmt: skip
KEYWORDS: Final[tuple[Keyword, ...]] = get_args(Keyword)
OTHER: Final = len(KEYWORDS)
"""Index of what is none of them."""
DEPTH: Final = 6
"""Vectors the network looks at: 1.175 s."""
THRESHOLD: Final = 0.5
"""Probability from which a word counts: models/cards/keywords.md says what it finds and what it takes for a word."""

_ROWS_A_HOP: Final = HOP // STEP
_KNOWN: Final = ROWS + (DEPTH - 1) * _ROWS_A_HOP
_LEAST: Final = 1 / 256  # the step of the network's answers
_NONE: Final = -5.5  # log odds of what is not there at all
_MEAN: Final = 3  # answers: a word is in sight for 320 ms, and best for 240
_SLOPE: Final = 1.85
_OFFSETS: Final = np.array([
    0.21, 0.68, 1.19, -0.03, -0.14, 1.94, 1.96, 1.64, 1.82, 1.89, 0.94, 1.30, 1.03, 1.63, 1.26, 0.97, 1.41, 0.75, 1.69,
    1.76, 0.47,
])  # fmt: skip
_USUAL: Final = float(_OFFSETS.mean())
_QUIET: Final = 2.0  # a row of the spectrogram at one step of 16 bits
_PATIENCE: Final = 2  # hops without a better answer until a word is told: its next sound may make it another
_REST: Final = 4  # hops: two words do not end within 320 ms
_QUIETER: Final = 1.6  # log10 of power: a word ends where it is 16 dB below its loudest
_GAP: Final = 14  # rows: the closure of a "t" or "p" lies within a word
_RECENT: Final = 60  # rows before an answer in which its word is
_HOLD: Final = 11_520  # samples, 720 ms: how long a voice keeps the network awake
_AFTER: Final = 8 * HOP  # what the network wants to hear after a word

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Listening:
    """Which keywords are listened for, and when one counts.

    Attributes:
        words: none loads no network.
        threshold: probability from which one is told at all.
        wake_s: how long after a wake word one is meant for us; 0 for always. People talk to each other: in
            ordinary speech some word sounds like a command every minute.
        grammar: a JSGF file, or phrases, that commands in sentences follow; none loads no recognizer.
        clips: what is said after a wake word is kept as a clip, for the cloud to hear.
    """

    words: tuple[str, ...] = KEYWORDS
    threshold: float = THRESHOLD
    wake_s: float = 8.0
    grammar: str | tuple[str, ...] = ()
    clips: bool = False


@dataclass(frozen=True, slots=True)
class Spotted:
    """A keyword, its probability, and where it lies: samples ``begin`` to ``end``, counted from the first one fed."""

    word: Keyword
    score: float
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The index of a keyword, its probability, and the answer it was surest at."""

    word: int
    score: float
    hop: int


class Choice:
    """Turns answers of the network, 80 ms apart, into one answer a word."""

    def __init__(self, listening: Listening | None = None) -> None:
        listening = listening or Listening()
        self._threshold = listening.threshold
        self._wanted = np.array([word in listening.words for word in KEYWORDS])
        self.reset()

    def reset(self) -> None:
        """Nothing was heard."""
        self._odds: deque[Floats] = deque([np.full(OTHER, _NONE, np.float32)] * _MEAN, maxlen=_MEAN)
        self._best: Chosen | None = None
        self._hop = 0
        self._rest_until = 0
        self._told: int | None = None

    def push(self, probabilities: Floats) -> Chosen | None:
        """The next answer [22] of the network; a word once no better one can come."""
        hop, self._hop = self._hop, self._hop + 1
        self._odds.append(log_odds(probabilities))
        scores = np.where(self._wanted, calibrated(np.mean(self._odds, axis=0), _OFFSETS), 0.0)
        if self._told is not None and scores[self._told] < self._threshold / 2:
            self._told = None
        word = int(scores.argmax())
        score = float(scores[word])
        if hop >= self._rest_until and word != self._told and score >= self._threshold:
            self._best = max(self._best or Chosen(word, 0.0, hop), Chosen(word, score, hop), key=lambda c: c.score)
        done = self._best is not None and hop - self._best.hop >= _PATIENCE
        return self.flush() if done else None

    def flush(self) -> Chosen | None:
        """The word that waited for a better one."""
        found, self._best = self._best, None
        if found is not None:
            self._told, self._rest_until = found.word, found.hop + _REST
        return found


def log_odds(probabilities: Floats) -> Floats:
    """Of each word against everything else, from an answer [22] of the network, float32 [21]."""
    words = probabilities[:OTHER]
    return np.asarray(np.log(words + _LEAST) - np.log(1 - words + _LEAST), np.float32)


def calibrated(odds: Floats, offsets: npt.NDArray[np.float64] | float = _USUAL) -> Floats:
    """Probability that a word was said, from its mean log odds: 1 / (1 + exp(-(slope * odds + offset))).

    After J. Platt, "Probabilistic outputs for support vector machines", 1999. The slope, and an offset for each word
    ("tree" is near to "three", hardly anything is to "six"), were fitted to what people said, as many keywords as other
    words (models/build/keyword_scores.py): one half is where 4 in 100 other words are taken for a keyword.
    """
    return np.asarray(1 / (1 + np.exp(-(_SLOPE * odds + offsets))), np.float32)


class Keywords:
    """Spots keywords in sound of any run length, where there is a voice."""

    def __init__(self, embedding: Model, head: Model, listening: Listening | None = None) -> None:
        self._embedding = embedding
        self._head = head
        self._choice = Choice(listening)
        self._spectrogram = Spectrogram()
        self.reset()

    def reset(self) -> None:
        """Forget what was heard; samples count from 0 again."""
        self._spectrogram.reset()
        self._choice.reset()
        self._held: npt.NDArray[np.int16] = np.zeros(0, np.int16)
        self._rows: Floats = np.full((_KNOWN + _PATIENCE * _ROWS_A_HOP, BANDS), _QUIET, np.float32)
        self._vectors: deque[Floats] = deque(maxlen=DEPTH)
        self._voices: deque[int] = deque(maxlen=_HOLD // STEP)
        self._fed = 0
        self._hop = 0

    def voice(self, end: int) -> None:
        """There was a voice up to sample ``end``: told before that sample is fed, or with it."""
        self._voices.append(end)

    def feed(self, pcm: npt.NDArray[np.int16]) -> Iterator[Spotted]:
        """The words that ``pcm`` (int16 [n] at 16 kHz) completes."""
        self._held = np.concatenate([self._held, pcm])
        while len(self._held) >= HOP:
            rows = self._spectrogram.feed(self._held[:HOP])
            self._held = self._held[HOP:]
            self._rows = np.concatenate([self._rows[len(rows) :], rows])
            self._fed += HOP
            if (spotted := self._step()) is not None:
                yield spotted

    def finish(self) -> list[Spotted]:
        """The words that the sound's end completes: the network wants to hear what comes after one."""
        end = self._fed + len(self._held)
        found = list(self.feed(np.zeros(_AFTER, np.int16)))
        if (last := self._choice.flush()) is not None:
            found.append(self._placed(last))
        return [replace(word, begin=min(word.begin, end), end=min(word.end, end)) for word in found]

    def _step(self) -> Spotted | None:
        """One hop; without a voice nothing is computed but the spectrogram."""
        if self._voiced():
            missing = 1 if self._vectors else DEPTH
            self._vectors.extend(self._vector(back) for back in range(missing - 1, -1, -1))
            (answer,) = self._head.run(np.stack(self._vectors).reshape(1, DEPTH * WIDTH))
            choice = self._choice.push(answer.reshape(-1))
            self._hop += 1
        else:
            self._vectors.clear()
            choice = self._choice.flush()
        return None if choice is None else self._placed(choice)

    def _voiced(self) -> bool:
        while self._voices and self._voices[0] <= self._fed - _HOLD:
            self._voices.popleft()
        return bool(self._voices) and self._voices[0] <= self._fed

    def _vector(self, back: int) -> Floats:
        """The embedding ``back`` hops before the newest."""
        end = len(self._rows) - back * _ROWS_A_HOP
        (vector,) = self._embedding.run(self._rows[None, end - ROWS : end, :, None])
        return np.asarray(vector, np.float32).reshape(WIDTH)

    def _placed(self, choice: Chosen) -> Spotted:
        """Where the word lies: from the last loud row before its answer, back to a pause."""
        late = (self._hop - 1 - choice.hop) * _ROWS_A_HOP
        loud = self._rows[: len(self._rows) - late].max(axis=1)
        loud = loud > loud[-_RECENT:].max() - _QUIETER
        last = int(np.flatnonzero(loud)[-1])
        pauses = np.flatnonzero(np.diff(np.flatnonzero(loud[: last + 1])) > _GAP)
        first = int(np.flatnonzero(loud)[pauses[-1] + 1] if len(pauses) else np.flatnonzero(loud)[0])
        end = self._fed - (len(self._rows) - 1 - last) * STEP
        return Spotted(KEYWORDS[choice.word], choice.score, max(end - (last - first + 1) * STEP, 0), end)
