"""Spoken words put into rooms, noises and gaps, and cut into the windows the keyword network sees.

A *scene* is up to three seconds of sound in which a word stands, alone or after another; it is heard
from its beginning, as a recording is. A window that ends shortly after the word is an example of it; windows
that end in its middle or long after it, and all windows of other words, are examples of none.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from keyword_words import KEYWORDS

from sensorium_agent.capture.resample import Resampler
from sensorium_agent.infer.sound.embedding import BANDS, ROWS, WIDTH, Spectrogram
from sensorium_agent.infer.sound.keyword import DEPTH, OTHER

RATE_HZ = 16_000
MOMENTS = 5
"""Windows of a keyword's scene, 80 ms apart."""
MOMENTS_OF_NONE = 10
"""Windows of another word's scene."""
AFTER_S = (0.08, 0.40)
"""When a window that ends after the word is an example of it."""
GONE_S = 0.56
"""When it is none any more."""
NONE = OTHER
Sound = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]
_FFT = 1 << 16
_LONGEST = 3 * RATE_HZ


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A recording of one word, or of speech with none of the keywords.

    Attributes:
        label: index of the keyword, or of none.
        speaker: who says it.
        pcm: int16 at 16 kHz.
        word: what is said; "sentence" where it is more.
    """

    label: int
    speaker: str
    pcm: npt.NDArray[np.int16]
    word: str = ""


def read(path: Path) -> npt.NDArray[np.int16]:
    """A WAV file of 16 bits as mono at 16 kHz."""
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())[:, 0]
        rate_hz = file.getframerate()
    if rate_hz == RATE_HZ:
        return pcm
    resampler = Resampler(rate_hz)
    return np.concatenate([resampler.feed(pcm), resampler.finish()])


def clips(folder: Path) -> Iterator[Clip]:
    """What keyword_voices.py has written: FOLDER/ENGINE/WORD/SPEAKER-SEED-NUMBER.wav; of people's, only the word.

    So may what people said be laid out: one word each, as ENGINE "people", and cut out of sentences, as "census".
    """
    for path in sorted(folder.rglob("*.wav")):
        engine, word, speaker = path.parent.parent.name, path.parent.name, path.stem.rsplit("-", 2)[0]
        label = KEYWORDS.index(word) if word in KEYWORDS else NONE
        pcm = read(path)
        yield Clip(label, f"{engine}/{speaker}", tight(pcm, 0.06) if engine == "people" else pcm, word)


# --- rooms and noises ----------------------------------------------------------------------


def room(rng: np.random.Generator) -> Sound:
    """An impulse response: the direct sound, and an echo that dies away in 0.1 to 0.7 s, as white noise does."""
    decay_s = rng.uniform(0.1, 0.7)
    at_s = np.arange(int(min(decay_s, 0.5) * RATE_HZ)) / RATE_HZ
    tail = rng.normal(0, 1, len(at_s)) * 10 ** (-3 * at_s / decay_s)
    tail[: int(rng.uniform(0.001, 0.008) * RATE_HZ)] = 0
    tail *= 10 ** (-rng.uniform(0, 18) / 20) / max(float(np.sqrt((tail**2).sum())), 1e-9)
    tail[0] = 1.0
    return tail.astype(np.float32)


def microphone(rng: np.random.Generator) -> Sound:
    """Gain of each FFT bin: a smooth curve of up to 10 dB, and often the band of a telephone or a small speaker."""
    hz = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)
    at_octaves = np.log2(np.maximum(hz, 40) / 40)
    db = np.interp(at_octaves, np.linspace(0, 8, 7), rng.normal(0, 4.5, 7))
    low_hz, high_hz = rng.choice([20, 120, 300], p=[0.5, 0.3, 0.2]), rng.choice([8000, 5500, 3800], p=[0.6, 0.2, 0.2])
    db -= 24 * np.maximum(np.log2(low_hz / np.maximum(hz, 1)), 0) + 60 * np.maximum(
        np.log2(np.maximum(hz, 1) / high_hz), 0
    )
    return (10 ** (np.clip(db, -80, 20) / 20)).astype(np.float32)


def coloured(rng: np.random.Generator, length: int) -> Sound:
    """Noise whose power falls with frequency: white to brown; sometimes with the hum of the mains."""
    spectrum = np.fft.rfft(rng.normal(0, 1, _FFT))
    spectrum /= np.maximum(np.arange(len(spectrum)), 8) ** rng.uniform(0.0, 1.0)
    noise = np.fft.irfft(spectrum)[:length]
    if rng.random() < 0.15:
        at_s = np.arange(length) / RATE_HZ
        noise += noise.std() * sum(np.sin(2 * np.pi * rng.choice([50, 60]) * k * at_s) / k for k in (1, 2, 3, 5))
    return noise.astype(np.float32)


def stretched(sound: Sound, factor: float) -> Sound:
    """Faster and higher by ``factor``: tempo, pitch and formants together, as a smaller speaker's are."""
    at = np.arange(0, len(sound) - 1, factor)
    return np.interp(at, np.arange(len(sound)), sound).astype(np.float32)


def paced(sound: Sound, factor: float) -> Sound:
    """Faster by ``factor`` at the same pitch.

    After W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity", 1993: each 32 ms are
    taken from where, within 8 ms, they continue the last ones best.
    """
    frame, hop, reach = 512, 256, 128
    padded = np.concatenate([np.zeros(reach, np.float32), sound, np.zeros(2 * frame + reach, np.float32)])
    count = max(int(len(sound) / (hop * factor)), 1)
    found, window, last = np.zeros((count + 1) * hop, np.float32), np.hanning(frame).astype(np.float32), reach
    for number in range(count):
        due = round(number * hop * factor)
        if number:
            natural = padded[last + hop : last + hop + frame]
            last = due + int(np.correlate(padded[due : due + 2 * reach + frame], natural, "valid").argmax())
        found[number * hop : number * hop + frame] += padded[last : last + frame] * window
    return found


def tight(sound: npt.NDArray[Any], part: float) -> npt.NDArray[Any]:
    """From the first to the last 20 ms that are louder than ``part`` of the way from the softest to the loudest."""
    loud = np.sqrt((sound[: len(sound) // 320 * 320].reshape(-1, 320).astype(np.float32) ** 2).mean(axis=1))
    kept = np.flatnonzero(loud > loud.min() + part * np.ptp(loud))
    return sound[kept[0] * 320 : (kept[-1] + 1) * 320] if len(kept) > 4 else sound


class Stage:
    """Puts clips into scenes; everything random comes from one generator."""

    def __init__(self, all_clips: Sequence[Clip], noises: Sequence[Sound], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._others = [clip for clip in all_clips if clip.label == NONE]
        self._all = all_clips
        self._noises = noises
        self._rooms = [np.fft.rfft(room(self.rng), _FFT) for _ in range(200)]
        self._microphones = [microphone(self.rng) for _ in range(200)]

    def scene(self, clip: Clip) -> tuple[npt.NDArray[np.int16], int, int]:
        """Sound with ``clip`` in it, and the word's first and last sample."""
        rng = self.rng
        word = self._said(clip)[: 2 * RATE_HZ]
        lead = int(rng.choice([rng.uniform(0, 0.1), rng.uniform(0.1, 1.2)]) * RATE_HZ)
        before = np.zeros(lead, np.float32)
        if rng.random() < 0.3:
            other = self._said(self._all[rng.integers(len(self._all))])[-RATE_HZ:]
            gap = np.zeros(int(rng.uniform(0.08, 0.4) * RATE_HZ), np.float32)
            before = np.concatenate([before, other * rng.uniform(0.5, 1.2), gap])
        dry = np.concatenate([before, word, np.zeros(RATE_HZ, np.float32)])[:_LONGEST]
        pcm, end = self._recorded(dry), min(len(before) + len(word), _LONGEST)
        if rng.random() < 0.45:  # a file that ends with the word
            pcm[end + int(rng.uniform(0, 0.15) * RATE_HZ) :] = 0
        return pcm, len(before), end

    def _said(self, clip: Clip) -> Sound:
        sound = clip.pcm.astype(np.float32) / 32768
        if self.rng.random() < 0.35:  # as people cut recordings: a soft "f" or "t" is lost
            sound = tight(sound, float(np.exp(self.rng.uniform(-3.5, -1.6))))
        sound = stretched(sound, float(np.exp(self.rng.normal(0, 0.12))))
        if self.rng.random() < 0.5:  # children and giants who do not speak faster or slower for it
            sound = paced(sound, float(np.exp(self.rng.normal(0, 0.18))))
        return sound / max(float(np.sqrt((sound**2).mean())), 1e-6)

    def _recorded(self, dry: Sound) -> npt.NDArray[np.int16]:
        """Through a room, beside a noise, by a microphone."""
        rng = self.rng
        spectrum = np.fft.rfft(dry, _FFT)
        if rng.random() < 0.65:
            spectrum *= self._rooms[rng.integers(len(self._rooms))]
        if rng.random() < 0.8:
            spectrum *= self._microphones[rng.integers(len(self._microphones))]
        sound = np.fft.irfft(spectrum, _FFT)[: len(dry)].astype(np.float32)
        loud = np.sqrt(np.quantile(sound**2, 0.9)) + 1e-9
        snr_db = rng.choice([rng.uniform(0, 15), rng.uniform(10, 30), rng.uniform(30, 60)], p=[0.25, 0.4, 0.35])
        sound = sound / loud + self._noise(len(dry)) * 10 ** (-snr_db / 20)
        level = 10 ** (rng.uniform(-38, -3) / 20) / max(float(np.abs(sound).max()), 1e-9)
        if rng.random() < 0.06:
            level *= rng.uniform(1.5, 4)  # too loud: clipped
        return np.clip(np.rint(sound * level * 32767), -32768, 32767).astype(np.int16)

    def _noise(self, length: int) -> Sound:
        rng = self.rng
        kind = rng.choice(["coloured", "real", "babble"], p=[0.5, 0.35, 0.15]) if self._noises else "coloured"
        if kind == "real":
            noise = self._noises[rng.integers(len(self._noises))]
            begin = int(rng.integers(max(len(noise) - length, 1)))
            found = np.resize(noise[begin : begin + length], length)
        elif kind == "babble":
            found = np.zeros(length, np.float32)
            for _ in range(4):
                found += np.resize(self._said(self._others[rng.integers(len(self._others))]), length)
        else:
            found = coloured(rng, length)
        return found / max(float(found.std()), 1e-9)


# --- windows -------------------------------------------------------------------------------


class Embedder:
    """The embeddings of many moments of a scene in one run."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._net = Interpreter(model_path=str(path), num_threads=1)
        self._batch = 0

    def __call__(self, rows: Floats, ends: npt.NDArray[np.int64]) -> Floats:
        """Vectors [n, 96] of the 76 rows before each of ``ends``; before the first row there was silence."""
        known = np.concatenate([np.full((ROWS, BANDS), 2.0, np.float32), rows])
        seen = np.stack([known[end : end + ROWS] for end in ends])[..., None]
        if self._batch != len(ends):
            self._batch = len(ends)
            self._net.resize_tensor_input(self._net.get_input_details()[0]["index"], seen.shape)
            self._net.allocate_tensors()
        self._net.set_tensor(self._net.get_input_details()[0]["index"], seen)
        self._net.invoke()
        return np.asarray(self._net.get_tensor(self._net.get_output_details()[0]["index"])).reshape(-1, WIDTH)


def windows(stage: Stage, embed: Embedder, clip: Clip) -> Iterator[tuple[Floats, int]]:
    """Examples from one scene, as the device would see it: every 80 ms after the word's end, or elsewhere."""
    pcm, begin, end = stage.scene(clip)
    rows = Spectrogram().feed(pcm)
    count = MOMENTS_OF_NONE if clip.label == NONE else MOMENTS
    if clip.label == NONE:
        first_s = begin / RATE_HZ + stage.rng.uniform(0.1, 0.3)
    elif stage.rng.random() < 0.7:
        first_s = end / RATE_HZ + stage.rng.uniform(0.04, 0.12)
    else:
        first_s = end / RATE_HZ + stage.rng.uniform(-0.55, 0.6)
    moments = max(round(first_s * 100), 8) + 8 * np.arange(-(DEPTH - 1), count)
    vectors = embed(rows, np.clip(moments, 0, len(rows)))
    for number in range(count):
        late_s = moments[number + DEPTH - 1] / 100 - end / RATE_HZ
        label = _label(clip.label, late_s, (end - begin) / RATE_HZ)
        if label is not None:
            yield vectors[number : number + DEPTH], label


def _label(word: int, late_s: float, length_s: float) -> int | None:
    """What a window that ends ``late_s`` after a word of ``length_s`` shows; None where nobody could say."""
    if word == NONE or late_s > GONE_S or late_s < -0.45 * length_s:
        return NONE
    return word if AFTER_S[0] <= late_s <= AFTER_S[1] else None


def examples(stage: Stage, embed: Embedder, chosen: Sequence[Clip]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Windows [n, DEPTH, 96] and their labels, of one scene for each of ``chosen``."""
    found = [pair for clip in chosen for pair in windows(stage, embed, clip)]
    return np.stack([w for w, _ in found]).astype(np.float16), np.array([label for _, label in found])
