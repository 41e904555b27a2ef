"""Clips become words: Whisper (Radford et al. 2022) by CTranslate2, the only module that knows it.

A network that was made to write down speech writes something for silence and music too. `believed` decides what of it
is speech; the rest is as if nobody had spoken.
"""

from __future__ import annotations

import io
import math
import wave
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium_cloud.runtime.net import ModelError

Floats = npt.NDArray[np.float32]

RATE_HZ: Final = 16_000
LONGEST_S: Final = 30.0
"""What the network looks at; clips are cut to it."""
_FRAME, _HOP, _BANDS = 400, 160, 80
_FRAMES: Final = 3000
_START: Final = ("<|startoftranscript|>", "<|notimestamps|>")
_END: Final = "<|endoftext|>"
_MOST_TOKENS: Final = 96
"""Of a command and a few sentences; a network that repeats itself stops here."""


class Unreadable(ValueError):
    """Bytes that are not a clip of speech."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the network wrote, and how it felt about it.

    Attributes:
        text: without spaces around.
        silence: probability that nobody speaks, 0 to 1.
        log_probability: mean of the tokens'.
    """

    text: str
    silence: float
    log_probability: float

    @property
    def repetition(self) -> float:
        """How many times smaller the text gets when it is compressed: loops compress well."""
        raw = self.text.encode()
        return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def believed(transcript: Transcript) -> bool:
    """Whether somebody said that.

    The thresholds are those of Whisper's own transcription (silence 0.6 with log probability -1, compression 2.4);
    with less than -1 a text is not taken here either way: there is no second attempt at another temperature.
    """
    letters = any(c.isalnum() for c in transcript.text)
    return letters and transcript.silence < 0.6 and transcript.log_probability > -1.0 and transcript.repetition < 2.4


# --- clips -----------------------------------------------------------------------------


def samples(clip: bytes, longest_s: float) -> Floats:
    """The first ``longest_s`` seconds of a WAV clip of 16-bit mono at 16 kHz, -1 to 1.

    Raises:
        Unreadable: it is none, or is empty.
    """
    try:
        with wave.open(io.BytesIO(clip)) as file:
            form = file.getnchannels(), file.getsampwidth(), file.getframerate()
            raw = file.readframes(round(longest_s * RATE_HZ))
    except (wave.Error, EOFError) as error:
        raise Unreadable(f"not a WAV clip: {error}") from error
    if form != (1, 2, RATE_HZ):
        raise Unreadable(f"{form[0]} channels of {8 * form[1]} bits at {form[2]} Hz; 1 of 16 at {RATE_HZ} is needed")
    if len(raw) < 2:
        raise Unreadable("empty")
    return np.frombuffer(raw[: len(raw) & ~1], "<i2").astype(np.float32) / np.float32(32768)


def spectrogram(sound: Floats) -> Floats:
    """Log mel spectrogram float32 [80, 3000] of at most 30 s, silence after: what Whisper was trained on.

    Power of 25 ms Hann frames every 10 ms, Slaney's mel bands, log10, 8 decades below the loudest, then (x + 4) / 4.
    """
    padded = np.zeros(_FRAMES * _HOP + _FRAME, np.float32)
    padded[: len(sound)] = sound[: _FRAMES * _HOP]
    padded = np.pad(padded[: _FRAMES * _HOP], _FRAME // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP][:_FRAMES]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    log = np.log10(np.maximum(_mel_bands() @ power.T, 1e-10))
    return np.asarray((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0, np.float32)


def _mel_bands() -> npt.NDArray[np.float64]:
    """Triangles [80, 201] of equal area, evenly spaced in mel (Slaney 1998: linear to 1 kHz, then logarithmic)."""
    edges = _from_mel(np.linspace(0.0, _to_mel(RATE_HZ / 2), _BANDS + 2))
    bins = np.fft.rfftfreq(_FRAME, 1 / RATE_HZ)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None])


def _to_mel(hz: float) -> float:
    return 15.0 + 27.0 * math.log(hz / 1000.0) / math.log(6.4) if hz >= 1000.0 else 3.0 * hz / 200.0


def _from_mel(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.where(mel >= 15.0, 1000.0 * 6.4 ** ((mel - 15.0) / 27.0), 200.0 * mel / 3.0))


# --- the network -----------------------------------------------------------------------


class Whisper:
    """The network, int8 on the processor.

    Args:
        files: model, configuration, vocabulary and tokenizer, by the names they have in a CTranslate2 folder.
        threads: for one clip.

    Raises:
        ModelError: CTranslate2 is not installed, or the files are not its model.
    """

    def __init__(self, files: Mapping[str, Path], *, threads: int = 1) -> None:
        try:
            import ctranslate2
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ModelError('encoders.speech = whisper needs CTranslate2: pip install "sensorium[whisper]"') from error
        contents = {name: path.read_bytes() for name, path in files.items()}
        try:
            self._tokenizer = Tokenizer.from_str(contents.pop("tokenizer.json").decode())
            self._model: Any = ctranslate2.models.Whisper(
                "whisper", device="cpu", compute_type="int8", intra_threads=threads, files=contents
            )
            self._storage = ctranslate2.StorageView
        except Exception as error:  # the library's own errors share no narrower base
            first = str(error).splitlines()[0]
            raise ModelError(f"whisper: not its model ({first}); run: sensorium-cloud models verify") from error
        self._prompt = [self._tokenizer.token_to_id(token) for token in _START]
        self._end = self._tokenizer.token_to_id(_END)

    def hear(self, sound: Floats) -> Transcript:
        """What is said in a sound of 16 kHz, at most 30 s."""
        features = self._storage.from_array(np.ascontiguousarray(spectrogram(sound)[None]))
        (found,) = self._model.generate(
            features,
            [self._prompt],
            beam_size=1,
            max_length=_MOST_TOKENS + len(self._prompt),
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = [token for token in found.sequences_ids[0] if token < self._end]
        text = self._tokenizer.decode(tokens).strip()
        return Transcript(text, float(found.no_speech_prob), float(found.scores[0]))
