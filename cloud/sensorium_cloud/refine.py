"""One window's way: its pictures and words are encoded, its evidence is fused, its symbol is timed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from sensorium.concepts import Concept, Vocabulary
from sensorium.errors import SensoriumError
from sensorium.symbol import ModelRef, Symbol
from sensorium.value import Value
from sensorium.window import Window
from sensorium_cloud import publish
from sensorium_cloud.accept import Check
from sensorium_cloud.batch import Lane, Outcome
from sensorium_cloud.encode.encoders import EncodedWindow, clips_in, pictures_in, words_in

log = logging.getLogger(__name__)

Encode = Callable[[Sequence[EncodedWindow]], Sequence[EncodedWindow]]
Fuse = Callable[[Sequence[EncodedWindow]], Sequence[Symbol]]
Understand = Callable[[Sequence[Concept]], Vocabulary | None]
Refined = tuple[Symbol, bytes]
"""A symbol, and how it is stored."""
Sink = Callable[[Sequence[Refined]], None]
"""Told of symbols that were made together."""

W = TypeVar("W")
"""Whose a window is, as who asks for it says."""

_FOR_CLIPS: Final = 0.8
"""Of the time a window has, what may be spent on its clips."""


class Arrival(Value, frozen=True):
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
        inline: whether ``fuse`` is so short, and so much of it Python, that it is called on the event loop itself.
        company_ns: how long a window of a crowd may wait for others to be fused with.
        dropped: how much was not done so far, by where.
    """

    check: Check
    add_pictures: Encode
    add_words: Encode
    fuse: Fuse
    understand: Understand = lambda _: None
    add_heard: Encode | None = None
    at_once: int = 1
    inline: bool = False
    company_ns: int = 0
    dropped: Callable[[], Mapping[str, int]] = dict


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
    max_batch: int = 128


Prepared = tuple[Arrival, EncodedWindow]
"""A window that lacks nothing but its fusion."""


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
        self._engine = engines.fuse
        wide, narrow, batch = capacity.max_waiting, capacity.max_waiting_pictures, capacity.max_batch
        # Pictures and clips run one at a time: a batch would only make the first wait for the last.
        made = partial(Lane[EncodedWindow, EncodedWindow], at_once=engines.at_once, now_ns=now_ns)
        self.pictures = made("pictures", engines.add_pictures, max_waiting=narrow, max_batch=1)
        self.clips = made("clips", engines.add_heard or list, max_waiting=narrow, max_batch=1)
        self._listens = engines.add_heard is not None
        self.words = made("words", engines.add_words, max_waiting=wide, max_batch=batch)
        self.fusion: Lane[Prepared, Refined] = Lane(
            "fusion",
            self._refine,
            max_waiting=wide,
            max_batch=batch,
            at_once=engines.at_once,
            inline=engines.inline,
            company_ns=engines.company_ns,
            now_ns=now_ns,
        )

    # --- asking --------------------------------------------------------------------------

    def fuse(
        self,
        arrival: Arrival,
        encoded: EncodedWindow,
        whose: W,
        tell: Callable[[Sequence[tuple[W, Outcome[Refined]]]], None],
    ) -> None:
        """Have a window fused that lacks nothing else; ``tell`` is called as `Lane.put` says, and raises as that does.

        Who is told passes on to `announce` what was made.
        """
        self.fusion.put((arrival, encoded), whose, tell, deadline_ns=arrival.deadline_ns)

    def announce(self, made: Sequence[Refined]) -> None:
        """Tell all sinks of symbols that were made together."""
        for sink in self._sinks if made else ():
            try:
                sink(made)
            except Exception:
                log.exception("sink.failed")  # whoever listens, the answers have to go out

    async def refine_all(self, arrivals: Sequence[Arrival]) -> list[Refined | SensoriumError]:
        """What became of each window, when all of them are done.

        Nothing is raised: in the place of a window stands `Overloaded` if too much is waiting or its deadline passed,
        `WorkFailed` if an engine could not do it, or whatever an engine refused it with.
        """
        encoded = await self.encode_all(arrivals)
        going = [(a, e) for a, e in zip(arrivals, encoded, strict=True) if not isinstance(e, SensoriumError)]
        fused = iter(await self.fusion.do_all(going, [arrival.deadline_ns for arrival, _ in going]))
        told = [e if isinstance(e, SensoriumError) else next(fused) for e in encoded]
        outcomes = [each if isinstance(each, SensoriumError) else each.value for each in told]
        self.announce([each for each in outcomes if not isinstance(each, SensoriumError)])
        return outcomes

    async def encode_all(self, arrivals: Sequence[Arrival]) -> list[EncodedWindow | SensoriumError]:
        """Windows with the vectors of their pictures, clips and words; in a window's place, why it can go no further.

        Errors are those of `refine_all`.
        """
        outcomes: dict[int, EncodedWindow | SensoriumError] = dict(enumerate(map(unencoded, arrivals)))
        await self._encode(self.pictures, pictures_in, arrivals, outcomes)
        if self._listens:
            await self._listen(arrivals, outcomes)
        await self._encode(self.words, words_in, arrivals, outcomes)
        return list(outcomes.values())

    async def _encode(
        self,
        lane: Lane[EncodedWindow, EncodedWindow],
        wanted: Callable[[Window, int], Sequence[int]],
        arrivals: Sequence[Arrival],
        outcomes: dict[int, EncodedWindow | SensoriumError],
    ) -> None:
        """Have those encoded that have what ``lane`` encodes."""
        going = {n: e for n, e in outcomes.items() if not isinstance(e, SensoriumError) and wanted(e.window, 1)}
        done = await lane.do_all(list(going.values()), [arrivals[n].deadline_ns for n in going])
        for n, outcome in zip(going, done, strict=True):
            outcomes[n] = outcome if isinstance(outcome, SensoriumError) else outcome.value

    async def _listen(self, arrivals: Sequence[Arrival], outcomes: dict[int, EncodedWindow | SensoriumError]) -> None:
        """Have clips heard. What cannot be heard in time is left unheard: the rest of the window is worth an answer."""
        for n, encoded in outcomes.items():
            if isinstance(encoded, SensoriumError) or not clips_in(encoded.window, 1):
                continue
            until_ns = _listen_until(self._now_ns(), arrivals[n].deadline_ns)
            try:
                async with asyncio.timeout(None if until_ns is None else (until_ns - self._now_ns()) * 1e-9):
                    outcomes[n] = (await self.clips.do(encoded, deadline_ns=until_ns)).value
            except (TimeoutError, SensoriumError):
                self.unheard += 1

    # --- in the fusion's thread ----------------------------------------------------------

    def _refine(self, prepared: Sequence[Prepared]) -> list[Refined]:
        """The symbols of windows, timed, and as they are stored."""
        began_ns = self._now_ns()
        symbols = self._engine([encoded for _, encoded in prepared])
        finished_ns = self._now_ns()
        fuse_ms = (finished_ns - began_ns) * 1e-6
        return [_published(*each, symbol, finished_ns, fuse_ms) for each, symbol in zip(prepared, symbols, strict=True)]

    # --- the lanes -----------------------------------------------------------------------

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


def unencoded(arrival: Arrival) -> EncodedWindow:
    """The window as it came."""
    return EncodedWindow(arrival.window, None, None, 0.0, vocabulary=arrival.vocabulary)


def _published(arrival: Arrival, encoded: EncodedWindow, symbol: Symbol, finished_ns: int, fuse_ms: float) -> Refined:
    timing = publish.Timing(arrival.received_ns, arrival.accepted_ns, finished_ns, encoded.encode_ms, fuse_ms)
    symbol = publish.timed(_heard(symbol, encoded.heard_by), timing)
    return symbol, publish.symbol_bytes(symbol)


def numeric(window: Window) -> bool:
    """Whether nothing of a window has to be encoded."""
    for slot in window.slots:
        for event in slot.events:
            if event.media is not None or event.text:  # few windows have either; these are looked into
                return not (pictures_in(window, 1) or clips_in(window, 1) or words_in(window, 1))
    return True


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
