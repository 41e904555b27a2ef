"""What every kind of window does with an event before placing it: is it new, and what does it say of its stream?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np

from sensorium.event import Event, Modality
from sensorium.windowing.run import Places, Run
from sensorium.windowing.seen import Seen
from sensorium.windowing.watermark import Habits, Holder, Promise, Wait

STREAMS: Final = 256
"""Streams whose habits and numbers are remembered; a quarter, the longest silent, gives way to new ones."""
OTHERS: Final = "*"
"""The name under which streams that gave way are counted together."""
AHEAD_NS: Final = 10_000_000_000
"""An event further in the future than this is a broken clock's, and is dropped."""


@dataclass(slots=True)
class Counts:
    """What became of a stream's events; each is counted once, in ``placed``, ``late``, ``duplicate`` or ``dropped``."""

    placed: int = 0
    amended: int = 0
    """Of the placed ones, those that came after their window had closed."""
    late: int = 0
    duplicate: int = 0
    dropped: int = 0
    reordered: int = 0

    def add(self, other: Counts) -> None:
        """Count what ``other`` counted."""
        for name, count in asdict(other).items():
            setattr(self, name, getattr(self, name) + count)


@dataclass(slots=True)
class Source:
    """One stream, as far as its events tell."""

    modality: Modality
    habits: Habits
    counts: Counts = field(default_factory=Counts)
    seen: Seen = field(default_factory=Seen)


class Intake:
    """The streams of one session.

    Args:
        session_id: the session; events of others are a mistake of the caller.
        modalities: those that are taken.
        cap_ns: how long a window may wait for anything.
        idle_ns: after this much silence a source holds nothing up.
        sporadic: modalities that speak when they like; see `sensorium.windowing.watermark.Habits`.
    """

    def __init__(
        self,
        session_id: str,
        modalities: Collection[Modality],
        *,
        cap_ns: int,
        idle_ns: int,
        sporadic: Collection[Modality],
    ) -> None:
        self.session_id, self.modalities = session_id, tuple(m for m in Modality if m in modalities)
        self._cap_ns, self._idle_ns = cap_ns, idle_ns
        self._sporadic = frozenset(sporadic)
        self._sources: dict[str, Source] = {}
        self._promises: dict[Modality, Promise] = {}
        self._habits: dict[Modality, list[Habits]] = {m: [] for m in self.modalities}
        self._others = Counts()

    def admit(self, event: Event, now_ns: int) -> Source | None:
        """The stream of an event that is new; None if it is a duplicate, or dated in the future, and counted.

        Raises:
            ValueError: the event is of another session or of a modality that is not taken.
        """
        source = self._sources.get(event.stream_id) or self._meet(event, now_ns)
        self._check(event, source)
        if event.at_ns > now_ns + AHEAD_NS:
            source.counts.dropped += 1
            return None
        if not source.seen.is_new(event.sequence, event.at_ns):
            source.counts.duplicate += 1
            return None
        source.counts.reordered += source.habits.observe(event.at_ns, now_ns)
        return source

    def admit_run(self, run: Run, now_ns: int) -> tuple[Source, Places]:
        """`admit` of one event after the other: their stream, and the rows of those that are to be placed."""
        source = self._sources.get(run.like.stream_id) or self._meet(run.event(0), now_ns)
        self._check(run.like, source)
        rows: Places = np.flatnonzero(run.at_ns <= now_ns + AHEAD_NS)
        source.counts.dropped += len(run) - len(rows)
        fresh = source.seen.are_new(run.sequences[rows], run.at_ns[rows]) if len(rows) else np.zeros(0, np.bool_)
        source.counts.duplicate += len(rows) - int(np.count_nonzero(fresh))
        rows = rows[fresh]
        if len(rows):
            source.counts.reordered += source.habits.observe_run(run.at_ns[rows], now_ns)
        return source, rows

    def reached(self, modality: Modality, at_ns: int, now_ns: int) -> None:
        """``modality`` has been looked at up to ``at_ns``, whether or not there was anything to say."""
        self._promises.setdefault(modality, Promise(self._cap_ns, self._idle_ns)).keep(at_ns, now_ns)

    def wait(self, end_ns: int) -> Wait:
        """Whom a window that ends at ``end_ns`` waits for."""
        return Wait(end_ns, (h for m in self.modalities for h in self.holders_of(m)))

    def holders_of(self, modality: Modality) -> tuple[Holder, ...]:
        """Who speaks for a modality where a window may wait for it: its promise, or else each of its streams."""
        promise = self._promises.get(modality)
        if promise is None:
            return tuple(self._habits[modality])
        return () if modality in self._sporadic else (promise,)

    def take_back(self, stream_id: str) -> None:
        """An event that had a place has lost it again."""
        counts = self._sources[stream_id].counts if stream_id in self._sources else self._others
        counts.placed -= 1
        counts.dropped += 1

    def counts(self) -> dict[str, Counts]:
        """What became of the events, by stream; those of streams that gave way together, under `OTHERS`."""
        counted = {name: source.counts for name, source in self._sources.items()}
        return counted | {OTHERS: self._others} if self._others != Counts() else counted

    def _check(self, event: Event, source: Source) -> None:
        if event.session_id != self.session_id or event.modality is not source.modality:
            raise ValueError(f"{event.stream_id}: not of session {self.session_id} and {source.modality}")

    def _meet(self, event: Event, now_ns: int) -> Source:
        """A stream that was not heard before."""
        if event.session_id != self.session_id or event.modality not in self.modalities:
            raise ValueError(f"{event.stream_id}: not of session {self.session_id} with {list(self.modalities)}")
        if len(self._sources) >= STREAMS:
            self._make_room()
        sporadic = event.modality in self._sporadic
        habits = Habits(min(event.at_ns, now_ns), self._cap_ns, self._idle_ns, sporadic=sporadic)
        source = Source(event.modality, habits)
        self._sources[event.stream_id] = source
        self._habits[event.modality].append(source.habits)
        return source

    def _make_room(self) -> None:
        longest_silent = sorted(self._sources, key=lambda name: self._sources[name].habits.sign_ns)
        for name in longest_silent[: STREAMS // 4]:
            source = self._sources.pop(name)
            self._habits[source.modality].remove(source.habits)
            self._others.add(source.counts)
