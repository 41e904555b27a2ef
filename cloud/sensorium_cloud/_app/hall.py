"""The rooms of all sessions that are fed over the gateway: each has a task that closes its windows in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex
from typing import Any, Final

from sensorium import lines, wire
from sensorium.clock import Clock
from sensorium.concepts import Vocabulary
from sensorium.delivery import Hello, Refusal, SequencedWindow
from sensorium.episode import Episodes
from sensorium.errors import FieldError
from sensorium.event import Event, Modality
from sensorium.v1 import symbol_pb2
from sensorium.window import Window
from sensorium_cloud.answer import Answer, Desk, Sent
from sensorium_cloud.history import EPISODE, SYMBOL, Entry, History
from sensorium_cloud.refine import Arrival, Refined, Sink
from sensorium_cloud.room import Room, Said, Seat

log = logging.getLogger(__name__)

_ROOMS: Final = 10_000
_OUTBOX: Final = 256
"""Lines that may wait for a connection that does not read; the oldest give way."""
_LINGER_S: Final = 10.0
"""A room that everybody has left waits so long for late answers, and for who comes back."""

Line = dict[str, Any]


@dataclass(eq=False, slots=True)
class Member:
    """One who feeds or hears a session: what was not yet sent, and how much of it gave way.

    Attributes:
        seat: where it feeds the session.
        hears: whether it is told what was understood, not only what was wrong with its own words.
    """

    seat: Seat
    hears: bool = True
    outbox: asyncio.Queue[Line] = field(default_factory=lambda: asyncio.Queue(_OUTBOX))
    dropped: int = 0

    def say(self, line: Line) -> None:
        """Queue a line; never blocks."""
        if self.outbox.full():
            self.outbox.get_nowait()
            self.dropped += 1
        self.outbox.put_nowait(line)


class _Session:
    """A room, who is in it, and what is being said."""

    def __init__(self, room: Room, vocabulary: Vocabulary) -> None:
        self.room = room
        self.members: set[Member] = set()
        self.episodes = Episodes(vocabulary, room.session_id)
        self.news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        own = token_hex(4)
        self.hello = Hello(f"gateway/{own}", f"{room.session_id}/{own}")
        """Its own: a room of the same name in another process counts the same windows with other events in them."""

    def tell(self, line: Line) -> None:
        """Say what was understood to all who may hear it."""
        for member in self.members:
            if member.hears:
                member.say(line)

    def refuse(self, line: Line) -> None:
        """Say to all what was not answered."""
        for member in self.members:
            member.say(line)


class Hall:
    """All rooms.

    Args:
        group: owns their tasks.
        desk: answers windows.
        history: keeps what happens.
        vocabulary: what symbols may mean.
        sizes: numbers in a feature vector, by modality.
        clock: of this machine.
        patience_ns: how long a window is of use.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        desk: Desk,
        history: History,
        *,
        vocabulary: Vocabulary,
        sizes: Mapping[Modality, int],
        clock: Clock,
        patience_ns: int,
    ) -> None:
        self._group, self._desk, self._history = group, desk, history
        self._vocabulary, self._sizes, self._clock, self._patience_ns = vocabulary, sizes, clock, patience_ns
        self._sessions: dict[str, _Session] = {}
        self._closed = False

    def close(self) -> None:
        """End every room: nobody is answered any more, and nobody comes in."""
        self._closed = True
        for session in self._sessions.values():
            if session.task is not None:
                session.task.cancel()

    def enter(self, session_id: str, name: str, *, hears: bool = True) -> Member:
        """Take a seat in a session; who ``hears`` is told what was understood.

        Raises:
            FieldError: there is no room for one more.
        """
        if self._closed:
            raise FieldError("session", "the service is stopping; try again")
        session = self._sessions.get(session_id)
        if session is None:
            if len(self._sessions) >= _ROOMS:
                raise FieldError("session", f"{_ROOMS} are open already; try again later")
            session = self._sessions[session_id] = _Session(Room(session_id, self._sizes), self._vocabulary)
            session.task = self._group.create_task(self._keep(session))
        member = Member(session.room.seat(name), hears)
        session.members.add(member)
        return member

    def leave(self, session_id: str, member: Member) -> None:
        """Give the seat back."""
        session = self._sessions[session_id]
        session.members.discard(member)
        session.room.leave()
        session.news.set()

    def hear(self, session_id: str, member: Member, said: Said) -> Event:
        """Take an event.

        Raises:
            FieldError: it cannot be taken.
        """
        session = self._sessions[session_id]
        event = session.room.hear(member.seat, said, self._clock.now_ns())
        self._history.tell(session_id, [_entry(event)])
        session.news.set()
        return event

    # --- a room's task -------------------------------------------------------------------

    async def _keep(self, session: _Session) -> None:
        """Close windows in time until everybody has been gone for a while."""
        room = session.room
        while True:
            now_ns = self._clock.now_ns()
            for window in room.windows(now_ns):
                self._ask(session, window)
            due_ns = room.due_ns(now_ns)
            wait_s = None if due_ns is None else max(due_ns - self._clock.now_ns(), 0) / 1e9
            if room.empty and due_ns is None:
                wait_s = _LINGER_S
            try:
                async with asyncio.timeout(wait_s):
                    await session.news.wait()
            except TimeoutError:
                if room.empty and due_ns is None:
                    break
            session.news.clear()
        self._sessions.pop(room.session_id, None)

    def _ask(self, session: _Session, window: Window) -> None:
        now_ns = self._clock.now_ns()
        arrival = Arrival(window, now_ns, now_ns, now_ns + self._patience_ns)
        sent = Sent(session.hello, SequencedWindow(window.index + 1, window), arrival)
        self._desk.answer(sent, lambda answer: self._answered(session, window, answer))

    def _answered(self, session: _Session, window: Window, answer: Answer) -> None:
        if isinstance(answer, Refusal):
            session.refuse(refusal_line(answer, window.id))
            return
        symbol = wire.symbol_from_proto(symbol_pb2.Symbol.FromString(answer))
        after_ms = (self._clock.now_ns() - window.closed_at_ns) / 1e6
        session.tell(lines.symbol_line(symbol, None, after_ms))
        for episode in session.episodes.hear(symbol):
            line = lines.episode_line(episode, None)
            session.tell(line)
            entry = Entry(EPISODE, episode.start_ns, 0, lines.encoded(line).rstrip())
            self._history.tell(session.room.session_id, [entry])


def refusal_line(refusal: Refusal, window_id: str | None = None) -> Line:
    """Why something was not taken, or not answered."""
    return {
        "type": "refusal",
        "window": window_id,
        "field": refusal.field,
        "reason": refusal.reason,
        "retry_after_ms": refusal.retry_after_ms,
    }


def _entry(event: Event) -> Entry:
    line = lines.event_line(event, None)
    return Entry(event.modality, event.at_ns, event.sequence, lines.encoded(line).rstrip())


def chronicle(history: History) -> Sink:
    """Keeps every symbol that is made, also those of sessions that come over gRPC."""

    def keep(made: Sequence[Refined]) -> None:
        for symbol, stored in made:
            number = symbol.id.rpartition(".")[2]
            # Kept as it is stored: as many bytes as its line, which nobody may ever want to read.
            written = partial(_symbol_data, stored)
            entry = Entry(SYMBOL, symbol.start_ns, int(number) if number.isdecimal() else 0, written)
            history.tell(symbol.session_id, [entry])

    return keep


def _symbol_data(stored: bytes) -> bytes:
    symbol = wire.symbol_from_proto(symbol_pb2.Symbol.FromString(stored))
    return lines.encoded(lines.symbol_line(symbol, None, None)).rstrip()
