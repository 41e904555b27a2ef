"""Rooms that the processes of a service share: who has which, and what goes between them."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import replace
from typing import Any, Final, NoReturn, Protocol

import msgspec
from google.protobuf.message import DecodeError

from sensorium import lines, wire
from sensorium.clock import Clock
from sensorium.clock_sync.one_way import OneWayClock
from sensorium.errors import FieldError
from sensorium.event import Event
from sensorium.v1 import event_pb2
from sensorium_cloud._app.mesh import Carrier
from sensorium_cloud.rooms.hosts import HERE, Fed, Hosts, Kind, News, Told

log = logging.getLogger(__name__)

_TICK_S: Final = 1.0
_PATH_ERROR_NS: Final = 50_000_000
_CLOCKS: Final = 1000


class Listener(Protocol):
    """Who has the people of this process."""

    def moved(self, session_id: str) -> None:
        """The session's room came here, or went elsewhere."""

    def fed(self, event: Event) -> None:
        """Somebody elsewhere said something in a room that is here."""

    def told(self, session_id: str, kind: Kind, line: dict[str, Any], *, until_ns: int) -> None:
        """A line for people here; an answer is to what was said until then."""


class SharedRooms:
    """The rooms of this process among those of the others.

    Args:
        hosts: decides.
        carrier: takes messages to the others.
        clock: of this machine.
        boot: names it.

    Attributes:
        refused: messages that nobody of this version sends.
    """

    def __init__(self, hosts: Hosts, carrier: Carrier, clock: Clock, boot: str) -> None:
        self._hosts, self._carrier, self._clock, self._boot = hosts, carrier, clock, boot
        self._clocks: OrderedDict[str, OneWayClock] = OrderedDict()
        self._listener: Listener | None = None
        self.refused = 0

    @property
    def origin(self) -> str:
        """Names this process."""
        return self._hosts.origin

    def here(self, session_id: str) -> bool:
        """Whether the session's room is in this process."""
        return self._hosts.host(session_id) == HERE

    def heard(self, session_id: str) -> bool:
        """Whether people anywhere listen to the session, as far as is known here."""
        return self._hosts.host(session_id) is not None

    def has_guests(self, session_id: str) -> bool:
        """Whether a room that is here has people in other processes."""
        return bool(self._hosts.guests(session_id))

    def enter(self, session_id: str) -> None:
        """The first of a session's people comes here."""
        self._act(self._hosts.enter(session_id, self._clock.now_ns()))

    def leave(self, session_id: str) -> None:
        """The last has left."""
        self._act(self._hosts.leave(session_id))

    def feed(self, event: Event) -> None:
        """Take ``event`` to its room, which is elsewhere."""
        raw = wire.event_to_proto(event).SerializeToString()
        self._act(self._hosts.feed(event.session_id, self._boot, raw, self._clock.now_ns()))

    def tell(self, session_id: str, kind: Kind, line: dict[str, Any]) -> None:
        """Tell people in other processes."""
        if not self.here(session_id) or self.has_guests(session_id):
            self._act(self._hosts.tell(session_id, self._boot, kind, lines.encoded(line)))

    def close(self) -> None:
        """Leave all rooms to the others."""
        self._act(self._hosts.close())

    async def run(self, listener: Listener) -> NoReturn:
        """Hear the others until cancelled."""
        self._listener = listener
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carrier.run(self._hear, self._lost))
            while True:
                await asyncio.sleep(_TICK_S)
                self._act(self._hosts.tick(self._clock.now_ns()))

    # --- what others say -----------------------------------------------------------------

    def _hear(self, message: bytes) -> None:
        try:
            news = self._hosts.hear(message, self._clock.now_ns())
        except FieldError as error:
            self._refuse(error)
        else:
            self._act(news)

    def _refuse(self, error: FieldError) -> None:
        log.log(logging.DEBUG if self.refused else logging.WARNING, "rooms.refused reason=%s", error)
        self.refused += 1

    def _lost(self, origin: str) -> None:
        self._act(self._hosts.lost(origin, self._clock.now_ns()))

    def _act(self, news: News) -> None:
        for to, message in news.say:
            self._carrier.send([message], to)
        if self._listener is None:
            return
        for session_id in news.moved:
            self._listener.moved(session_id)
        for fed in news.fed:
            self._feed(fed, self._listener)
        for told in news.told:
            self._tell(told, self._listener)

    def _feed(self, fed: Fed, listener: Listener) -> None:
        try:
            event = _event(fed)
        except FieldError as error:
            self._refuse(error)
        else:
            listener.fed(event if fed.boot == self._boot else self._dated(event, fed))

    def _dated(self, event: Event, fed: Fed) -> Event:
        """The event of another machine on the clock of this one, by that machine's quickest message."""
        clock = self._clocks.setdefault(fed.boot, OneWayClock(path_error_ns=_PATH_ERROR_NS))
        self._clocks.move_to_end(fed.boot)
        if len(self._clocks) > _CLOCKS:
            self._clocks.popitem(last=False)
        clock.observe(fed.sent_ns, self._clock.now_ns())
        at_ns, error_ns = event.at_ns - clock.offset_ns(), event.at_error_ns + clock.error_ns
        return replace(event, at_ns=max(at_ns, 0), at_error_ns=error_ns)

    def _tell(self, told: Told, listener: Listener) -> None:
        try:
            line = msgspec.json.decode(told.line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._refuse(FieldError("line", str(error)))
        else:
            # On another machine's clock its end says nothing here: what was said before it came counts as answered.
            here = told.boot == self._boot and isinstance(line.get("end_ns"), int)
            until_ns = line["end_ns"] if here else self._clock.now_ns()
            listener.told(told.session, told.kind, line, until_ns=until_ns)


def _event(fed: Fed) -> Event:
    """The event that was said.

    Raises:
        FieldError: it is none, or another session's.
    """
    try:
        event = wire.event_from_proto(event_pb2.Event.FromString(fed.event))
    except DecodeError as error:
        raise FieldError("event", "not a sensorium.v1.Event") from error
    if event.session_id != fed.session:
        raise FieldError("event.session_id", "another session's")
    return event
