"""Follows what is chosen in the model store while the agent runs: `sensorium models use` needs no restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from sensorium_agent.infer.runtime.shelf import Change, Shelf

_EVERY_S = 1.0


@contextlib.asynccontextmanager
async def watch_models(shelf: Shelf, on_change: Callable[[Change], None]) -> AsyncIterator[None]:
    """Look at the store every second while inside, in a thread, since models load slowly; once more on leaving."""
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(shelf, on_change))
        yield
        watching.cancel()
    _tell(shelf.settle(), on_change)


async def _watch(shelf: Shelf, on_change: Callable[[Change], None]) -> None:
    while True:
        _tell(await asyncio.to_thread(shelf.look), on_change)
        await asyncio.sleep(_EVERY_S)


def _tell(changes: Sequence[Change], on_change: Callable[[Change], None]) -> None:
    for change in changes:
        on_change(change)
