"""What every perceiver does, whatever its sense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from sensorium.event import Event, Sample


class Perceiver(Protocol):
    """Turns the samples of one sensor into events: stateful, synchronous, used by one thread."""

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """What this sample, after those before it, says."""

    def finish(self, now_ns: int) -> Sequence[Event]:
        """What was still pending when the samples ended."""


@runtime_checkable
class Patient(Protocol):
    """A perceiver some of whose answers come by waiting: a long press, a tap that stays single."""

    def next_due_ns(self) -> int | None:
        """When to call `tick` if no sample comes before."""

    def tick(self, now_ns: int) -> Sequence[Event]:
        """What the time that has passed says."""
