"""One room of a session for the whole service: which process has it, and what people of the others bring and hear.

Whoever opens a session's room tells all processes. If two have one, the room that was there first stays, and the
other process sends its people's events there and gets what is understood. When a process goes, one of those that sent
events there opens the room anew. Pure: told the time; whoever carries the messages may lose some, since what matters
is said again every second. `gossip` says what this has in common with `neighbours`, and why they are two.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import msgspec

from sensorium_cloud.rooms.gossip import AGAIN_NS, HOLDS_NS, S_NS, decoded, encode, parts

_SETTLED_NS: Final = S_NS
_GUESTS_HEAR_NS: Final = 7 * S_NS // 2
"""So long a host is believed to be there; three of its messages may be lost."""
_ELSEWHERE: Final = 20_000

HERE: Final = ""
"""In place of a process' name: this one."""
EVERYBODY: Final = ""
"""To whom a message goes that is for all."""


class Kind(StrEnum):
    """What a line of a session is."""

    ANSWER = "answer"
    """What a window of its room means."""
    ASIDE = "aside"
    """What else is understood in the session."""
    REFUSAL = "refusal"
    """Why a window was not answered: for those too who may only speak."""


class Rooms(msgspec.Struct, frozen=True, tag="rooms", array_like=True):
    """``origin`` has the rooms of these sessions; ``settled``: for longer than a moment."""

    origin: str
    sessions: tuple[str, ...]
    settled: bool


class Guests(msgspec.Struct, frozen=True, tag="guests", array_like=True):
    """``origin`` has people of these sessions, whose rooms the other has."""

    origin: str
    sessions: tuple[str, ...]


class Closed(msgspec.Struct, frozen=True, tag="closed", array_like=True):
    """``origin`` does not have the rooms of these sessions, or no more."""

    origin: str
    sessions: tuple[str, ...]


class Fed(msgspec.Struct, frozen=True, tag="fed", array_like=True):
    """Somebody at ``origin`` said this: a `sensorium.v1.Event`, dated on the clock of ``boot``, sent at ``sent_ns``."""

    origin: str
    session: str
    boot: str
    sent_ns: int
    event: bytes


class Told(msgspec.Struct, frozen=True, tag="told", array_like=True):
    """A line for the session's people, with times on the clock of ``boot``."""

    origin: str
    session: str
    boot: str
    kind: Kind
    line: bytes


Message = Rooms | Guests | Closed | Fed | Told

_decoder: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)


@dataclass(slots=True)
class News:
    """What follows from something: what to say, and what is new here.

    Attributes:
        say: messages, and to whom.
        moved: sessions whose room has come here, or gone elsewhere.
        fed: events for rooms that are here.
        told: lines for people here.
    """

    say: list[tuple[str, bytes]] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    fed: list[Fed] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)


@dataclass(slots=True)
class _Place:
    """A session with people here.

    Attributes:
        host: who has its room.
        since_ns: since when, if it is here.
        heard_ns: when the host was heard last, if it is elsewhere.
        guests: who sends events here, and until when that is believed.
    """

    host: str
    since_ns: int
    heard_ns: int
    guests: dict[str, int] = field(default_factory=dict)


class Hosts:
    """What one process knows of the rooms of all.

    Args:
        origin: names this process, as no other is called.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._places: dict[str, _Place] = {}
        self._elsewhere: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._all_told_ns = 0

    def host(self, session_id: str) -> str | None:
        """Who has the session's room; None if nobody has, as far as is known here."""
        if (place := self._places.get(session_id)) is not None:
            return place.host
        return self._elsewhere.get(session_id, (None, 0))[0]

    def guests(self, session_id: str) -> Sequence[str]:
        """Who else has people in a room that is here."""
        place = self._places.get(session_id)
        return tuple(place.guests) if place is not None else ()

    # --- what happens here ---------------------------------------------------------------

    def enter(self, session_id: str, now_ns: int) -> News:
        """The first of a session's people comes here."""
        news = News()
        host, _ = self._elsewhere.get(session_id, (HERE, 0))
        self._places[session_id] = _Place(host, now_ns, now_ns)
        self._announce(session_id, host, news)
        return news

    def leave(self, session_id: str) -> News:
        """The last has left, and nobody elsewhere is a guest of the room."""
        place, news = self._places.pop(session_id, None), News()
        if place is not None and place.host == HERE:
            news.say.append((EVERYBODY, encode(Closed(self.origin, (session_id,)))))
        return news

    def feed(self, session_id: str, boot: str, event: bytes, now_ns: int) -> News:
        """Somebody here said something; its room is elsewhere."""
        fed = Fed(self.origin, session_id, boot, now_ns, event)
        return News([(self._places[session_id].host, encode(fed))])

    def tell(self, session_id: str, boot: str, kind: Kind, line: bytes) -> News:
        """A line for the session's people elsewhere: through the room, wherever that is."""
        return News(self._told(Told(self.origin, session_id, boot, kind, line)))

    def _told(self, told: Told, but: str = HERE) -> list[tuple[str, bytes]]:
        """What is ``told``, to whom it has to be sent from here; not back to where it comes from."""
        host = self.host(told.session)
        to = self.guests(told.session) if host == HERE else [host] if host else ()
        message = encode(told) if to else b""
        return [(other, message) for other in to if other != but]

    def tick(self, now_ns: int) -> News:
        """To be asked about once a second."""
        news = News()
        for session_id, (_, until_ns) in list(self._elsewhere.items()):
            if now_ns >= until_ns:
                del self._elsewhere[session_id]
        for session_id, place in self._places.items():
            place.guests = {name: until_ns for name, until_ns in place.guests.items() if now_ns < until_ns}
            if place.host != HERE and now_ns >= place.heard_ns + _GUESTS_HEAR_NS:
                self._forget(session_id, place.host)
                self._find_host(session_id, place, now_ns, news)
        self._say_again(now_ns, news)
        return news

    def close(self) -> News:
        """This process stops: others may have its rooms."""
        hosted = [session_id for session_id, place in self._places.items() if place.host == HERE]
        self._places.clear()
        return News([(EVERYBODY, encode(Closed(self.origin, part))) for part in parts(hosted)])

    # --- what others say -----------------------------------------------------------------

    def hear(self, message: bytes, now_ns: int) -> News:
        """What another process said.

        Raises:
            FieldError: it is no message of this version.
        """
        said = decoded(_decoder, message)
        news = News()
        if said.origin == self.origin:
            return news
        match said:
            case Rooms():
                self._hear_rooms(said, now_ns, news)
            case Guests():
                self._hear_guests(said, now_ns, news)
            case Closed():
                for session_id in said.sessions:
                    self._gone(session_id, said.origin, now_ns, news)
            case Fed():
                self._hear_fed(said, news)
            case Told():
                self._hear_told(said, news)
        return news

    def lost(self, origin: str, now_ns: int) -> News:
        """A process is gone: it was killed."""
        news = News()
        for session_id in [s for s, (host, _) in self._elsewhere.items() if host == origin]:
            self._forget(session_id, origin)
        for session_id, place in self._places.items():
            place.guests.pop(origin, None)
            if place.host == origin:
                self._find_host(session_id, place, now_ns, news)
        return news

    def _hear_rooms(self, said: Rooms, now_ns: int, news: News) -> None:
        for session_id in said.sessions:
            place = self._places.get(session_id)
            if place is None or place.host != HERE:
                self._remember(session_id, said.origin, now_ns)
                if place is not None and place.host == said.origin:
                    place.heard_ns = now_ns
            elif (not said.settled, said.origin) < (not self._settled(place, now_ns), self.origin):
                self._yield(session_id, place, said.origin, now_ns, news)
            else:
                news.say.append((said.origin, self._own(session_id, place, now_ns)))

    def _hear_guests(self, said: Guests, now_ns: int, news: News) -> None:
        not_here = []
        for session_id in said.sessions:
            place = self._places.get(session_id)
            if place is not None and place.host == HERE:
                place.guests[said.origin] = now_ns + _GUESTS_HEAR_NS
            else:
                not_here.append(session_id)
        if not_here:
            news.say.append((said.origin, encode(Closed(self.origin, tuple(not_here)))))

    def _hear_fed(self, said: Fed, news: News) -> None:
        place = self._places.get(said.session)
        if place is not None and place.host == HERE:
            news.fed.append(said)
        else:
            news.say.append((said.origin, encode(Closed(self.origin, (said.session,)))))

    def _hear_told(self, said: Told, news: News) -> None:
        place = self._places.get(said.session)
        if place is None or place.host not in (HERE, said.origin):
            return
        news.told.append(said)
        if place.host == HERE:
            news.say += self._told(msgspec.structs.replace(said, origin=self.origin), but=said.origin)

    # --- who has the room ----------------------------------------------------------------

    def _yield(self, session_id: str, place: _Place, host: str, now_ns: int, news: News) -> None:
        """Another's room was there before ours."""
        news.say += [(guest, encode(Closed(self.origin, (session_id,)))) for guest in place.guests]
        self._remember(session_id, host, now_ns)
        place.host, place.heard_ns, place.guests = host, now_ns, {}
        self._announce(session_id, host, news)
        news.moved.append(session_id)

    def _gone(self, session_id: str, origin: str, now_ns: int, news: News) -> None:
        self._forget(session_id, origin)
        place = self._places.get(session_id)
        if place is not None and place.host == origin:
            self._find_host(session_id, place, now_ns, news)

    def _find_host(self, session_id: str, place: _Place, now_ns: int, news: News) -> None:
        """Our people's room is gone: go to another that we know of, or open one here."""
        host, _ = self._elsewhere.get(session_id, (HERE, 0))
        place.host, place.since_ns, place.heard_ns, place.guests = host, now_ns, now_ns, {}
        self._announce(session_id, host, news)
        news.moved.append(session_id)

    def _announce(self, session_id: str, host: str, news: News) -> None:
        if host == HERE:
            news.say.append((EVERYBODY, encode(Rooms(self.origin, (session_id,), settled=False))))
        else:
            news.say.append((host, encode(Guests(self.origin, (session_id,)))))

    def _say_again(self, now_ns: int, news: News) -> None:
        """Hosts and guests tell each other that they are there; from time to time hosts tell all."""
        to_all = now_ns >= self._all_told_ns + AGAIN_NS
        rooms: defaultdict[tuple[str, bool], list[str]] = defaultdict(list)
        visits: defaultdict[str, list[str]] = defaultdict(list)
        for session_id, place in self._places.items():
            if place.host != HERE:
                visits[place.host].append(session_id)
                continue
            settled = self._settled(place, now_ns)
            for other in (EVERYBODY,) if to_all else place.guests:
                rooms[other, settled].append(session_id)
        self._all_told_ns = now_ns if to_all else self._all_told_ns
        for (other, settled), sessions in rooms.items():
            news.say += [(other, encode(Rooms(self.origin, part, settled))) for part in parts(sessions)]
        for host, sessions in visits.items():
            news.say += [(host, encode(Guests(self.origin, part))) for part in parts(sessions)]

    def _own(self, session_id: str, place: _Place, now_ns: int) -> bytes:
        return encode(Rooms(self.origin, (session_id,), self._settled(place, now_ns)))

    @staticmethod
    def _settled(place: _Place, now_ns: int) -> bool:
        return now_ns >= place.since_ns + _SETTLED_NS

    def _remember(self, session_id: str, host: str, now_ns: int) -> None:
        self._elsewhere[session_id] = (host, now_ns + HOLDS_NS)
        self._elsewhere.move_to_end(session_id)
        if len(self._elsewhere) > _ELSEWHERE:
            self._elsewhere.popitem(last=False)

    def _forget(self, session_id: str, host: str) -> None:
        if self._elsewhere.get(session_id, (HERE, 0))[0] == host:
            del self._elsewhere[session_id]
