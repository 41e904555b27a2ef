"""One WebSocket of the gateway: hears events, speaks lines, and asks for the other side's clock."""

from __future__ import annotations

import asyncio
import itertools
from typing import Final

import msgspec
from fastapi import WebSocket, WebSocketDisconnect

from sensorium import lines
from sensorium.errors import FieldError
from sensorium_cloud._app.hall import Member
from sensorium_cloud._app.parts import Parts
from sensorium_cloud.access import Rate
from sensorium_cloud.rooms.room import ClockAnswer, Said, is_binary, parsed

MAX_MESSAGE: Final = 1 << 20
"""Bytes."""
_ASK_EVERY_S: Final = (0.1, 2.0)
"""Between questions about a client's clock: at first, and later on."""
_HASTE: Final = 12
_UNANSWERED: Final = 32


class Visit:
    """One connection: hears, speaks, and asks for the other's clock."""

    def __init__(self, parts: Parts, socket: WebSocket, kept: str, session_id: str, member: Member) -> None:
        self._parts, self._socket, self._kept, self._member = parts, socket, kept, member
        self._asked: dict[int, int] = {}
        self._binary = False
        """Who speaks MessagePack is answered in it."""
        self._rate = Rate(parts.limits.events_per_s, parts.clock.now_ns())
        welcome = {"type": "welcome", "session": session_id, "software": parts.software}
        member.say(welcome | {"max_message_bytes": MAX_MESSAGE})

    async def run(self) -> None:
        """Until either side hangs up."""
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(self._speak()), group.create_task(self._ask())]
            try:
                await self._listen()
            finally:
                for task in others:
                    task.cancel()

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if wait_ms := self._rate.take(self._parts.clock.now_ns()):
                self._refuse("message", f"at most {self._parts.limits.events_per_s:g} a second", wait_ms)
                continue
            raw = message.get("text") or message.get("bytes") or ""
            self._binary = is_binary(raw)
            try:
                self._hear(parsed(raw))
            except FieldError as error:
                self._refuse(error.field, error.reason)

    def _refuse(self, field: str, reason: str, retry_after_ms: int = 0) -> None:
        told = {"window": None, "field": field, "reason": reason, "retry_after_ms": retry_after_ms}
        self._member.say({"type": "refusal"} | told)

    def _hear(self, said: Said | ClockAnswer) -> None:
        if isinstance(said, Said):
            self._parts.hall.hear(self._kept, self._member, said)
            return
        sent_ns = self._asked.pop(said.number, None)
        if sent_ns is None:
            raise FieldError("number", f"that of a question of this connection, asked lately, not {said.number}")
        self._member.seat.answered(said, sent_ns, self._parts.clock.now_ns())

    async def _speak(self) -> None:
        while True:
            line = await self._member.outbox.get()
            try:
                if self._binary:
                    await self._socket.send_bytes(msgspec.msgpack.encode(line))
                else:
                    await self._socket.send_text(lines.encoded(line).decode().rstrip())
            except (WebSocketDisconnect, RuntimeError):
                return

    async def _ask(self) -> None:
        """Questions about the other's clock; who does not answer them is dated by its quickest messages."""
        for number in itertools.count():
            self._asked[number] = self._parts.clock.now_ns()
            if len(self._asked) > _UNANSWERED:
                return
            self._member.say({"type": "clock", "number": number})
            await asyncio.sleep(_ASK_EVERY_S[number >= _HASTE])
