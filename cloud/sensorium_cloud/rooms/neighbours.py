"""Sessions that are fed in several processes: each tells the others what its devices saw, where the others care.

A device is served by the worker, or the replica, where the kernel or a balancer puts it. So that what devices of one
session saw meets wherever they are, a process says which sessions it has (hashed), and reports windows of those that
somebody else said too. A session that nobody shares costs an announcement every few seconds. Pure: told the time.
`gossip` says what this has in common with `hosts`, and why they are two.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

import msgspec
from google.protobuf.message import DecodeError

from sensorium import wire
from sensorium.errors import FieldError
from sensorium.v1 import window_pb2
from sensorium.window import Window
from sensorium_cloud.rooms.gossip import AGAIN_NS, HOLDS_NS, decoded, encode, parts

_SESSIONS: Final = 10_000


class Here(msgspec.Struct, frozen=True, tag="here", array_like=True):
    """``origin`` has these sessions, by their hashes; ``asks`` those who have one of them to say so too."""

    origin: str
    sessions: tuple[bytes, ...]
    asks: bool


class Report(msgspec.Struct, frozen=True, tag="report", array_like=True):
    """What ``device`` of ``origin`` saw: a `sensorium.v1.Window` without pictures."""

    origin: str
    session: bytes
    device: str
    window: bytes


_decoder: Final[msgspec.msgpack.Decoder[Here | Report]] = msgspec.msgpack.Decoder(Here | Report)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a message from another process means.

    Attributes:
        say: messages to answer with.
        device: who saw ``window``: wherever it goes, nobody's witness of what it saw itself.
        window: what to remember; None if it is nothing for us.
    """

    say: Sequence[bytes] = ()
    device: str = ""
    window: Window | None = None


@dataclass(slots=True)
class _Session:
    here_ns: int
    """When one of our devices sent something last."""
    there_until_ns: int = 0
    """Until when another process has it too."""


class Neighbours:
    """What one process knows of the others' sessions.

    Args:
        origin: names this process, as no other is called.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._announced_ns = 0

    def see(self, device: str, window: Window, now_ns: int) -> list[bytes]:
        """``device``, which is served here, has sent ``window``; what to tell the others of it."""
        key = _key(window.session_id)
        session = self._sessions.get(key)
        new = session is None
        if session is None:
            session = self._sessions[key] = _Session(now_ns)
            if len(self._sessions) > _SESSIONS:
                self._sessions.popitem(last=False)
        session.here_ns = now_ns
        self._sessions.move_to_end(key)
        said = [encode(Here(self.origin, (key,), asks=True))] if new else []
        said += self._again(now_ns)
        if now_ns < session.there_until_ns:
            said.append(encode(Report(self.origin, key, device, _lean_bytes(window))))
        return said

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """What another process said; nothing of it is for us if it is our own, or of no session of ours.

        Raises:
            FieldError: it is no message of this version.
        """
        said = decoded(_decoder, message)
        if said.origin == self.origin:
            return Heard()
        if isinstance(said, Here):
            return Heard(self._hear_here(said, now_ns))
        return self._hear_report(said)

    def _hear_here(self, said: Here, now_ns: int) -> Sequence[bytes]:
        common = [key for key in said.sessions if (s := self._sessions.get(key)) and now_ns < s.here_ns + HOLDS_NS]
        for key in common:
            self._sessions[key].there_until_ns = now_ns + HOLDS_NS
        return [encode(Here(self.origin, tuple(common), asks=False))] if common and said.asks else []

    def _hear_report(self, said: Report) -> Heard:
        if said.session not in self._sessions:
            return Heard()
        try:
            window = wire.window_from_proto(window_pb2.Window.FromString(said.window))
        except DecodeError as error:
            raise FieldError("window", "not a sensorium.v1.Window") from error
        return Heard((), said.device, window)

    def _again(self, now_ns: int) -> Iterator[bytes]:
        if now_ns < self._announced_ns + AGAIN_NS:
            return
        self._announced_ns = now_ns
        for part in parts(key for key, session in self._sessions.items() if now_ns < session.here_ns + HOLDS_NS):
            yield encode(Here(self.origin, part, asks=False))


def _key(session_id: str) -> bytes:
    return blake2b(session_id.encode(), digest_size=8).digest()


def _lean_bytes(window: Window) -> bytes:
    """The window without pictures and clips: they stay where they came, see `sensorium_cloud.rooms.meeting`."""
    slots = tuple(
        replace(slot, events=tuple(e if e.media is None else replace(e, media=None) for e in slot.events))
        for slot in window.slots
    )
    return wire.window_to_proto(replace(window, slots=slots)).SerializeToString()
