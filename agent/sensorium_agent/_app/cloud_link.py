"""The agent's side of the cloud: what may leave goes to the spool, refined symbols come to the listener."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from sensorium.clock import Clock, DeviceClock, boot_id
from sensorium.concepts import Concept
from sensorium.errors import SensoriumError
from sensorium.symbol import Symbol
from sensorium.window import Window
from sensorium_agent._app import compose, learning
from sensorium_agent._app.settings import Cloud, Settings
from sensorium_agent.answer import Listener
from sensorium_agent.offload import Budget, redact
from sensorium_agent.uplink.replicas import named

if TYPE_CHECKING:
    import grpc

    from sensorium_agent.uplink.link import Uplink

log = logging.getLogger(__name__)

_BURST_S = 10.0
"""Seconds of the link's budget that may be spent at once."""
_WAITING = 1024
"""Windows that may wait for the disk: minutes of a stalled disk; after that they stay with the device's answer."""
_FLUSH_S = 10.0


class CloudLink:
    """Offers windows to the fusion service while inside ``async with``; delivers what it can on leaving."""

    def __init__(
        self, settings: Settings, cloud: Cloud, clock: Clock, listener: Listener, *, windows_boot_id: str = ""
    ) -> None:
        named(cloud.target)  # a wrong one is found at start
        self._settings = settings
        self._cloud = cloud
        self._clock = clock
        self._listener = listener
        self._windows_boot_id = windows_boot_id
        self._egress = compose.egress(settings)
        self._credentials = credentials(cloud)
        limit = cloud.bytes_per_s
        self._budget = Budget.of(limit, burst_bytes=limit * _BURST_S, now_ns=clock.now_ns()) if limit else None
        self._waiting: asyncio.Queue[Window] = asyncio.Queue(_WAITING)
        self._stack = contextlib.AsyncExitStack()
        self._uplink: Uplink | None = None
        self._closing = False
        self.dropped = 0

    @classmethod
    def of(cls, settings: Settings, listener: Listener, *, live: bool = False) -> CloudLink | None:
        """A link, if the settings name a service; in real time, whatever the pipeline's clock.

        ``live``: the windows' times are of this boot's clock, and they will say so after the next boot too.
        """
        if settings.cloud is None or settings.cloud.policy == "never":
            return None
        return cls(settings, settings.cloud, DeviceClock(), listener, windows_boot_id=boot_id() if live else "")

    async def __aenter__(self) -> Self:
        from sensorium_agent.spool.log import Spool
        from sensorium_agent.uplink.link import Caller, Patience, Uplink

        directory, most = self._settings.spool_directory, self._settings.spool.max_mb << 20
        self._spool = await asyncio.to_thread(Spool.open, directory, max_bytes=most, boot_id=boot_id())
        self._stack.callback(self._spool.close)
        self._uplink = Uplink(
            self._cloud.target,
            spool=self._spool,
            clock=self._clock,
            caller=Caller(self._settings.device_name, boot_id(), compose.software()),
            on_symbol=self._on_symbol,
            on_link=self._on_link,
            credentials=self._credentials,
            taught=self._lessons,
            patience=Patience(answer_ms=self._cloud.answer_ms, backoff_s=(0.5, 10.0)),
        )
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(self._uplink.run())
        self._storing = group.create_task(self._store(self._uplink))
        return self

    async def __aexit__(self, *failure: object) -> None:
        assert self._uplink is not None
        try:
            if not self._storing.done():
                await self._drain()
            self._storing.cancel()
            self._closing = True  # hanging up ourselves is no loss of the link
            await self._uplink.close(_FLUSH_S)
        finally:
            await self._stack.aclose()

    async def _drain(self) -> None:
        """Wait for the disk, unless the task that feeds it has failed."""
        async with asyncio.TaskGroup() as group:
            drained = group.create_task(self._waiting.join())
            await asyncio.wait({drained, self._storing}, timeout=_FLUSH_S, return_when=asyncio.FIRST_COMPLETED)
            drained.cancel()

    def offer(self, window: Window) -> None:
        """Hand over a window; returns at once. What may not leave stays here."""
        lean = replace(redact(window, self._egress), boot_id=self._windows_boot_id)
        affordable: Window | None = lean
        if self._budget is not None:
            affordable, self._budget = self._budget.spend(lean, self._clock.now_ns())
        if affordable is None:
            return
        try:
            self._waiting.put_nowait(affordable)
        except asyncio.QueueFull:
            self.dropped += 1

    def learn(self) -> None:
        """Something was taught: tell the cloud."""
        if self._uplink is not None:
            self._uplink.greet_anew()

    def summary(self) -> dict[str, Any]:
        """Bytes sent and what became of the windows; empty if the link never opened."""
        if self._uplink is None:
            return {}
        stats = self._uplink.stats
        return {
            "sent_bytes": dict(stats.bytes_by_modality)
            | {"envelope": stats.bytes_sent - sum(stats.bytes_by_modality.values())},
            "delivery": msgspec.to_builtins(stats.delivery),
            "spool": msgspec.to_builtins(stats.spool) | {"waiting": stats.spooled},
            "not_spooled": self.dropped,
            "cuts": dict(self._budget.cuts) if self._budget else {},
        }

    async def _store(self, uplink: Uplink) -> None:
        """Several at a time: the spool syncs them together."""
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                await asyncio.gather(*map(uplink.offer, batch))
            finally:
                for _ in batch:
                    self._waiting.task_done()

    def _lessons(self) -> tuple[Concept, ...]:
        """What was taught by now; the link does without where that cannot be read."""
        try:
            return learning.lessons(self._settings)
        except SensoriumError as error:
            log.warning("link.untaught reason=%s", error)
            return ()

    def _on_symbol(self, symbol: Symbol) -> None:
        self._listener.on_symbol(symbol)

    def _on_link(self, up: bool) -> None:
        if not self._closing:
            self._listener.on_status("link", up=up)


def credentials(cloud: Cloud) -> grpc.ChannelCredentials | None:
    """What the link to the cloud is kept private with; None in the clear.

    Raises:
        CredentialsError: a key or a certificate cannot be used.
    """
    if not cloud.tls:
        return None
    from sensorium_agent.uplink.channel import read_credentials

    ca, certificate, key = (Path(text) if text else None for text in (cloud.ca, cloud.certificate, cloud.key))
    return read_credentials(ca=ca, certificate=certificate, key=key)
