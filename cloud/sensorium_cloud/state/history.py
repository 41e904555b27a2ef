"""What happened in a session, for whoever comes later or follows along: an hour of it, never its media.

`Recent` keeps it in this process; with the same verbs `file_history.FileHistory` shares it between the workers of a
machine, and `redis_history.RedisHistory` between machines. None is on the way of an answer: `tell` returns at once,
and what cannot be kept is dropped and counted.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Final, Protocol
from weakref import WeakValueDictionary

from sensorium.errors import SensoriumError

START: Final = "0-0"
"""Before every entry."""
SYMBOL: Final = "symbol"
EPISODE: Final = "episode"
"""Stream types of what is not an event of one modality."""
_ID: Final = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")
_MOST: Final = (1 << 63) - 1
_ENTRY_BYTES: Final = 400
"""Of an entry beside what is written in it: objects, numbers, its id."""


class HistoryError(SensoriumError):
    """History cannot be kept, or asked, where it should be."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What will seldom be read: kept as it is, made JSON by ``unpack`` when it is."""

    raw: bytes
    unpack: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Attributes:
        stream_type: a modality for an event, `SYMBOL` or `EPISODE`.
        timestamp_ns: event time, on the clock of who sent it.
        sequence: the event's or window's number in its stream.
        written: `data`, or what it can be made of.
        id: its place in the session's history, ``milliseconds-number``; grows; empty before it has one.
    """

    stream_type: str
    timestamp_ns: int
    sequence: int
    written: bytes | Packed
    id: str = ""

    @property
    def data(self) -> bytes:
        """JSON, without media."""
        return self.written if isinstance(self.written, bytes) else self.written.unpack(self.written.raw)


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of `Unwritten` that are written together, each with its session; ``through`` counts all until then."""

    entries: Sequence[tuple[str, Entry]]
    through: int


class Unwritten:
    """Entries that wait to be written: bounded; the oldest give way, also to what comes while they are being written.

    Attributes:
        gave_way: how many did.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[tuple[str, Entry]] = deque()
        self._filled = asyncio.Event()
        self._gone = 0
        self.gave_way = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, session_id: str, entries: Sequence[Entry]) -> None:
        """Queue ``entries``."""
        self._waiting.extend((session_id, entry) for entry in entries)
        too_many = max(len(self._waiting) - self._most, 0)
        self._drop(too_many)
        self.gave_way += too_many
        self._filled.set()

    def first(self, most: int) -> Batch:
        """The oldest entries; they wait until they are `written`."""
        found = list(islice(self._waiting, most))
        return Batch(found, self._gone + len(found))

    def written(self, batch: Batch) -> None:
        """Nothing of ``batch`` waits any more."""
        self._drop(max(batch.through - self._gone, 0))
        if not self._waiting:
            self._filled.clear()

    async def wait(self) -> None:
        """Until there is something."""
        await self._filled.wait()

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()
        self._gone += count


class History(Protocol):
    """Where it is kept."""

    @property
    def dropped(self) -> int:
        """Entries that gave way, or could not be kept."""

    def tell(self, session_id: str, entries: Sequence[Entry]) -> None:
        """Keep ``entries``, soon; never blocks, never fails."""

    async def read(self, session_id: str, after: str = START, limit: int = 1000) -> list[Entry]:
        """The oldest entries after an id, in order; empty where the session is unknown or history is away."""

    def follow(self, session_id: str, after: str = START) -> AsyncIterator[Entry]:
        """Entries after an id as they come, until cancelled."""

    async def run(self) -> None:
        """Work until cancelled."""


@dataclass(slots=True)
class _Session:
    entries: deque[Entry] = field(default_factory=deque)
    last: tuple[int, int] = (0, 0)
    size: int = 0
    """Bytes that its entries take, as near as makes no difference."""


class Recent:
    """History in this process, bounded in age, in memory, in entries of a session and in sessions.

    Args:
        now_ms: wall time: ids are made of it, so that they grow across restarts too.
        retention_s: how long an entry is kept.
        max_entries: of a session.
        max_sessions: the one that was silent for longest gives way.
        max_bytes: of all sessions; again the one that was silent for longest gives way.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        *,
        retention_s: int = 3600,
        max_entries: int = 20_000,
        max_sessions: int = 1_000,
        max_bytes: int = 256 << 20,
    ) -> None:
        self._now_ms = now_ms
        self._retention_ms = retention_s * 1000
        self._max_entries = max_entries
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes
        self._size = 0
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._changed: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        """Of sessions that somebody follows: who listens to a session takes no other's place."""
        self.dropped = 0

    def tell(self, session_id: str, entries: Sequence[Entry]) -> None:
        """Keep ``entries`` now."""
        session = self._sessions.setdefault(session_id, _Session())
        self._sessions.move_to_end(session_id)
        now_ms = self._now_ms()
        for entry in entries:
            session.last = max((now_ms, 0), (session.last[0], session.last[1] + 1))
            named = f"{session.last[0]}-{session.last[1]}"
            kept = Entry(entry.stream_type, entry.timestamp_ns, entry.sequence, entry.written, named)
            session.entries.append(kept)
            self._weigh(session, _size(kept))
        self._forget(session, now_ms)
        if (changed := self._changed.get(session_id)) is not None:
            changed.set()
        self._make_room(now_ms)

    def _make_room(self, now_ms: int) -> None:
        while len(self._sessions) > self._max_sessions:
            _, silent = self._sessions.popitem(last=False)
            self._size -= silent.size
            self.dropped += len(silent.entries)
        while self._size > self._max_bytes:
            session_id, silent = next(iter(self._sessions.items()))
            self._forget(silent, now_ms)
            if silent.entries and self._size > self._max_bytes:
                self._pop(silent)
                self.dropped += 1
            if not silent.entries:
                del self._sessions[session_id]

    async def read(self, session_id: str, after: str = START, limit: int = 1000) -> list[Entry]:
        """The oldest entries after an id."""
        session = self._sessions.get(session_id)
        if session is None:
            return []
        self._forget(session, self._now_ms())
        place = placed(after)
        # From the newest: who follows has nearly all of them.
        found = list(takewhile(lambda entry: placed(entry.id) > place, reversed(session.entries)))
        return found[: -limit - 1 : -1]

    async def follow(self, session_id: str, after: str = START) -> AsyncIterator[Entry]:
        """Entries after an id as they come."""
        changed = self._changed.setdefault(session_id, asyncio.Event())
        while True:
            changed.clear()
            found = await self.read(session_id, after)
            for entry in found:
                after = entry.id
                yield entry
            if not found:
                await changed.wait()

    async def run(self) -> None:
        """Nothing to do."""

    def _forget(self, session: _Session, now_ms: int) -> None:
        oldest = (now_ms - self._retention_ms, 0)
        entries = session.entries
        while entries and (len(entries) > self._max_entries or placed(entries[0].id) < oldest):
            self._pop(session)

    def _pop(self, session: _Session) -> None:
        self._weigh(session, -_size(session.entries.popleft()))

    def _weigh(self, session: _Session, size: int) -> None:
        session.size += size
        self._size += size


def _size(entry: Entry) -> int:
    """Bytes of memory that an entry takes."""
    written = entry.written
    return _ENTRY_BYTES + len(written if isinstance(written, bytes) else written.raw)


def is_id(said: str) -> bool:
    """Whether ``said`` is an id, in the one writing that every history takes."""
    return _ID.fullmatch(said) is not None and max(placed(said)) <= _MOST


def placed(identity: str) -> tuple[int, int]:
    """An id as numbers that compare."""
    ms, _, number = identity.partition("-")
    return int(ms), int(number or 0)
