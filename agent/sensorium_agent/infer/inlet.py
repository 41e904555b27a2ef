"""Where samples wait for their perceiver: bounded; the oldest go first, and are counted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from sensorium.event import Modality, Sample

ROOM: Mapping[Modality, int] = {
    Modality.VIDEO: 4,  # 130 ms at 30 Hz; an older picture is worthless
    Modality.AUDIO: 256,  # 5 s in runs of 20 ms; a lost run is a lost word
    Modality.TEXT: 256,
    Modality.HAPTIC: 1024,  # 4 s of 240 Hz; a stroke needs all its points
    Modality.BIOMETRIC: 256,
}


GATHER_S: Mapping[Modality, float] = {Modality.AUDIO: 0.08}
"""How long samples may gather before they are looked at together: waking a thread for each 20 ms of sound would
cost more than understanding it."""


class Inlet:
    """A bounded queue for one perceiver, filled and emptied by the event loop's thread."""

    def __init__(self, room: int, gather_s: float = 0.0) -> None:
        self._gather_s = gather_s
        self._waiting: deque[Sample] = deque()
        self._room = room
        self._filled = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def put(self, sample: Sample) -> None:
        """Add ``sample``; the oldest gives way if there is no room."""
        if len(self._waiting) >= self._room:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(sample)
        self._filled.set()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._filled.set()

    async def take(self, most: int, timeout_s: float | None) -> list[Sample] | None:
        """Up to ``most`` samples; empty after ``timeout_s``; None once closed and empty."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._filled.wait()
        except TimeoutError:
            return []
        if self._gather_s and not self._closed:
            await asyncio.sleep(self._gather_s)
        if not self._waiting and self._closed:
            return None
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if not self._waiting and not self._closed:
            self._filled.clear()
        return taken
