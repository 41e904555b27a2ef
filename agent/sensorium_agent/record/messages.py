"""The recording's own records as protobuf, and back: samples, turns, clock readings.

What comes from a file is trusted no more than what comes over a link: what the .proto does not promise is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from sensorium.clock import WallOffset
from sensorium.errors import FieldError
from sensorium.event import (
    Conductance,
    Event,
    Frame,
    Intervals,
    Labelled,
    Modality,
    Payload,
    Pulse,
    Sample,
    Sound,
    Text,
    Touch,
    TouchPhase,
)
from sensorium.v1 import event_pb2
from sensorium.v1 import recording_pb2 as pb
from sensorium_agent.join import Heard, Turn

T = TypeVar("T")


class Kept(StrEnum):
    """What of a sample's data is in the recording."""

    WHOLE = "whole"
    LIKENESS = "likeness"
    NOTHING = "nothing"
    LOST = "lost"


_MODALITY: Final[Mapping[Modality, Any]] = {m: event_pb2.Modality.Value(f"MODALITY_{m.name}") for m in Modality}
_PHASE: Final[Mapping[TouchPhase, Any]] = {p: pb.TouchPhase.Value(f"TOUCH_PHASE_{p.name}") for p in TouchPhase}
_KEPT: Final[Mapping[Kept, Any]] = {k: pb.Kept.Value(f"KEPT_{k.name}") for k in Kept}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A sample as it was recorded: when the agent had it, and what of it is kept."""

    arrived_ns: int
    sample: Sample
    kept: Kept = Kept.WHOLE


# --- samples -----------------------------------------------------------------------------


def sample_to_proto(arrival: Arrival) -> pb.Sample:
    """The sample's message; a picture or a sound stands in a message of its own, just before it."""
    sample = arrival.sample
    message = pb.Sample(
        modality=_MODALITY[sample.modality],
        source=sample.source,
        sequence=sample.sequence,
        at_ns=sample.at_ns,
        at_error_ns=sample.at_error_ns,
        arrived_ns=arrival.arrived_ns,
        kept=_KEPT[arrival.kept],
    )
    _put_data(message, sample.data)
    return message


def _put_data(message: pb.Sample, data: Payload) -> None:
    match data:
        case Text(line):
            message.line = line
        case Touch(pointer, phase, x, y, pressure):
            message.touch.CopyFrom(pb.Touch(pointer=pointer, phase=_PHASE[phase], x=x, y=y, pressure=pressure))
        case Pulse(values, rate_hz):
            message.series.CopyFrom(_series(pb.SERIES_KIND_PULSE, values, rate_hz))
        case Conductance(values, rate_hz):
            message.series.CopyFrom(_series(pb.SERIES_KIND_CONDUCTANCE, values, rate_hz))
        case Intervals(ms):
            message.series.CopyFrom(_series(pb.SERIES_KIND_INTERVALS, ms, 0.0))
        case Labelled(label, score, quality, span_ns):
            message.labelled.CopyFrom(pb.Labelled(label=label, score=score, quality=quality, span_ns=span_ns))
        case Frame() | Sound():
            pass


def _series(kind: pb.SeriesKind, values: npt.NDArray[np.float32], rate_hz: float) -> pb.Series:
    return pb.Series(kind=kind, values=values.tolist(), rate_hz=rate_hz)


def arrival_from_proto(message: pb.Sample, medium: Frame | Sound | None = None) -> Arrival:
    """The sample; ``medium`` is the picture or sound that stood just before it on its sensor's channel.

    Raises:
        FieldError: a value is not what the contract promises, or there are no data at all.
    """
    data = _data(message) or medium
    if data is None:
        raise FieldError("data", "missing, and no picture or sound before it")
    modality = _known("modality", message.modality, _MODALITY)
    if message.at_error_ns < 0:
        raise FieldError("at_error_ns", f"at least 0, not {message.at_error_ns}")
    sample = Sample(modality, message.source, message.sequence, message.at_ns, data, message.at_error_ns)
    return Arrival(message.arrived_ns, sample, _known("kept", message.kept, _KEPT))


def _data(message: pb.Sample) -> Text | Touch | Pulse | Conductance | Intervals | Labelled | None:
    match message.WhichOneof("data"):
        case "line":
            return Text(message.line)
        case "touch":
            return _touch(message.touch)
        case "series":
            return _run(message.series)
        case "labelled":
            found = message.labelled
            return Labelled(found.label, found.score, found.quality, found.span_ns)
        case _:
            return None


def _touch(message: pb.Touch) -> Touch:
    for field in ("x", "y", "pressure"):
        if not math.isfinite(getattr(message, field)):
            raise FieldError(f"touch.{field}", "a finite number")
    phase = _known("touch.phase", message.phase, _PHASE)
    return Touch(message.pointer, phase, message.x, message.y, message.pressure)


def _run(message: pb.Series) -> Pulse | Conductance | Intervals:
    values = np.array(message.values, np.float32)
    if message.kind == pb.SERIES_KIND_INTERVALS:
        return Intervals(values)
    if not (math.isfinite(message.rate_hz) and message.rate_hz > 0):
        raise FieldError("series.rate_hz", f"above 0, not {message.rate_hz:g}")
    if message.kind == pb.SERIES_KIND_CONDUCTANCE:
        return Conductance(values, message.rate_hz)
    if message.kind == pb.SERIES_KIND_PULSE:
        return Pulse(values, message.rate_hz)
    raise FieldError("series.kind", f"pulse, intervals or conductance, not number {message.kind}")


def _known(field: str, number: int, numbers: Mapping[T, int]) -> T:
    for member, own in numbers.items():
        if own == number:
            return member
    raise FieldError(field, f"one of {', '.join(map(str, numbers))}, not number {number}")


# --- turns and clocks --------------------------------------------------------------------


def turn_to_proto(turn: Turn, sequence: int) -> pb.Turn:
    """The turn's message; its events are written before it."""
    heard = [
        pb.Heard(modality=_MODALITY[h.modality], events=len(h.events), reached_ns=h.reached_ns) for h in turn.heard
    ]
    return pb.Turn(sequence=sequence, now_ns=turn.now_ns, heard=heard, last=turn.last)


def turn_from_proto(message: pb.Turn, events: Sequence[Event]) -> Turn:
    """The turn; ``events`` are those that stand before it.

    Raises:
        FieldError: it speaks of more or fewer events, or a value is not what the contract promises.
    """
    told = sum(h.events for h in message.heard)
    if told != len(events):
        raise FieldError("heard", f"{told} events, but {len(events)} stand before it")
    rest = iter(events)
    heard = tuple(
        Heard(
            _known("modality", h.modality, _MODALITY),
            tuple(next(rest) for _ in range(h.events)),
            h.reached_ns if h.HasField("reached_ns") else None,
        )
        for h in message.heard
    )
    return Turn(message.now_ns, heard, message.last)


def reading_to_proto(reading: WallOffset, boot_id: str) -> pb.ClockReading:
    """The reading's message."""
    return pb.ClockReading(
        at_ns=reading.at_ns, wall_offset_ns=reading.offset_ns, wall_error_ns=reading.error_ns, boot_id=boot_id
    )


def reading_from_proto(message: pb.ClockReading) -> WallOffset:
    """The reading; steps are to be found by who reads several."""
    return WallOffset(message.wall_offset_ns, max(message.wall_error_ns, 0), message.at_ns)
