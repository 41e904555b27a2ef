"""Which signals tell the agent to stop in order, and how soon it hears them: between two steps of the event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable


def on_told_to_stop(stop: Callable[[signal.Signals], object]) -> None:
    """Have the running loop call ``stop`` when the agent is ended, or the terminal that it runs in is closed.

    Under ``nohup`` a terminal may close: who ignores its end from the start goes on doing so.
    """
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop, signal.SIGTERM)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stop, signal.SIGHUP)
