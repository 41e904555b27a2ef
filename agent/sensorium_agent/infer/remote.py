"""What other devices send, understood: each of their sources has a perceiver of its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Final

from sensorium.event import Event, EventStream, Labelled, Modality, Sample
from sensorium_agent.infer.lanes import UNAIDED, Lane
from sensorium_agent.infer.perceiver import Patient, Perceiver

_SOURCES: Final = 32
"""Sources whose state is kept; the one not heard of for longest is forgotten."""


class _Source:
    """One source: what it measured goes through a perceiver, what it understood itself is an event as it is."""

    def __init__(self, stream: EventStream, perceiver: Perceiver | None) -> None:
        self._stream = stream
        self.perceiver = perceiver

    def perceive(self, sample: Sample) -> Sequence[Event]:
        if isinstance(sample.data, Labelled):
            said = sample.data
            event = self._stream.event(
                sample.at_ns,
                at_error_ns=sample.at_error_ns,
                span_ns=said.span_ns,
                label=said.label,
                score=said.score,
                quality=said.quality,
            )
            return (event,)
        assert self.perceiver is not None, "only senses with a perceiver have raw readings"
        return self.perceiver.perceive(sample)


class RemotePerceiver:
    """One sense of all other devices.

    Args:
        session_id: the agent's session.
        modality: the sense.
        make: makes a perceiver for raw readings; None if there is none for this sense.
    """

    def __init__(
        self, session_id: str, modality: Modality, make: Callable[[EventStream], Perceiver] | None = None
    ) -> None:
        self._session_id, self._modality, self._make = session_id, modality, make
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """What this sample says, after those of the same source before it."""
        source = self._sources.get(sample.source) or self._open(sample.source)
        self._sources.move_to_end(sample.source)
        return source.perceive(sample)

    def next_due_ns(self) -> int | None:
        """When to call `tick` if no sample comes before."""
        return min((due for p in self._patient() if (due := p.next_due_ns()) is not None), default=None)

    def tick(self, now_ns: int) -> Sequence[Event]:
        """What the time that has passed says."""
        return [event for p in self._patient() for event in p.tick(now_ns)]

    def finish(self, now_ns: int) -> Sequence[Event]:
        """What was still pending when the samples ended."""
        return [event for p in self._perceivers() for event in p.finish(now_ns)]

    def _open(self, name: str) -> _Source:
        stream = EventStream(self._session_id, self._modality, name)
        # Labelled events are numbered apart: two numberings in one stream would look like duplicates.
        own = EventStream(self._session_id, self._modality, f"{name}_said")
        source = self._sources[name] = _Source(own, self._make(stream) if self._make else None)
        if len(self._sources) > _SOURCES:
            self._sources.popitem(last=False)
        return source

    def _perceivers(self) -> list[Perceiver]:
        return [s.perceiver for s in self._sources.values() if s.perceiver is not None]

    def _patient(self) -> list[Patient]:
        return [p for p in self._perceivers() if isinstance(p, Patient)]


def build_remote(modalities: Collection[Modality], session_id: str) -> tuple[Lane, ...]:
    """A lane for each sense that other devices may send; none needs a model."""
    return tuple(
        Lane(m, m, RemotePerceiver(session_id, m, UNAIDED.get(m)), remote=True) for m in Modality if m in modalities
    )
