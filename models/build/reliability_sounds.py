"""Words in noise, too soft and too loud: was the keyword right, and how good was the sound?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from keyword_sounds import NONE, RATE_HZ, Clip, coloured, read, room
from reliability_looks import Look
from speech import hear, perceiver

from sensorium.event import Event
from sensorium_agent.infer.sound.keyword import KEYWORDS, Listening
from sensorium_agent.infer.sound.speech import SpeechPerceiver

Rng = np.random.Generator
Pcm = npt.NDArray[np.int16]
Sound = npt.NDArray[np.float32]
Noise = Callable[[int, Rng], Sound]

_BEFORE_S: Final = 1.3
_AFTER_S: Final = 0.7


def clips(folder: Path) -> list[Clip]:
    """The words in FOLDER/WORD/SPEAKER_NUMBER.wav, as keyword_people.py cuts those of its part for tests."""
    paths = sorted(folder.rglob("*.wav"))
    return [Clip(NONE, path.stem.split("_")[0], read(path), path.parent.name) for path in paths]


def scene(word: Pcm, noise: Sound, rng: Rng) -> Pcm:
    """A word with silence around it put into noise of -5 to 40 dB, from whispered to so loud that it is clipped."""
    dry = word / 32768
    spoken = np.convolve(dry, room(rng))[: len(dry)] if rng.random() < 0.5 else dry
    loud = float(np.sqrt(np.quantile(spoken**2, 0.97))) + 1e-9
    sound = spoken / loud + noise / max(float(noise.std()), 1e-9) * 10 ** (-rng.uniform(-5, 40) / 20)
    peak = np.exp(rng.uniform(-0.5, 2.5)) if rng.random() < 0.35 else 10 ** (rng.uniform(-35, -1) / 20)
    level = peak / max(float(np.abs(sound).max()), 1e-9)
    return np.clip(np.rint(sound * level * 32767), -32768, 32767).astype(np.int16)


def made_noise(length: int, rng: Rng) -> Sound:
    """White to brown; practised with."""
    return coloured(rng, length)


def recorded(folder: Path | None, spoken: Sequence[Clip]) -> Noise:
    """The noises in a folder, and babble of what was ``spoken``; the exam's."""
    noises = [read(path).astype(np.float32) for path in sorted(folder.glob("*.wav"))] if folder else []
    voices = [clip.pcm for clip in spoken]

    def noise(length: int, rng: Rng) -> Sound:
        if noises and rng.random() < 0.6:
            one = noises[rng.integers(len(noises))]
            begin = int(rng.integers(max(len(one) - length, 1)))
            return np.resize(one[begin : begin + length], length)
        some = [voices[rng.integers(len(voices))] for _ in range(5)]
        babble = [np.resize(np.roll(v, rng.integers(len(v))), length).astype(np.float32) for v in some]
        return np.sum(babble, axis=0, dtype=np.float32)

    return noise


def looks(spoken: Sequence[Clip], noise: Noise, rng: Rng, *, most: int) -> Iterator[Look]:
    """Every keyword told in ``most`` scenes, half of them of keywords: right if it is the word that was said.

    Words that are not told right in silence say nothing of what a bad sound does, and are left out.
    """
    ear = perceiver(Listening())
    keywords = [clip for clip in spoken if clip.word in KEYWORDS]
    others = [clip for clip in spoken if clip.word not in KEYWORDS]
    for number in range(most):
        some = keywords if number % 2 else others
        clip = some[rng.integers(len(some))]
        word = _padded(clip.pcm[: 2 * RATE_HZ])
        if [event.label for event in _told(ear, word)] != [clip.word] * (number % 2):
            continue
        for event in _told(ear, scene(word, noise(len(word), rng), rng)):
            told = {name: float(event.metadata[name]) for name in ("snr_db", "clipped", "level_dbfs")}
            formula = min(max(told["snr_db"] / 20, 0.0), 1.0) / (1 + 100 * told["clipped"])
            yield Look(told, formula, event.label == clip.word, clip.speaker)


def _padded(word: Pcm) -> Pcm:
    before, after = (np.zeros(round(seconds * RATE_HZ), np.int16) for seconds in (_BEFORE_S, _AFTER_S))
    return np.concatenate([before, word, after])


def _told(ear: SpeechPerceiver, pcm: Pcm) -> list[Event]:
    return [event for event in hear(ear, pcm) if event.label in KEYWORDS]
