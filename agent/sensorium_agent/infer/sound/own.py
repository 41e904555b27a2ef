"""Words and other sounds that the user taught, found in sound that goes on.

Every 80 ms, while there is something to hear, what was heard last is compared with each taught sound, over the time
that this one takes (`sound_pieces`). It costs what the speech embedding costs, which is shared with the keywords.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.prototypes import Prototypes, read_space
from sensorium_agent.infer.runtime.model import Model
from sensorium_agent.infer.sound.embedding import BANDS, HOP, ROWS, STEP, WIDTH, Spectrogram
from sensorium_agent.infer.sound.pieces import A_HOP, AFTER, PLACES, span

OWN_FROM: Final = 0.5
"""Probability from which a sound is what was taught."""
_LEAST: Final = 6.0
_LEAST_WAKING: Final = 22.0
"""Evidence in nats from which a sound counts, and calls: models/cards/teaching.md says how often either errs."""

_MOST_ROWS: Final = 200 + A_HOP
_HISTORY: Final = _MOST_ROWS // A_HOP + 2
_KNOWN: Final = ROWS + (_HISTORY - 1) * A_HOP
_PATIENCE: Final = 2  # hops without a better answer until a sound is told
_REST: Final = 5  # hops: nothing is said twice within 400 ms
_HOLD: Final = 12_800  # samples, 800 ms: how long a sound keeps the ear awake
_QUIET: Final = 2.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sounds:
    """The examples of one sound: their numbers [n, 384], and how long each is [n], in rows of 10 ms."""

    numbers: Floats
    rows: Floats


@dataclass(frozen=True, slots=True)
class OwnSound:
    """A taught sound that was heard: its probability, and the samples ``begin`` to ``end`` since the first one fed."""

    name: str
    score: float
    begin: int
    end: int


class OwnSounds:
    """Knows what sounds mean to this user.

    Args:
        space: file of the space in which sounds are compared, the model ``sound_space``.
        sounds: by name what was taught, at least one name.
        waking: the names of those that call the device: they have to be surer.
    """

    def __init__(self, space: Path, sounds: Mapping[str, Sounds], waking: Collection[str] = ()) -> None:
        least = {name: _LEAST_WAKING if name in waking else _LEAST for name in sounds}
        examples = {name: some.numbers for name, some in sounds.items()}
        self._prototypes = Prototypes(read_space(space), examples, least)
        self.names = self._prototypes.names
        self.waking = frozenset(waking)
        self.rows = tuple(float(np.median(some.rows)) for some in sounds.values())
        """How long each takes."""

    def chances(self, looks: Floats) -> Floats:
        """Probability [names] of each name by its own look: numbers [names, 384]."""
        return np.asarray(np.diagonal(self.told(looks)), np.float32)

    def told(self, numbers: Floats) -> Floats:
        """Probability [n, names] that looks [n, 384] are what was taught."""
        chances = self._prototypes.chances(numbers, [None] * len(numbers))
        likely = chances.max(axis=1) > OWN_FROM
        if likely.any():  # most sound is like nothing that was taught, and the rivals cost the most
            rivals = self._prototypes.nearest(numbers[likely])
            chances[likely] = self._prototypes.chances(numbers[likely], rivals)
        return chances


@dataclass(slots=True)
class Choice:
    """Turns probabilities, 80 ms apart, into one answer a sound."""

    _best: tuple[float, int, int] | None = None
    _rest_until: int = 0

    def push(self, hop: int, chances: Floats) -> tuple[float, int, int] | None:
        """Probability, number and hop of a sound, once no better answer came for two hops."""
        name = int(chances.argmax())
        score = float(chances[name])
        if score > OWN_FROM and hop >= self._rest_until and (self._best is None or score > self._best[0]):
            self._best = (score, name, hop)
        return self.flush() if self._best is not None and hop - self._best[2] >= _PATIENCE else None

    def flush(self) -> tuple[float, int, int] | None:
        """What waited for a better one."""
        found, self._best = self._best, None
        if found is not None:
            self._rest_until = found[2] + _REST
        return found


@dataclass(slots=True)
class _Ear:
    """What was heard, as rows and, where somebody looked, as vectors by hop."""

    rows: Floats = field(default_factory=lambda: np.full((_KNOWN, BANDS), _QUIET, np.float32))
    vectors: dict[int, Floats] = field(default_factory=dict)
    hop: int = 0


class SoundSpotter:
    """Spots taught sounds in sound of any run length, where there is something to hear."""

    def __init__(self, embedding: Model, own: OwnSounds) -> None:
        self._embedding = embedding
        self.learn(own)
        self.reset()

    def learn(self, own: OwnSounds) -> None:
        """Go by other sounds from now on."""
        self._own = own
        self._spans = [span(rows) for rows in own.rows]

    @property
    def waking(self) -> frozenset[str]:
        """The names that call the device."""
        return self._own.waking

    def reset(self) -> None:
        """Forget what was heard; samples count from 0 again."""
        self._spectrogram = Spectrogram()
        self._choice = Choice()
        self._ear = _Ear()
        self._held: npt.NDArray[np.int16] = np.zeros(0, np.int16)
        self._sounds: deque[int] = deque(maxlen=_HOLD // STEP)

    def sound(self, end: int) -> None:
        """There was something to hear up to sample ``end``: told before that sample is fed, or with it."""
        self._sounds.append(end)

    def feed(self, pcm: npt.NDArray[np.int16]) -> Iterator[OwnSound]:
        """The sounds that ``pcm`` (int16 [n] at 16 kHz) completes."""
        self._held = np.concatenate([self._held, pcm])
        while len(self._held) >= HOP:
            ear, fresh = self._ear, self._spectrogram.feed(self._held[:HOP])
            self._held = self._held[HOP:]
            ear.rows = np.concatenate([ear.rows[len(fresh) :], fresh])
            ear.hop += 1
            ear.vectors.pop(ear.hop - _HISTORY - 1, None)
            choice = self._choice.push(ear.hop, self._chances()) if self._awake() else self._choice.flush()
            if choice is not None:
                yield self._placed(*choice)

    def finish(self) -> list[OwnSound]:
        """The sounds that the end completes."""
        end = self._ear.hop * HOP + len(self._held)
        found = list(self.feed(np.zeros((AFTER // A_HOP + _PATIENCE + 2) * HOP, np.int16)))
        if (last := self._choice.flush()) is not None:
            found.append(self._placed(*last))
        return [OwnSound(s.name, s.score, min(s.begin, end), min(s.end, end)) for s in found]

    def _awake(self) -> bool:
        fed = self._ear.hop * HOP
        while self._sounds and self._sounds[0] <= fed - _HOLD:
            self._sounds.popleft()
        return bool(self._sounds) and self._sounds[0] <= fed

    def _chances(self) -> Floats:
        return self._own.chances(np.stack([self._look(back) for back in self._spans]))

    def _look(self, back: float) -> Floats:
        """The numbers [384] of what was heard last, over so many rows."""
        hops = back * np.linspace(1, 0, PLACES) / A_HOP
        return np.concatenate([self._between(float(hop)) for hop in hops])

    def _between(self, back: float) -> Floats:
        """The vector so many hops ago, between the two that were taken."""
        later, part = int(back), back - int(back)
        vector = self._vector(later)
        return vector if part == 0 else (1 - part) * vector + part * self._vector(later + 1)

    def _vector(self, back: int) -> Floats:
        """The embedding ``back`` hops ago; taken once."""
        ear = self._ear
        hop, end = ear.hop - back, len(ear.rows) - back * A_HOP
        if hop not in ear.vectors:
            (vector,) = self._embedding.run(ear.rows[None, end - ROWS : end, :, None])
            ear.vectors[hop] = np.asarray(vector, np.float32).reshape(WIDTH)
        return ear.vectors[hop]

    def _placed(self, score: float, name: int, hop: int) -> OwnSound:
        end = max(hop * HOP - AFTER * STEP, 0)
        return OwnSound(self._own.names[name], score, max(end - round(self._own.rows[name]) * STEP, 0), end)
