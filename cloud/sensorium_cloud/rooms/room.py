"""Rooms: everybody who feeds one session over the gateway, and what they mean together, window by window.

Browsers and scripts have clocks of their own. Each that answers questions about its clock is followed by probes, any
other by its quickest messages, and every event carries the bound of its date. Pure: told the time, no sockets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from sensorium import limits
from sensorium.align import Aligner
from sensorium.clock_sync.probe_clock import Probe
from sensorium.clock_sync.remote_clock import RemoteClock, SourceClock
from sensorium.errors import FieldError
from sensorium.event import DType, Event, EventStream, Modality, Tensor
from sensorium.reliability import reliability
from sensorium.window import Window

_MS: Final = 1_000_000
_QUIET_NS: Final = 6_000 * _MS
"""After so long without an event nothing is left to end: empty windows are not fused."""
_SOURCES: Final = 64
"""Sensors of one who feeds: each has a clock and a count that are kept."""
_LATEST_MS: Final = 4e12
"""126 years on any clock; times in nanoseconds have 63 bits."""
_NAME: Final = r"^[A-Za-z0-9_.:-]+$"

Name = Annotated[str, Meta(min_length=1, max_length=limits.DEVICE_NAME_BYTES, pattern=_NAME)]
Short = Annotated[str, Meta(min_length=1, max_length=limits.NAME_BYTES)]
Words = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_BYTES // 4)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="event"):
    """An event as a browser or a script tells it.

    Attributes:
        modality: the sense.
        at_ms: when the evidence was complete, on the sender's own clock; when it came here, if left out.
        span_ms: how far the evidence reaches back.
        label: what was recognised, as in the concepts' labels.
        score: probability of the label.
        quality: how far the signal can be trusted; as far as that sense usually can, if left out.
        text: the words, for text.
        features: a feature vector of the modality's size.
        sequence: counts the sender's events of this modality from 0; a gap is a loss. Counted here if left out.
        source: name of the sensor, where a sender has several of one modality.
        metadata: whatever else a person may want to see.
    """

    modality: Modality
    at_ms: Annotated[float, Meta(ge=0, le=_LATEST_MS)] | None = None
    span_ms: Annotated[float, Meta(ge=0, le=3_600_000)] = 0.0
    label: Short | None = None
    score: Share = 1.0
    quality: Share | None = None
    text: Words | None = None
    features: Annotated[tuple[float, ...], Meta(min_length=1, max_length=8192)] | None = None
    sequence: Annotated[int, Meta(ge=0, lt=1 << 62)] | None = None
    source: Name = "gateway"
    metadata: Annotated[dict[Short, Words], Meta(max_length=limits.METADATA_ENTRIES)] = {}


class ClockAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="clock"):
    """The answer to a question about the sender's clock: ``number`` as asked, and when it came and left there."""

    number: int
    received_ms: Annotated[float, Meta(ge=0, le=_LATEST_MS)]
    answered_ms: Annotated[float, Meta(ge=0, le=_LATEST_MS)]


Message = Said | ClockAnswer

_decoder: Final[msgspec.json.Decoder[Message]] = msgspec.json.Decoder(Message)
_binary_decoder: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)


def is_binary(raw: str | bytes) -> bool:
    """Whether a message is MessagePack; JSON may come as bytes too, and begins with another byte than a map."""
    return isinstance(raw, bytes) and raw[:1] > b"\x7f"


def parsed(raw: str | bytes) -> Message:
    """What a message says, in JSON or MessagePack.

    Raises:
        FieldError: it is none; names the field.
    """
    try:
        return _binary_decoder.decode(raw) if is_binary(raw) else _decoder.decode(raw)  # type: ignore[arg-type]
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        raise FieldError(path.strip("`.") or "message", what[:1].lower() + what[1:]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FieldError("message", f"not {'MessagePack' if is_binary(raw) else 'JSON'}: {error}") from error


class Seat:
    """One who feeds a room: a connection, or the sender of a batch."""

    def __init__(self, session_id: str, name: str) -> None:
        self._session_id = session_id
        self._name = name
        self._clock = RemoteClock()
        self._sources: dict[tuple[Modality, str], tuple[EventStream, SourceClock]] = {}
        self._counted: dict[tuple[Modality, str], int] = {}

    def event(self, said: Said, arrived_ns: int) -> Event:
        """The event on our clock, with the bound of its date.

        Raises:
            FieldError: it says nothing, something that is not finite, or is of one sensor too many.
        """
        number = self._number(said)
        if said.at_ms is None:
            return self._event(said, number, arrived_ns, 0)
        clock = self._sources[said.modality, said.source][1]
        dated = clock.date(number, round(said.at_ms * _MS), arrived_ns)
        return self._event(said, number, dated.at_ns, dated.error_ns)

    def recorded(self, said: Said) -> Event:
        """The event at its own time, as it was recorded.

        Raises:
            FieldError: as `event` does.
        """
        assert said.at_ms is not None
        return self._event(said, self._number(said), round(said.at_ms * _MS), 0)

    def _number(self, said: Said) -> int:
        place = (said.modality, said.source)
        if place not in self._sources:
            if len(self._sources) >= _SOURCES:
                raise FieldError("source", f"at most {_SOURCES} of one who feeds a session")
            self._sources[place] = self._source(*place)
        number = self._counted.get(place, -1) + 1 if said.sequence is None else said.sequence
        self._counted[place] = max(number, self._counted.get(place, -1))
        return number

    def _event(self, said: Said, number: int, at_ns: int, error_ns: int) -> Event:
        if said.label is None and said.text is None and said.features is None:
            raise FieldError("event", "says nothing: give it a label, text or features")
        return Event(
            said.modality,
            self._sources[said.modality, said.source][0].stream_id,
            number,
            self._session_id,
            at_ns,
            at_error_ns=error_ns,
            span_ns=round(said.span_ms * _MS),
            label=said.label,
            score=said.score,
            quality=reliability(said.modality) if said.quality is None else said.quality,
            features=_tensor(said.features),
            text=said.text,
            metadata=said.metadata,
        )

    def answered(self, answer: ClockAnswer, sent_ns: int, now_ns: int) -> None:
        """The question that left at ``sent_ns`` was answered."""
        received_ns, answered_ns = round(answer.received_ms * _MS), round(answer.answered_ms * _MS)
        self._clock.probe(Probe(sent_ns, received_ns, answered_ns, now_ns))

    def _source(self, modality: Modality, source: str) -> tuple[EventStream, SourceClock]:
        stream = EventStream(self._session_id, modality, f"{self._name}.{source}")
        return stream, SourceClock(self._clock)


class Room:
    """One session's events as windows.

    Args:
        session_id: the session.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self._aligner = Aligner(session_id, tuple(Modality))
        self._heard_ns = 0

    def hear(self, event: Event, now_ns: int) -> None:
        """Take one event."""
        self._aligner.start(event.at_ns)
        self._aligner.push(event, now_ns)
        self._heard_ns = now_ns

    def windows(self, now_ns: int) -> Iterator[Window]:
        """The windows that close or are amended by ``now_ns``; empty ones only for a while after the last event."""
        for window in self._aligner.advance(now_ns):
            if any(slot.here for slot in window.slots) or window.end_ns < self._heard_ns + _QUIET_NS:
                yield window

    def due_ns(self, now_ns: int) -> int | None:
        """When to ask for windows next; None while the room is quiet."""
        due_ns = self._aligner.next_due_ns()
        return due_ns if due_ns is not None and now_ns < self._heard_ns + 2 * _QUIET_NS else None


def check_size(said: Said, sizes: Mapping[Modality, int]) -> None:
    """Refuse a feature vector of the wrong size.

    Raises:
        FieldError: names both sizes.
    """
    size = sizes[said.modality]
    if said.features is not None and len(said.features) != size:
        raise FieldError("features", f"{len(said.features)} numbers; a {said.modality} vector has {size}")


def _tensor(features: tuple[float, ...] | None) -> Tensor | None:
    if features is None:
        return None
    try:
        return Tensor.of(features, DType.F32)
    except (ValueError, OverflowError) as error:
        raise FieldError("features", str(error)) from error
