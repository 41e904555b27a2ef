"""Recorded events at once: each session's events are windowed by their own times and every window is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from sensorium import lines
from sensorium.align import Aligner
from sensorium.clock import Clock
from sensorium.concepts import Vocabulary
from sensorium.episode import Episodes
from sensorium.errors import FieldError, SensoriumError
from sensorium.event import Event, Modality
from sensorium.symbol import Symbol
from sensorium.window import Window
from sensorium_cloud.batch import Overloaded
from sensorium_cloud.refine import Arrival, Refinery
from sensorium_cloud.rooms.room import Name, Said, Seat, check_size

_MS: Final = 1_000_000
_LONGEST_NS: Final = 600_000 * _MS
"""Ten minutes: 1200 windows."""
_AT_ONCE: Final = 32
"""Windows asked for together: a recording takes its turns among live sessions, however long it is."""


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One session's recorded events, at most ten minutes of them; every one has its ``at_ms``."""

    session_id: Name
    events: Annotated[tuple[Said, ...], Meta(min_length=1, max_length=10_000)]


@dataclass(slots=True)
class Told:
    """A batch's answer: lines as in docs/jsonl.md, or when to try again."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    retry_after_ms: int = 0


class Job:
    """Answers batches.

    Args:
        refinery: answers windows.
        vocabulary: what symbols may mean.
        sizes: numbers in a feature vector, by modality.
        clock: of this machine.
        patience_ns: how long a window may wait for its turn.
    """

    def __init__(
        self,
        refinery: Refinery,
        vocabulary: Vocabulary,
        sizes: Mapping[Modality, int],
        clock: Clock,
        patience_ns: int,
    ) -> None:
        self._refinery, self._vocabulary, self._sizes = refinery, vocabulary, sizes
        self._clock, self._patience_ns = clock, patience_ns

    async def answer(self, session_id: str, batch: Batch) -> Told:
        """The symbols and episodes of a batch.

        Raises:
            FieldError: an event cannot be used.
        """
        windows = await asyncio.to_thread(windowed, session_id, batch, self._sizes)
        symbols: list[Symbol] = []
        try:
            for place in range(0, len(windows), _AT_ONCE):
                symbols += await self._fused(windows[place : place + _AT_ONCE])
        except Overloaded as error:
            return Told(retry_after_ms=error.retry_after_ms)
        return Told(await asyncio.to_thread(_lines, symbols, Episodes(self._vocabulary, session_id)))

    async def _fused(self, windows: Sequence[Window]) -> list[Symbol]:
        symbols: list[Symbol] = []
        for result in await self._refinery.refine_all(list(map(self._arrival, windows))):
            if isinstance(result, SensoriumError):
                raise result
            symbols.append(result[0])
        return symbols

    def _arrival(self, window: Window) -> Arrival:
        now_ns = self._clock.now_ns()
        return Arrival(window, now_ns, now_ns, now_ns + self._patience_ns)


def windowed(session_id: str, batch: Batch, sizes: Mapping[Modality, int]) -> tuple[Window, ...]:
    """The windows of a batch, by its events' own times: nothing is late.

    Raises:
        FieldError: an event has no time or too many features, or the batch spans too long.
    """
    seat = Seat(session_id, "batch")
    events: list[Event] = []
    for number, said in enumerate(batch.events):
        if said.at_ms is None:
            raise FieldError(f"events[{number}].at_ms", "missing: recorded events need their time")
        try:
            check_size(said, sizes)
            events.append(seat.recorded(said))
        except FieldError as error:
            raise error.inside(f"events[{number}]") from None
    events.sort(key=lambda event: event.at_ns)
    first_ns, last_ns = events[0].at_ns, events[-1].at_ns
    if last_ns - first_ns > _LONGEST_NS:
        raise FieldError(
            "events", f"span {(last_ns - first_ns) / 1e9:.0f} s; at most {_LONGEST_NS / 1e9:.0f} s at once"
        )
    aligner = Aligner(session_id, tuple(Modality), sporadic=tuple(Modality))
    aligner.start(first_ns)
    for event in events:
        aligner.push(event, last_ns)
    return aligner.finish(last_ns + 1)


def _lines(symbols: Sequence[Symbol], episodes: Episodes) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for symbol in symbols:
        told.append(lines.symbol_line(symbol, None, None))
        told += [lines.episode_line(episode, None) for episode in episodes.hear(symbol)]
    return told + [lines.episode_line(episode, None) for episode in episodes.finish()]
