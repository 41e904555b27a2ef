"""A thread of the spool's own: records offered while the disk is busy are stored together when it is done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, ParamSpec, TypeVar

from sensorium_agent.spool.log import Record, Spool, SpoolError

log = logging.getLogger(__name__)

GROUP_BYTES: Final = 256 << 10
"""About the most that is stored in one group."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Offered:
    """A record that waits for the disk, and who waits for it: the sequence, None if it was not stored."""

    record: Record
    stored: asyncio.Future[int | None]


class SpoolWorker:
    """Uses ``spool`` from one event loop without blocking it; ``on_stored`` gets each group's last sequence."""

    def __init__(self, spool: Spool, on_stored: Callable[[int], None]) -> None:
        self._spool, self._on_stored = spool, on_stored
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._offered: list[_Offered] = []
        self._storing = False
        self._trouble = ""

    async def store(self, record: Record) -> int | None:
        """Store ``record`` durably; its sequence, or None if the spool could not take it."""
        stored: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._offered.append(_Offered(record, stored))
        self._store_next_group()
        return await stored

    def _store_next_group(self) -> None:
        """Store what waits, as soon as the disk is done with what came before.

        A callback and no task: whoever offered may be cancelled, what was offered is stored all the same.
        """
        if self._storing or not self._offered:
            return
        count = fitting([len(o.record.payload) for o in self._offered], GROUP_BYTES)
        group, self._offered = self._offered[:count], self._offered[count:]
        self._storing = True
        job = asyncio.get_running_loop().run_in_executor(self._thread, self._spool.append, [o.record for o in group])
        job.add_done_callback(partial(self._group_stored, group))

    def _group_stored(self, group: Sequence[_Offered], job: asyncio.Future[range]) -> None:
        self._storing = False
        error = job.exception()
        self._say("" if error is None else str(error))
        sequences: Sequence[int | None] = [None] * len(group) if error else job.result()
        for offered, sequence in zip(group, sequences, strict=True):
            if offered.stored.done():
                continue
            if error is None or isinstance(error, SpoolError):
                offered.stored.set_result(sequence)
            else:
                offered.stored.set_exception(error)
        if error is None:
            self._on_stored(job.result()[-1])
        self._store_next_group()

    def _say(self, trouble: str) -> None:
        """A full disk is worth one line, not one a window; the spool counts what it refused."""
        if trouble and trouble != self._trouble:
            log.error("spool.not_stored %s", trouble)
        elif self._trouble and not trouble:
            log.info("spool.stored_again")
        self._trouble = trouble

    async def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """``function`` of the spool, in its thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(function, *args, **kwargs))

    async def drain(self) -> None:
        """Wait until everything offered is stored."""
        while self._offered or self._storing:
            await self.call(lambda: None)

    async def close(self) -> None:
        """Store what was offered, then end the thread."""
        await self.drain()
        await asyncio.to_thread(self._thread.shutdown)


def fitting(sizes: Sequence[int], limit: int) -> int:
    """How many of ``sizes`` fit into ``limit`` together; at least one."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > limit and count:
            return count
    return len(sizes)
