"""Words: every line is an event; what it means is the fusion's business."""

from __future__ import annotations

from collections.abc import Sequence

from sensorium.event import Event, EventStream, Sample, Text

_LONGEST = 1000
"""Characters kept of one line; more is no command, and the wire carries 4096 bytes."""


class TextPerceiver:
    """Turns lines into events that carry their words; blank lines say nothing."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """One event for a line with words in it."""
        assert isinstance(sample.data, Text)
        words = sample.data.line.strip()[:_LONGEST]
        if not words:
            return ()
        return (self._stream.event(sample.at_ns, at_error_ns=sample.at_error_ns, score=1.0, text=words),)

    def finish(self, now_ns: int) -> Sequence[Event]:  # noqa: ARG002 - the protocol's
        """Nothing is ever pending."""
        return ()
