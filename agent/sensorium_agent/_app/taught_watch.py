"""Follows what is taught while the agent runs: `sensorium teach` needs no restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sensorium.errors import SensoriumError

log = logging.getLogger(__name__)

_EVERY_S: Final = 1.0
Sleep = Callable[[float], Awaitable[None]]
_State = tuple[tuple[int, int] | None, ...]


@asynccontextmanager
async def watch_taught(
    files: Sequence[Path], learn: Callable[[], None], *, sleep: Sleep = asyncio.sleep
) -> AsyncIterator[None]:
    """Look at ``files`` every second while inside, and ``learn`` when one changed; a damaged one changes nothing."""
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(files, learn, sleep, _state(files)))
        yield
        watching.cancel()


async def _watch(files: Sequence[Path], learn: Callable[[], None], sleep: Sleep, before: _State) -> None:
    while True:
        await sleep(_EVERY_S)
        now = _state(files)
        if now == before:
            continue
        before = now
        try:
            learn()
        except SensoriumError as error:
            log.warning("taught.unread reason=%s", error)


def _state(files: Sequence[Path]) -> _State:
    """When each was written and how large it is; None where it is not there."""
    return tuple(map(_looks, files))


def _looks(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
