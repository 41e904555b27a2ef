"""What is to be delivered: windows on disk, and what becomes of each; the link asks here what to send next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Final

from sensorium import wire
from sensorium.clock import Clock
from sensorium.v1 import window_pb2
from sensorium.window import Window
from sensorium_agent.spool.log import Record, Spool
from sensorium_agent.spool.worker import GROUP_BYTES, SpoolWorker, fitting
from sensorium_agent.uplink.delivery import FRAME_BYTES, Delivery, Item, Want

_WINDOW: Final = 1
"""`Record.kind` of a sensorium.v1.Window."""

Numbered = tuple[int, window_pb2.Window]
"""A window and its sequence in the spool."""


class Outbox:
    """Windows from `store` until they are answered; to be made and used inside one event loop.

    Args:
        spool: used by a thread of the outbox's own until `close` has returned; the caller closes it.
        clock: real time of this device.
        ttl_s: how long a window is worth sending, 0 for ever.
        patience_s: how long an answer may take before the stream counts as dead.
        backoff_s: shortest and longest wait before a reconnect.

    Attributes:
        delivery: what is under way, and what has become of the rest.
        changed: set when something was stored; look again what is `due`.
    """

    def __init__(
        self, spool: Spool, clock: Clock, *, ttl_s: int, patience_s: float, backoff_s: tuple[float, float]
    ) -> None:
        self.delivery = Delivery(
            acknowledged=spool.acknowledged,
            stored=spool.last,
            random=random.random,
            patience_ns=round(patience_s * 1e9),
            backoff_s=backoff_s,
        )
        self.changed = asyncio.Event()
        self._spool, self._clock, self._ttl_s = spool, clock, ttl_s
        self._worker = SpoolWorker(spool, self._stored)

    async def store(self, window: Window) -> int | None:
        """Store ``window`` durably; its sequence, or None if the spool could not take it."""
        payload = wire.window_to_proto(window).SerializeToString()
        return await self._worker.store(Record(payload, self._clock.now_ns(), self._ttl_s, _WINDOW))

    def _stored(self, through: int) -> None:
        self.delivery.stored(through)
        self.changed.set()

    async def due(self, most_bytes: int) -> list[list[Numbered]] | None:
        """Windows to be sent now, a message of at most ``most_bytes`` each; None until something happens.

        Raises:
            SpoolError: the disk cannot be read.
        """
        now_ns = self._clock.now_ns()
        want = self.delivery.want(now_ns)
        if want is None:
            return None
        found = await self._worker.call(self._spool.read, want.after, want.limit, now_ns=now_ns)
        windows = {stored.sequence: window_pb2.Window.FromString(stored.payload) for stored in found}
        items = [
            Item(s.sequence, (windows[s.sequence].id, windows[s.sequence].revision), len(s.payload)) for s in found
        ]
        return [[(n, windows[n]) for n in message] for message in self._messages(want, items, most_bytes)]

    def _messages(self, want: Want, items: Sequence[Item], most_bytes: int) -> Iterator[list[int]]:
        sending = set(self.delivery.take(want, items, self._clock.now_ns()))
        rest = [item for item in items if item.sequence in sending]
        while rest:
            count = fitting([item.size_bytes + FRAME_BYTES for item in rest], min(most_bytes, GROUP_BYTES))
            yield [item.sequence for item in rest[:count]]
            rest = rest[count:]

    async def settle(self) -> bool:
        """Let the spool forget what is done; whether everything is delivered.

        Raises:
            SpoolError: the disk cannot be written.
        """
        await self._worker.call(self._spool.acknowledge, forgotten := self.delivery.acknowledged)
        # What was acknowledged while the spool was busy has yet to reach it.
        return self.delivery.idle and forgotten == self.delivery.acknowledged

    async def drain(self) -> None:
        """Wait until everything is stored that was offered."""
        await self._worker.drain()

    async def close(self) -> None:
        """Store what was offered, then leave the spool alone."""
        await self._worker.close()
