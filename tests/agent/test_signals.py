"""What tells the agent to stop."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from sensorium_agent._app.commands.record import _until_told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_recording_that_is_told_twice_ends_its_file_all_the_same(number: signal.Signals) -> None:
    """A terminal that is closed tells its shell and what runs in it, and the shell tells that once more."""
    told: list[signal.Signals] = []
    steps: list[int] = []

    async def recording() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), number)
            for step in range(5):
                await asyncio.sleep(0)
                steps.append(step)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.gather(_until_told(recording(), told))

    assert steps == [0, 1, 2, 3, 4]
    assert told == [number, number]
