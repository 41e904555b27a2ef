"""The people of all sessions that are fed over the gateway here, and the rooms that are here.

A session has one room, in whichever process of the service; what people say here is taken there, and what is understood
comes back. They also hear what devices of the session mean, wherever those are served.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Final

from sensorium import lines
from sensorium.clock import Clock
from sensorium.concepts import Vocabulary
from sensorium.delivery import Hello, Refusal, SequencedWindow
from sensorium.episode import Episodes
from sensorium.errors import FieldError
from sensorium.event import Event, Modality
from sensorium.window import Window
from sensorium_cloud._app.chronicle import episode_entry, event_entry, read_symbol
from sensorium_cloud._app.shared_rooms import SharedRooms
from sensorium_cloud.answer import Answer, Desk, Sent
from sensorium_cloud.refine import Arrival, Refined
from sensorium_cloud.rooms.hosts import Kind
from sensorium_cloud.rooms.room import Room, Said, Seat, check_size
from sensorium_cloud.state.history import History

log = logging.getLogger(__name__)

_ROOMS: Final = 10_000
_MEMBERS: Final = 64
"""Of a session, in this process."""
_OUTBOX: Final = 256
"""Lines that may wait for a connection that does not read; the oldest give way."""
_LINGER_S: Final = 10.0
"""A room that everybody has left waits so long for late answers, and for who comes back."""
_AGAIN: Final = 256
_AGAIN_NS: Final = 3_000_000_000
"""What was said last, and how lately, is said again where the room has moved, if it was not answered."""
_ASKED: Final = 64
_STOPPING: Final = "the service is stopping; try again"

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
    """Who is in it here, and what is being said; its room, if that is here."""

    def __init__(self, session_id: str, vocabulary: Vocabulary) -> None:
        self.id = session_id
        self.room = Room(session_id)
        self.members: set[Member] = set()
        self.episodes = Episodes(vocabulary, session_id)
        self.news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.said: deque[Event] = deque(maxlen=_AGAIN)
        self.answered_ns = 0
        """What was said until then is in windows that were asked."""
        self.asked: deque[str] = deque(maxlen=_ASKED)
        """Windows of the room; their symbols come as answers."""
        own = token_hex(4)
        self.hello = Hello(f"gateway/{own}", f"{session_id}/{own}")
        """Its own: what is asked is of this room, however others count their windows."""

    def tell(self, kind: Kind, line: Line) -> None:
        """Say it to all, or to all who may hear what is understood."""
        for member in self.members:
            if member.hears or kind is Kind.REFUSAL:
                member.say(line)


class Hall:
    """All people, and all rooms that are here.

    Args:
        group: owns the rooms' tasks.
        desk: answers windows.
        history: keeps what happens.
        rooms: those of all processes.
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
        rooms: SharedRooms,
        *,
        vocabulary: Vocabulary,
        sizes: Mapping[Modality, int],
        clock: Clock,
        patience_ns: int,
    ) -> None:
        self._group, self._desk, self._history, self._rooms = group, desk, history, rooms
        self._vocabulary, self._sizes, self._clock, self._patience_ns = vocabulary, sizes, clock, patience_ns
        self._sessions: dict[str, _Session] = {}
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Lines that gave way because somebody did not read."""
        return self._dropped + sum(m.dropped for session in self._sessions.values() for m in session.members)

    def close(self) -> None:
        """End every room: nobody is answered any more, and nobody comes in."""
        self._closed = True
        self._rooms.close()
        for session in self._sessions.values():
            if session.task is not None:
                session.task.cancel()

    def enter(self, session_id: str, name: str, *, hears: bool = True) -> Member:
        """Take a seat in a session; who ``hears`` is told what was understood.

        Raises:
            FieldError: there is no room for one more.
        """
        if self._closed:
            raise FieldError("session", _STOPPING)
        session = self._sessions.get(session_id) or self._opened(session_id)
        if len(session.members) >= _MEMBERS:
            raise FieldError("session", f"{_MEMBERS} feed it already")
        member = Member(Seat(session_id, f"{self._rooms.origin}.{name}"), hears)
        session.members.add(member)
        return member

    def _opened(self, session_id: str) -> _Session:
        if len(self._sessions) >= _ROOMS:
            raise FieldError("session", f"{_ROOMS} are open already; try again later")
        session = self._sessions[session_id] = _Session(session_id, self._vocabulary)
        self._rooms.enter(session_id)
        session.task = self._group.create_task(self._keep(session))
        return session

    def leave(self, session_id: str, member: Member) -> None:
        """Give the seat back."""
        session = self._sessions[session_id]
        session.members.discard(member)
        self._dropped += member.dropped
        session.news.set()

    def hear(self, session_id: str, member: Member, said: Said) -> Event:
        """Take an event.

        Raises:
            FieldError: it cannot be taken.
        """
        if self._closed:
            raise FieldError("session", _STOPPING)
        check_size(said, self._sizes)
        event = member.seat.event(said, self._clock.now_ns())
        session = self._sessions[session_id]
        session.said.append(event)
        self._history.tell(session_id, [event_entry(event)])
        self._take(session, event)
        return event

    def _take(self, session: _Session, event: Event) -> None:
        """To the session's room."""
        if self._rooms.here(session.id):
            session.room.hear(event, self._clock.now_ns())
            session.news.set()
        else:
            self._rooms.feed(event)

    def overhear(self, made: Sequence[Refined]) -> None:
        """Symbols that were made here, of whatever windows: people of their sessions hear those of devices too."""
        for symbol, _ in made:
            session_id = symbol.session_id
            if not self._rooms.heard(session_id):
                continue
            session = self._sessions.get(session_id)
            if session is None or symbol.id not in session.asked:
                self._tell(session_id, Kind.ASIDE, lines.symbol_line(symbol, None, None))

    def _tell(self, session_id: str, kind: Kind, line: Line) -> None:
        if (session := self._sessions.get(session_id)) is not None:
            session.tell(kind, line)
        self._rooms.tell(session_id, kind, line)

    # --- other processes -------------------------------------------------------------------

    def moved(self, session_id: str) -> None:
        """The session's room came here, or went elsewhere: what was not answered yet is said again there."""
        session = self._sessions.get(session_id)
        if session is None:
            return
        log.info("room.moved session=%s here=%s", session_id, self._rooms.here(session_id))
        session.room = Room(session_id)
        session.episodes = Episodes(self._vocabulary, session_id)
        since_ns = max(session.answered_ns, self._clock.now_ns() - _AGAIN_NS)
        for event in [event for event in session.said if event.at_ns >= since_ns]:
            self._take(session, event)

    def fed(self, event: Event) -> None:
        """Somebody elsewhere said something in a room that is here."""
        session = self._sessions.get(event.session_id)
        features = event.features
        if session is not None and (features is None or features.shape == (self._sizes[event.modality],)):
            session.room.hear(event, self._clock.now_ns())
            session.news.set()

    def told(self, session_id: str, kind: Kind, line: Line, *, until_ns: int) -> None:
        """A line for people here, from the room or another process."""
        session = self._sessions.get(session_id)
        if session is not None and not (kind is Kind.ASIDE and line.get("id") in session.asked):
            session.tell(kind, line)
            if kind is Kind.ANSWER:
                session.answered_ns = max(session.answered_ns, until_ns)

    # --- a room's task -------------------------------------------------------------------

    async def _keep(self, session: _Session) -> None:
        """Close windows in time until everybody has been gone for a while."""
        while True:
            now_ns = self._clock.now_ns()
            for window in session.room.windows(now_ns):
                self._ask(session, window)
            due_ns = session.room.due_ns(now_ns)
            wait_s = None if due_ns is None else max(due_ns - self._clock.now_ns(), 0) / 1e9
            idle = due_ns is None and not session.members
            try:
                async with asyncio.timeout(_LINGER_S if idle else wait_s):
                    await session.news.wait()
            except TimeoutError:
                # Somebody may have come back meanwhile, and said nothing yet.
                if idle and not session.members and not self._rooms.has_guests(session.id):
                    break
            session.news.clear()
        del self._sessions[session.id]
        self._rooms.leave(session.id)

    def _ask(self, session: _Session, window: Window) -> None:
        now_ns = self._clock.now_ns()
        arrival = Arrival(window, now_ns, now_ns, now_ns + self._patience_ns)
        sent = Sent(session.hello, SequencedWindow(window.index + 1, window), arrival)
        session.asked.append(window.id)
        session.answered_ns = max(session.answered_ns, window.end_ns)
        self._desk.answer(sent, lambda answer: self._answered(session, window, answer))

    def _answered(self, session: _Session, window: Window, answer: Answer) -> None:
        if isinstance(answer, Refusal):
            self._tell(session.id, Kind.REFUSAL, refusal_line(answer, window.id))
            return
        symbol = read_symbol(answer)
        after_ms = (self._clock.now_ns() - window.closed_at_ns) / 1e6
        self._tell(session.id, Kind.ANSWER, lines.symbol_line(symbol, None, after_ms))
        for episode in session.episodes.hear(symbol):
            self._tell(session.id, Kind.ASIDE, lines.episode_line(episode, None))
            self._history.tell(session.id, [episode_entry(episode)])


def refusal_line(refusal: Refusal, window_id: str | None = None) -> Line:
    """Why something was not taken, or not answered."""
    return {
        "type": "refusal",
        "window": window_id,
        "field": refusal.field,
        "reason": refusal.reason,
        "retry_after_ms": refusal.retry_after_ms,
    }
