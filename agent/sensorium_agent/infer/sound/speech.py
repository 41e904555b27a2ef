"""Sound to events: speech while somebody speaks, and the wake words and commands in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.event import DType, Event, EventStream, Sample, Sound, Tensor
from sensorium_agent.capture.resample import Resampler
from sensorium_agent.infer.runtime.model import Model
from sensorium_agent.infer.sound.features import RATE_HZ, describe
from sensorium_agent.infer.sound.grammar import CommandEar
from sensorium_agent.infer.sound.keyword import Keywords, Spotted
from sensorium_agent.infer.sound.own import OwnSound, OwnSounds, SoundSpotter
from sensorium_agent.infer.sound.quality import Noise, level_dbfs, quality
from sensorium_agent.infer.sound.voice import BLOCK, USUAL, Patience, Stretch, Utterances, VoiceActivity
from sensorium_agent.infer.sound.wake_word import Heard, Opinion, WakeWords

_NS: Final = 1_000_000_000
_NS_A_SAMPLE: Final = _NS // RATE_HZ  # exactly 62,500
_WORD: Final = RATE_HZ  # how far a wake word reaches back: the networks look at about one second
_TORN_NS: Final = 100_000_000
_LONGEST: Final = 3 * RATE_HZ  # a taught phrase and the time until it is sure
_PERHAPS: Final = 0.2  # probability of a voice that is worth listening to for keywords
_LOUD_DB: Final = 10.0  # above the noise: what is worth listening to for sounds that were taught


class Memory:
    """The last sound, addressed by the number of its samples since the start."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._pcm: npt.NDArray[np.int16] = np.zeros(0, np.int16)
        self._end_ns = 0
        self.end = 0

    def add(self, pcm: npt.NDArray[np.int16], end_ns: int) -> None:
        """Sound that ends at ``end_ns``; at least the ``least`` samples before it stay, too."""
        self._pcm = np.concatenate([self._pcm[-self._least :], pcm])
        self._end_ns = end_ns
        self.end += len(pcm)

    def between(self, begin: int, end: int) -> npt.NDArray[np.int16]:
        """The samples from ``begin`` to ``end`` (exclusive) that are still known."""
        first = self.end - len(self._pcm)
        return self._pcm[max(begin - first, 0) : max(end - first, 0)]

    def at_ns(self, number: int) -> int:
        """The instant between samples ``number`` - 1 and ``number``."""
        return self._end_ns - (self.end - number) * _NS_A_SAMPLE


class SpeechPerceiver:
    """Hears speech, wake words and keywords in mono sound of any rate and run length.

    Emits ``speech`` once it is sure of an onset (about 100 ms in) and about every 250 ms while the voice goes on, a
    wake word's label once per call of it (if ``opinion`` agrees), and a keyword once per word, at the word's end;
    it knows that 0.2 to 0.6 s later, and may then amend a window. One that is not said within ``wake_s`` of a wake
    word is marked ``aside``: it was hardly meant for us. What the user taught (``own``) is told like a keyword, wakes
    like a wake word where it was taught to, and is marked ``aside`` only if it is spoken. An utterance after a wake
    word that is a sentence of the grammar of ``commands`` emits ``command`` and its words. Silence emits nothing.
    Events carry the 256 numbers of `features.describe` over their span, and the sound's quality. Their times come
    from counting samples back from the end of the run, never from when a run arrived. The networks of
    ``wake_words`` keep their own state and are reset here: no two perceivers may use them at the same time.
    """

    def __init__(
        self,
        stream: EventStream,
        *,
        voice: Model,
        wake_words: Mapping[str, Model],
        keywords: Keywords | None = None,
        wake_s: float = 0.0,
        patience: Patience = USUAL,
        refractory_s: float = 2.0,
        embedding: Callable[[], Model] | None = None,
        own: OwnSounds | None = None,
        commands: CommandEar | None = None,
        opinion: Opinion | None = None,
    ) -> None:
        self._stream = stream
        self._voice = VoiceActivity(voice)
        self._utterances = Utterances(patience)
        self._wake_words = WakeWords(wake_words, refractory_s=refractory_s, opinion=opinion) if wake_words else None
        self._keywords = keywords
        self._wake_s = wake_s
        self._embedding = embedding
        self._learnt = self._own = own
        self._spotter: SoundSpotter | None = None
        self._commands = commands
        self._uttered: list[tuple[int, int]] = []
        self._called_ns: int | None = None
        self._noise = Noise()
        self._end_ns: int | None = None
        self._begin(RATE_HZ)

    def learn(self, own: OwnSounds | None) -> None:
        """Go by other sounds of the user's own from the next run on; from any thread."""
        self._learnt = own

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """What this run of sound completes."""
        sound = sample.data
        assert isinstance(sound, Sound)
        if self._torn(sample.at_ns, sound) or self._own is not self._learnt:
            self._own = self._learnt
            self._begin(sound.rate_hz)
        self._end_ns, self._error_ns = sample.at_ns, sample.at_error_ns
        if self._resampler is None:
            return self._hear(sound.pcm, sample.at_ns)
        pcm = self._resampler.feed(sound.pcm)
        return self._hear(pcm, sample.at_ns - self._resampler.delay_ns)

    def finish(self, now_ns: int) -> Sequence[Event]:  # noqa: ARG002 - the sound's own time counts
        """The speech not told yet, and a word said last of all."""
        events: list[Event] = []
        if self._resampler is not None and self._end_ns is not None:
            events += self._hear(self._resampler.finish(), self._end_ns)
        if rest := self._utterances.flush():
            events.append(self._speech(rest))
        if self._wake_words:
            events += [self._called(heard) for heard in self._wake_words.finish()]
        if self._keywords:
            events += [self._spotted(spotted) for spotted in self._keywords.finish()]
        if self._spotter:
            events += [self._known(sound) for sound in self._spotter.finish()]
        if self._commands and (last := self._commands.flush(self._memory.end)):
            self._uttered.append(last)
        events += self._commanded()
        self._begin(self._rate_hz)
        return events

    def _torn(self, at_ns: int, sound: Sound) -> bool:
        """Whether this run does not go on where the last one ended."""
        if self._end_ns is None or sound.rate_hz != self._rate_hz:
            return True
        begins_ns = at_ns - len(sound.pcm) * _NS // sound.rate_hz
        return abs(begins_ns - self._end_ns) > _TORN_NS

    def _begin(self, rate_hz: int) -> None:
        """Forget the sound: what comes next has nothing to do with it."""
        self._rate_hz = rate_hz
        self._resampler = None if rate_hz == RATE_HZ else Resampler(rate_hz)
        self._end_ns = None
        self._error_ns = 0
        # A word, and what the networks may still hold back: less than one block.
        self._memory = Memory(max(_LONGEST, self._commands.memory if self._commands else 0) + BLOCK)
        self._blocks = 0
        self._voiced: deque[float] = deque(maxlen=_LONGEST // BLOCK)
        self._noise.reset()
        self._voice.reset()
        self._utterances.reset()
        if self._wake_words:
            self._wake_words.reset()
        if self._keywords:
            self._keywords.reset()
        if self._commands:
            self._commands.reset()
        self._listen_for_own()

    def _listen_for_own(self) -> None:
        self._spotter = SoundSpotter(self._embedding(), self._own) if self._embedding and self._own else None
        waking = self._wake_words or (self._own and self._own.waking)
        self._awake_ns = round(self._wake_s * _NS) if waking else 0

    def _hear(self, pcm: npt.NDArray[np.int16], end_ns: int) -> list[Event]:
        self._memory.add(pcm, end_ns)
        events = [self._speech(told) for p in self._voice.feed(pcm) if (told := self._block(p))]
        if self._wake_words:
            events += [self._called(heard) for heard in self._wake_words.feed(pcm)]
        if self._keywords:
            events += [self._spotted(spotted) for spotted in self._keywords.feed(pcm)]
        if self._spotter:
            events += [self._known(sound) for sound in self._spotter.feed(pcm)]
        return events + self._commanded()

    def _block(self, probability: float) -> Stretch | None:
        self._blocks += 1
        end = self._blocks * BLOCK
        block = self._memory.between(end - BLOCK, end)
        self._noise.add(block)
        self._voiced.append(probability)
        if self._spotter and (probability >= _PERHAPS or level_dbfs(block) > self._noise.level_dbfs + _LOUD_DB):
            self._spotter.sound(end)
        if self._keywords and probability >= _PERHAPS:
            self._keywords.voice(end)
        told = self._utterances.push(probability)
        if self._commands:
            awake = self._is_awake(end)
            over = self._commands.block(self._blocks - 1, speaking=self._utterances.speaking, awake=awake)
            self._uttered += [over] if over else []
        return told

    def _speech(self, told: Stretch) -> Event:
        return self._event("speech", told.score, told.start * BLOCK, told.end * BLOCK)

    def _commanded(self) -> list[Event]:
        """The sentences in the utterances that are over."""
        over, self._uttered = self._uttered, []
        assert self._commands or not over
        return [
            self._event("command", said.score, begin, end, text=said.text)
            for begin, end in over
            for said in (self._commands.hear(self._memory.between(begin, end)) if self._commands else ())
        ]

    def _call(self, end: int) -> None:
        """The device was called, up to sample ``end``."""
        self._called_ns = self._memory.at_ns(end)
        if self._commands:
            self._commands.called(end)

    def _called(self, heard: Heard) -> Event:
        self._call(heard.end)
        return self._event(heard.word, heard.score, max(heard.end - _WORD, 0), heard.end)

    def _spotted(self, spotted: Spotted) -> Event:
        aside = self._aside(spotted.begin, spotted.end)
        return self._event(spotted.word, spotted.score, spotted.begin, spotted.end, **aside)

    def _known(self, sound: OwnSound) -> Event:
        if self._own and sound.name in self._own.waking:
            self._call(sound.end)
        aside = self._aside(sound.begin, sound.end) if self._is_spoken(sound) else {}
        return self._event(sound.name, sound.score, sound.begin, sound.end, **aside)

    def _is_spoken(self, sound: OwnSound) -> bool:
        """Whether most of a sound is voice: a word may be meant for others, a clap is not."""
        first = self._blocks - len(self._voiced)
        heard = list(self._voiced)[max(sound.begin // BLOCK - first, 0) : max(sound.end // BLOCK - first, 0) + 1]
        return bool(heard) and sum(heard) / len(heard) > 0.5

    def _aside(self, begin: int, end: int) -> dict[str, str]:
        """What is said of a word from sample ``begin`` to ``end``: whether it was hardly meant for us.

        A word that was over before the device was called is part of the wake word: there is an "up" in "okay Nabu".
        """
        within = self._awake_ns and self._called_ns is not None and self._memory.at_ns(end) <= self._called_ns
        return {"aside": "yes"} if within or not self._is_awake(begin) else {}

    def _is_awake(self, sample: int) -> bool:
        """Whether what is said from ``sample`` on is meant for the device: it was called lately, or need not be."""
        since_ns = None if self._called_ns is None else self._memory.at_ns(sample) - self._called_ns
        return not self._awake_ns or (since_ns is not None and since_ns <= self._awake_ns)

    def _event(
        self, label: str, score: float, begin: int, end: int, *, text: str | None = None, **metadata: str
    ) -> Event:
        pcm = self._memory.between(begin, end)
        worth = quality(pcm, self._noise.level_dbfs)
        return self._stream.event(
            self._memory.at_ns(end),
            at_error_ns=self._error_ns,
            span_ns=(end - begin) * _NS_A_SAMPLE,
            label=label,
            score=score,
            text=text,
            quality=worth.trust,
            features=Tensor.of(describe(pcm), DType.I8),
            metadata={**worth.metadata(), **metadata},
        )
