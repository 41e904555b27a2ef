"""One window's way: its pictures and words are encoded, its evidence is fused, its symbol is timed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sensorium.concepts import Concept, Vocabulary
from sensorium.errors import SensoriumError
from sensorium.symbol import ModelRef, Symbol
from sensorium.window import Window
from sensorium_cloud import publish
from sensorium_cloud.accept import Check
from sensorium_cloud.batch import Done, Lane, Overloaded, WorkFailed
from sensorium_cloud.encode import EncodedWindow, clips_in, pictures_in, words_in

Encode = Callable[[Sequence[EncodedWindow]], Sequence[EncodedWindow]]
Fuse = Callable[[Sequence[EncodedWindow]], Sequence[Symbol]]
Understand = Callable[[Sequence[Concept]], Vocabulary | None]
Refined = tuple[Symbol, bytes]
"""A symbol, and how it is stored."""
Sink = Callable[[Sequence[Refined]], None]
"""Told of symbols that were made together."""

_FOR_CLIPS: Final = 0.8
"""Of the time a window has, what may be spent on its clips."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A window that was accepted: when its message came, when it was understood, how long it is of use.

    ``vocabulary`` is its device's, where that was taught something.
    """

    window: Window
    received_ns: int
    accepted_ns: int
    deadline_ns: int | None = None
    vocabulary: Vocabulary | None = None


@dataclass(frozen=True, slots=True)
class Engines:
    """What does the work; each but ``check`` is called in threads of its own, with whatever has queued up.

    Attributes:
        check: refuses, by a `FieldError`, a window that ``fuse`` cannot take.
        add_pictures: gives windows the vectors of their pictures.
        add_words: gives windows the vectors of their words.
        fuse: a symbol for each window.
        add_heard: gives windows the words of their clips; None where nobody listens to clips.
        understand: the vocabulary of a device that was taught so, None for the service's own; slow, any thread.
        at_once: in how many threads each is called; more than one only where the work is done elsewhere.
    """

    check: Check
    add_pictures: Encode
    add_words: Encode
    fuse: Fuse
    understand: Understand = lambda _: None
    add_heard: Encode | None = None
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Queued:
    """How much waits in a queue, and how long the oldest of it has."""

    size: int
    age_ns: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much may wait: windows for fusion or words, windows for pictures, windows in a batch."""

    max_waiting: int = 1024
    max_waiting_pictures: int = 128
    max_batch: int = 32


class Refinery:
    """Lanes for pictures, for clips, for words and for fusion.

    Each has its own threads and queue, so that a window of numbers never waits behind somebody's slow picture.

    Attributes:
        unheard: windows whose clips could not be heard in time; they went on without.

    Args:
        engines: what does the work.
        capacity: how much may wait.
        sinks: told of all symbols, on the event loop; they must not block.
        now_ns: monotonic clock.
    """

    def __init__(
        self,
        engines: Engines,
        capacity: Capacity,
        *,
        sinks: Sequence[Sink] = (),
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.unheard = 0
        self._sinks = tuple(sinks)
        self._now_ns = now_ns
        wide, narrow, batch = capacity.max_waiting, capacity.max_waiting_pictures, capacity.max_batch
        # An encoder runs its items one at a time: a batch would only make the first wait for the last.
        made = partial(Lane[EncodedWindow, EncodedWindow], at_once=engines.at_once, now_ns=now_ns)
        self.pictures = made("pictures", engines.add_pictures, max_waiting=narrow, max_batch=1)
        self.clips = made("clips", engines.add_heard or list, max_waiting=narrow, max_batch=1)
        self._listens = engines.add_heard is not None
        self.words = made("words", engines.add_words, max_waiting=wide, max_batch=batch)
        self.fusion: Lane[EncodedWindow, Symbol] = Lane(
            "fusion", engines.fuse, max_waiting=wide, max_batch=batch, at_once=engines.at_once, now_ns=now_ns
        )

    async def refine_all(self, arrivals: Sequence[Arrival]) -> list[Refined | SensoriumError]:
        """What became of each window, when all of them are done.

        Nothing is raised: in the place of a window stands `Overloaded` if too much is waiting or its deadline passed,
        `WorkFailed` if an engine could not do it, or whatever an engine refused it with.
        """
        windows = [EncodedWindow(a.window, None, None, 0.0, vocabulary=a.vocabulary) for a in arrivals]
        outcomes: dict[int, Refined | SensoriumError] = {}
        going = dict(enumerate(zip(arrivals, windows, strict=True)))
        await _encode(self.pictures, pictures_in, going, outcomes)
        if self._listens:
            await self._listen(going)
        await _encode(self.words, words_in, going, outcomes)
        fused = await self.fusion.do_all([e for _, e in going.values()], [a.deadline_ns for a, _ in going.values()])
        made: list[Refined] = []
        for (n, (arrival, encoded)), done in zip(going.items(), fused, strict=True):
            if isinstance(done, SensoriumError):
                outcomes[n] = done
            else:
                outcomes[n] = refined = self._published(arrival, encoded, done)
                made.append(refined)
        for sink in self._sinks if made else ():
            sink(made)
        return [outcomes[n] for n in range(len(arrivals))]

    async def _listen(self, going: dict[int, tuple[Arrival, EncodedWindow]]) -> None:
        """Have clips heard. What cannot be heard in time is left unheard: the rest of the window is worth an answer."""
        for n, (arrival, encoded) in going.items():
            if not clips_in(arrival.window, 1):
                continue
            until_ns = _listen_until(self._now_ns(), arrival.deadline_ns)
            try:
                async with asyncio.timeout(None if until_ns is None else (until_ns - self._now_ns()) * 1e-9):
                    done = await self.clips.do(encoded, deadline_ns=until_ns)
            except (TimeoutError, Overloaded, WorkFailed):
                self.unheard += 1
            else:
                going[n] = (arrival, done.value)

    def _published(self, arrival: Arrival, encoded: EncodedWindow, fused: Done[Symbol]) -> Refined:
        timing = publish.Timing(
            arrival.received_ns, arrival.accepted_ns, self._now_ns(), encoded.encode_ms, fused.ran_ns * 1e-6
        )
        symbol = publish.timed(_heard(fused.value, encoded.heard_by), timing)
        return symbol, publish.symbol_bytes(symbol)

    def waiting(self) -> dict[str, Queued]:
        """How many windows wait, by what for, and how long the oldest has."""
        now_ns = self._now_ns()
        return {
            "video": Queued(len(self.pictures.backlog), self.pictures.backlog.age_ns(now_ns)),
            "audio": Queued(len(self.clips.backlog), self.clips.backlog.age_ns(now_ns)),
            "text": Queued(len(self.words.backlog), self.words.backlog.age_ns(now_ns)),
            "multimodal": Queued(len(self.fusion.backlog), self.fusion.backlog.age_ns(now_ns)),
        }

    async def run(self) -> None:
        """Keep the lanes going until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane in (self.pictures, self.clips, self.words, self.fusion):
                group.create_task(lane.run())


async def _encode(
    lane: Lane[EncodedWindow, EncodedWindow],
    wanted: Callable[[Window, int], Sequence[int]],
    going: dict[int, tuple[Arrival, EncodedWindow]],
    outcomes: dict[int, Refined | SensoriumError],
) -> None:
    """Have those of the windows ``going`` encoded that have what ``lane`` encodes; who fails goes no further."""
    chosen = {n: pair for n, pair in going.items() if wanted(pair[1].window, 1)}
    if not chosen:
        return
    encoded = await lane.do_all([e for _, e in chosen.values()], [a.deadline_ns for a, _ in chosen.values()])
    for n, done in zip(chosen, encoded, strict=True):
        if isinstance(done, SensoriumError):
            outcomes[n] = done
            del going[n]
        else:
            going[n] = (going[n][0], done.value)


def apart(arrivals: Sequence[Arrival]) -> list[list[int]]:
    """Which windows may wait for each other: of numbers; with words; each with pictures or clips only for itself."""
    numbers: list[int] = []
    words: list[int] = []
    slow: list[list[int]] = []
    for n, arrival in enumerate(arrivals):
        if pictures_in(arrival.window, 1) or clips_in(arrival.window, 1):
            slow.append([n])
        else:
            (words if words_in(arrival.window, 1) else numbers).append(n)
    return [party for party in (numbers, words, *slow) if party]


def _listen_until(now_ns: int, deadline_ns: int | None) -> int | None:
    """When a clip must have been heard: some of the time that is left belongs to what comes after."""
    return None if deadline_ns is None else now_ns + round(_FOR_CLIPS * max(deadline_ns - now_ns, 0))


def _heard(symbol: Symbol, model: ModelRef | None) -> Symbol:
    """``symbol``, whose words ``model`` heard."""
    if model is None:
        return symbol
    made = symbol.provenance
    return replace(symbol, provenance=replace(made, models=(*made.models, model)))
