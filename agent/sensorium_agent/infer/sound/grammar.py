"""Spoken commands of a closed vocabulary: a grammar's sentences and nothing else, by pocketsphinx (extra ``grammar``).

It listens to one utterance at a time, after the device was called, and for at most `_LONGEST_S`. Whatever is said, the
decoder finds the sentence of the grammar that is nearest, so how near it is decides: the mean, over the words' frames,
of how much less likely their sounds are than the likeliest ones (log, 0 at best). models/cards/grammar.md has figures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.settings import SettingsError
from sensorium_agent.capture.files import BadFile, read_text
from sensorium_agent.infer.sound.voice import BLOCK

KNOWN_FROM: Final = 0.5
"""Probability from which an utterance is a sentence of the grammar."""
_HALF: Final = -2.7
_SLOPE: Final = 2.0
_LONGEST_S: Final = 6.0
_RATE_HZ: Final = 16_000
_BEFORE: Final = 6  # blocks before the voice was sure
_SHORTEST: Final = 8  # blocks, a quarter of a second
_LEAST: Final = 1e-300  # of what the decoder tells as a plain number
_WORD: Final = re.compile(r"[a-z]+(?:['-][a-z]+)*")
_COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_NO_WORD: Final = re.compile(
    r"<[^>]*>|\{[^}]*\}|/[\d.]+/|\b(?:public|grammar|import)\b[^;=]*[;=]|[()\[\]|*+;=]|#[^;]*;"
)

_KEY: Final = "[microphone] grammar"
_BROKEN: Final = "not a grammar in JSGF with a public rule, in small letters; see docs/grammar.md"

Pcm = npt.NDArray[np.int16]


class GrammarError(SettingsError):
    """A grammar cannot be used: its file or `_KEY`, what is wrong, and after the last semicolon the way out."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, "", reason)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What was said, and how probably it was that."""

    text: str
    score: float


def jsgf(grammar: str | Sequence[str]) -> str:
    """A JSGF grammar: the file ``grammar`` names, or one of these phrases.

    Raises:
        GrammarError: the file cannot be read, or a phrase has something but words.
    """
    if isinstance(grammar, str):
        try:
            return read_text(Path(grammar))
        except (OSError, BadFile) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise GrammarError(grammar, f"{reason}; name a JSGF file, or list phrases, in {_KEY}") from error
    for phrase in grammar:
        if not phrase.strip() or not all(map(_WORD.fullmatch, phrase.lower().split())):
            raise GrammarError(_KEY, f"{phrase!r} is no phrase; write words, and numbers as words")
    return "#JSGF V1.0;\ngrammar phrases;\npublic <phrase> = " + " | ".join(p.lower() for p in grammar) + ";\n"


def words_in(text: str) -> list[str]:
    """The words of a JSGF grammar, each once."""
    plain = _NO_WORD.sub(" ", _COMMENT.sub(" ", text))
    return list(dict.fromkeys(plain.split()))


class Recognizer:
    """Finds the sentence of a grammar in one utterance: English, one thread.

    Args:
        grammar: a JSGF file, or phrases.

    Raises:
        GrammarError: pocketsphinx is not installed, or the grammar is broken or has a word that nobody can pronounce.
    """

    def __init__(self, grammar: str | Sequence[str]) -> None:
        where = grammar if isinstance(grammar, str) else _KEY
        text = jsgf(grammar)
        self._decoder = _decoder()
        words = words_in(text)
        if not text.lstrip().startswith("#JSGF") or not all(map(_WORD.fullmatch, words)):
            raise GrammarError(where, _BROKEN)
        unknown = [word for word in words if self._decoder.lookup_word(word) is None]
        if unknown:
            raise GrammarError(where, f"nobody knows how to say {unknown[0]!r}; use English words in small letters")
        try:
            self._decoder.add_jsgf_string("commands", text)
            self._decoder.activate_search("commands")
        except (RuntimeError, ValueError, KeyError) as error:
            raise GrammarError(where, _BROKEN) from error

    def hear(self, pcm: Pcm) -> Sentence | None:
        """The sentence that an utterance (int16 [n] at 16 kHz) is, if it is one."""
        self._decoder.reinit_feat()  # what was said before shall not change what is heard now
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        if found is None or not found.hypstr:
            return None
        score = 1 / (1 + math.exp(-_SLOPE * (_likeness(self._decoder.seg() or ()) - _HALF)))
        return Sentence(found.hypstr, score) if score >= KNOWN_FROM else None


def _decoder() -> Any:
    try:
        from pocketsphinx import Decoder, get_model_path
    except ImportError:
        raise GrammarError(
            _KEY, "it needs pocketsphinx, which is not here; run: pip install 'sensorium[grammar]'"
        ) from None
    model = Path(get_model_path()) / "en-us"
    return Decoder(
        hmm=str(model / "en-us"), dict=str(model / "cmudict-en-us.dict"), lm=None, cmn="batch", loglevel="FATAL"
    )


def _likeness(segments: Any) -> float:
    """Mean log likelihood of the words' frames against the best sounds there; very low where there are none."""
    total, frames = 0.0, 0
    for segment in segments:
        if not segment.word.startswith(("<", "[", "+")):
            total += math.log(max(segment.ascore, _LEAST))
            frames += segment.end_frame - segment.start_frame + 1
    return total / frames if frames else math.log(_LEAST)


class CommandEar:
    """Cuts out the utterances that may be commands, and hears what they are."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.reset()

    def reset(self) -> None:
        """Forget what was said; blocks count from 0 again."""
        self._begin: int | None = None
        self._from = 0

    @property
    def memory(self) -> int:
        """Samples of the past that have to be known."""
        return round(_LONGEST_S * _RATE_HZ)

    def called(self, end: int) -> None:
        """The device was called up to sample ``end``: what was said before is no command."""
        self._from = end
        self._begin = None

    def block(self, number: int, *, speaking: bool, awake: bool) -> tuple[int, int] | None:
        """The samples of an utterance that is over, or has become too long, with this block."""
        end = (number + 1) * BLOCK
        if speaking and awake and self._begin is None:
            self._begin = max((number - _BEFORE) * BLOCK, self._from, 0)
        too_long = self._begin is not None and end - self._begin >= self.memory
        return None if speaking and not too_long else self.flush(end)

    def flush(self, end: int) -> tuple[int, int] | None:
        """The samples of the utterance that goes on, up to ``end``."""
        if self._begin is None:
            return None
        begin, self._begin, self._from = self._begin, None, end
        return (begin, end) if end - begin >= _SHORTEST * BLOCK else None

    def hear(self, pcm: Pcm) -> Iterator[Sentence]:
        """The sentence in an utterance, if there is one."""
        if (found := self._recognizer.hear(pcm)) is not None:
            yield found
