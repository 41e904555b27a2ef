"""The messages of a Connect stream as protobuf."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sensorium import limits
from sensorium.device import (
    Acceptance,
    ClockAnswer,
    ClockQuestion,
    ConnectRefusal,
    Introduction,
    Reading,
    Receipt,
    Request,
    Response,
    Source,
)
from sensorium.errors import FieldError
from sensorium.event import Conductance, Intervals, Labelled, Pulse, Text, Touch, TouchPhase
from sensorium.v1 import device_pb2 as pb
from sensorium.v1 import recording_pb2
from sensorium.wire._checks import (
    at_least,
    at_most,
    each,
    finite,
    inverse,
    label,
    member,
    name,
    numbers,
    part,
    text,
    unit,
    within,
)
from sensorium.wire._event import MODALITY, MODALITY_NUMBER

_PHASE_NUMBER = numbers("TOUCH_PHASE", TouchPhase, recording_pb2.TouchPhase)
_PHASE = inverse(_PHASE_NUMBER)
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_LAST: Final = 1 << 62
_FASTEST_HZ: Final = 100_000.0
_STATUS_CODES: Final = range(1, 17)

Data = Text | Touch | Pulse | Intervals | Conductance | Labelled


# --- what a device says ----------------------------------------------------------------


def connect_request_to_proto(request: Introduction | Sequence[Reading] | ClockAnswer) -> pb.ConnectRequest:
    """A device's message."""
    match request:
        case Introduction():
            return pb.ConnectRequest(introduction=_introduction_to_proto(request))
        case ClockAnswer(number, received_ns, answered_ns):
            answer = pb.ClockAnswer(number=number, received_ns=received_ns, answered_ns=answered_ns)
            return pb.ConnectRequest(answer=answer)
        case _:
            return pb.ConnectRequest(readings=pb.Readings(readings=map(reading_to_proto, request)))


def connect_request_from_proto(message: pb.ConnectRequest) -> Request:
    """What a device said; readings are each good or refused for themselves.

    Raises:
        FieldError: the message as a whole is not what the contract promises.
    """
    match message.WhichOneof("kind"):
        case "introduction":
            return part("introduction", message, _introduction_from_proto)
        case "readings":
            readings = message.readings.readings
            at_most(limits.READINGS_PER_MESSAGE, "readings", readings)
            return tuple(_reading_or_refusal(i, reading) for i, reading in enumerate(readings))
        case "answer":
            return part("answer", message, _answer_from_proto)
        case _:
            raise FieldError("kind", "missing: introduction, readings or answer")


def _introduction_to_proto(introduction: Introduction) -> pb.Introduction:
    sources = [
        pb.Source(
            name=source.name,
            modality=MODALITY_NUMBER[source.modality],
            period_ns=source.period_ns,
            resolution_ns=source.resolution_ns,
        )
        for source in introduction.sources
    ]
    return pb.Introduction(device_id=introduction.device_id, boot_id=introduction.boot_id, sources=sources)


def _introduction_from_proto(message: pb.Introduction) -> Introduction:
    at_most(limits.SOURCES_PER_DEVICE, "sources", message.sources)
    if not message.sources:
        raise FieldError("sources", "missing: at least one")
    sources = each("sources", message.sources, _source_from_proto)
    for i, source in enumerate(sources):
        if source.name in {other.name for other in sources[:i]}:
            raise FieldError(f"sources[{i}].name", f"{source.name} is already there: each at most once")
    return Introduction(_plain_name("device_id", message.device_id), name("boot_id", message.boot_id), sources)


def _source_from_proto(message: pb.Source) -> Source:
    return Source(
        name=_plain_name("name", message.name),
        modality=member("modality", message.modality, MODALITY),
        period_ns=at_least(0, "period_ns", message.period_ns),
        resolution_ns=at_least(0, "resolution_ns", message.resolution_ns),
    )


def _plain_name(field: str, value: str) -> str:
    """What may stand in the name of a stream."""
    if len(value) > limits.DEVICE_NAME_BYTES or not _NAME.fullmatch(value):
        raise FieldError(field, f'1 to {limits.DEVICE_NAME_BYTES} letters, digits, "-", "_" or "."')
    return value


def _answer_from_proto(message: pb.ClockAnswer) -> ClockAnswer:
    received_ns = at_least(0, "received_ns", message.received_ns)
    return ClockAnswer(message.number, received_ns, at_least(received_ns, "answered_ns", message.answered_ns))


# --- readings --------------------------------------------------------------------------


def reading_to_proto(reading: Reading) -> pb.Reading:
    """The reading's message."""
    message = pb.Reading(source=reading.source, sequence=reading.sequence, stamp_ns=reading.stamp_ns)
    match reading.data:
        case Text(line):
            message.line = line
        case Touch(pointer, phase, x, y, pressure):
            touch = recording_pb2.Touch(pointer=pointer, phase=_PHASE_NUMBER[phase], x=x, y=y, pressure=pressure)
            message.touch.CopyFrom(touch)
        case Labelled(found, score, quality, span_ns):
            labelled = recording_pb2.Labelled(label=found, score=score, quality=quality, span_ns=span_ns)
            message.labelled.CopyFrom(labelled)
        case _:
            message.series.CopyFrom(_series_to_proto(reading.data))
    return message


def _series_to_proto(data: Pulse | Intervals | Conductance) -> recording_pb2.Series:
    match data:
        case Pulse(values, rate_hz):
            kind = recording_pb2.SERIES_KIND_PULSE
        case Conductance(values, rate_hz):
            kind = recording_pb2.SERIES_KIND_CONDUCTANCE
        case Intervals(values):
            kind, rate_hz = recording_pb2.SERIES_KIND_INTERVALS, 0.0
    return recording_pb2.Series(kind=kind, values=values.tolist(), rate_hz=rate_hz)


def _reading_or_refusal(index: int, message: pb.Reading) -> Reading | ConnectRefusal:
    try:
        return _reading_from_proto(message)
    except FieldError as error:
        return ConnectRefusal.of(error.inside(f"readings[{index}]"))


def _reading_from_proto(message: pb.Reading) -> Reading:
    source = _plain_name("source", message.source)
    if message.sequence > _LAST:
        raise FieldError("sequence", f"at most 2^62, not {message.sequence}")
    stamp_ns = at_least(0, "stamp_ns", message.stamp_ns)
    if stamp_ns > _LAST:
        raise FieldError("stamp_ns", f"at most 2^62, not {stamp_ns}")
    return Reading(source, message.sequence, stamp_ns, _data_from_proto(message))


def _data_from_proto(message: pb.Reading) -> Data:
    match message.WhichOneof("data"):
        case "line":
            if not message.line.strip():
                raise FieldError("line", "missing: some words")
            return Text(text("line", message.line))
        case "touch":
            return within("touch", message.touch, _touch_from_proto)
        case "series":
            return within("series", message.series, _series_from_proto)
        case "labelled":
            return within("labelled", message.labelled, _labelled_from_proto)
        case _:
            raise FieldError("data", "missing: line, touch, series or labelled")


def _touch_from_proto(message: recording_pb2.Touch) -> Touch:
    phase = member("phase", message.phase, _PHASE)
    x, y = finite("x", message.x), finite("y", message.y)
    return Touch(message.pointer, phase, x, y, unit("pressure", message.pressure))


def _labelled_from_proto(message: recording_pb2.Labelled) -> Labelled:
    return Labelled(
        label=name("label", message.label),
        score=unit("score", message.score),
        quality=unit("quality", message.quality),
        span_ns=at_least(0, "span_ns", message.span_ns),
    )


def _series_from_proto(message: recording_pb2.Series) -> Pulse | Intervals | Conductance:
    at_most(limits.VALUES_PER_READING, "values", message.values)
    values = np.array(message.values, np.float32)
    if len(values) == 0:
        raise FieldError("values", "missing: at least one")
    if not np.isfinite(values).all():
        raise FieldError("values", "only finite numbers")
    if message.kind == recording_pb2.SERIES_KIND_INTERVALS:
        return Intervals(values)
    kinds: dict[int, Any] = {
        recording_pb2.SERIES_KIND_PULSE: Pulse,
        recording_pb2.SERIES_KIND_CONDUCTANCE: Conductance,
    }
    if message.kind not in kinds:
        raise FieldError("kind", f"pulse, intervals or conductance, not number {message.kind}")
    if not 0.0 < message.rate_hz <= _FASTEST_HZ:
        raise FieldError("rate_hz", f"above 0 and at most {_FASTEST_HZ:g}, not {message.rate_hz:g}")
    found: Pulse | Conductance = kinds[message.kind](values, message.rate_hz)
    return found


# --- what the agent says ---------------------------------------------------------------


def connect_response_to_proto(response: Response) -> pb.ConnectResponse:
    """An agent's message."""
    match response:
        case Acceptance(max_message_bytes, software):
            return pb.ConnectResponse(acceptance=pb.Acceptance(max_message_bytes=max_message_bytes, software=software))
        case ClockQuestion(number):
            return pb.ConnectResponse(question=pb.ClockQuestion(number=number))
        case Receipt(source, through):
            return pb.ConnectResponse(receipt=pb.Receipt(source=source, through=through))
        case ConnectRefusal(code, field, reason):
            return pb.ConnectResponse(refusal=pb.ConnectRefusal(code=code, field=field, reason=reason))


def connect_response_from_proto(message: pb.ConnectResponse) -> Response:
    """What an agent said.

    Raises:
        FieldError: a value is not what the contract promises.
    """
    match message.WhichOneof("kind"):
        case "acceptance":
            accepted = message.acceptance
            largest = at_least(1, "acceptance.max_message_bytes", accepted.max_message_bytes)
            return Acceptance(largest, label("acceptance.software", accepted.software))
        case "question":
            return ClockQuestion(message.question.number)
        case "receipt":
            return Receipt(_plain_name("receipt.source", message.receipt.source), message.receipt.through)
        case "refusal":
            return part("refusal", message, _refusal_from_proto)
        case _:
            raise FieldError("kind", "missing: acceptance, question, receipt or refusal")


def _refusal_from_proto(message: pb.ConnectRefusal) -> ConnectRefusal:
    if message.code not in _STATUS_CODES:
        raise FieldError("code", f"a gRPC status from 1 to 16, not {message.code}")
    return ConnectRefusal(message.code, text("field", message.field), text("reason", message.reason))
