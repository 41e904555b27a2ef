"""The device's part of each window's trace, for an OpenTelemetry collector."""

from __future__ import annotations

from typing import Self

from sensorium import trace
from sensorium.clock import Clock, boot_id, read_wall
from sensorium.symbol import Revision, Symbol
from sensorium_agent._app.listeners import Everyone


class TraceListener(Everyone):
    """Tells the collector at ``endpoint`` of symbols made here; sends what is left at the end.

    Raises:
        TraceUnavailable: install the extra ``trace``.
    """

    def __init__(self, endpoint: str, clock: Clock) -> None:
        super().__init__(())
        self._trace = trace.Trace(
            trace.to_collector(endpoint),
            "sensorium",
            lambda: read_wall(clock).wall_ns(clock.now_ns()),
            boot_id=boot_id(),  # as the windows say that go to the cloud
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._trace.close()

    def on_symbol(self, symbol: Symbol) -> None:
        """The cloud tells of its own."""
        if symbol.revision is Revision.EDGE:
            self._trace.tell(symbol)
