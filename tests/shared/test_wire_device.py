"""What devices and the agent say crosses the wire whole, and what is wrong is named."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium.device import (
    Acceptance,
    ClockAnswer,
    ClockQuestion,
    ConnectRefusal,
    Introduction,
    Reading,
    Receipt,
    Source,
)
from sensorium.errors import FieldError
from sensorium.event import Conductance, Intervals, Labelled, Modality, Pulse, Text, Touch, TouchPhase
from sensorium.v1 import device_pb2 as pb
from sensorium.v1 import recording_pb2
from sensorium.wire import (
    connect_request_from_proto,
    connect_request_to_proto,
    connect_response_from_proto,
    connect_response_to_proto,
)

INTRODUCTION = Introduction("phone", "boot", (Source("keys", Modality.TEXT), Source("pad", Modality.HAPTIC, 10, 1)))


def test_an_introduction_and_an_answer_come_back_the_same() -> None:
    for said in (INTRODUCTION, ClockAnswer(7, 100, 120)):
        assert connect_request_from_proto(connect_request_to_proto(said)) == said


@pytest.mark.parametrize(
    "data", [Text("hello"), Touch(1, TouchPhase.DOWN, 0.5, 0.25, 0.75), Labelled("nod", 0.9, 0.5, 20)]
)
def test_a_reading_comes_back_the_same(data: Text | Touch | Labelled) -> None:
    reading = Reading("pad", 3, 1234, data)

    assert connect_request_from_proto(connect_request_to_proto([reading])) == (reading,)


@pytest.mark.parametrize("kind", [Pulse, Conductance])
def test_a_run_of_values_comes_back_the_same(kind: type[Pulse | Conductance]) -> None:
    (back,) = connect_request_from_proto(
        connect_request_to_proto([Reading("heart", 0, 5, kind(np.array([1.0, 2.5], np.float32), 25.0))])
    )

    assert isinstance(back, Reading)
    assert isinstance(back.data, kind)
    assert (back.data.values.tolist(), back.data.rate_hz) == ([1.0, 2.5], 25.0)


def test_beat_intervals_come_back_the_same() -> None:
    intervals = Intervals(np.array([800.0, 812.0], np.float32))
    (back,) = connect_request_from_proto(connect_request_to_proto([Reading("heart", 0, 5, intervals)]))

    assert isinstance(back, Reading)
    assert isinstance(back.data, Intervals)
    assert back.data.ms.tolist() == [800.0, 812.0]


@pytest.mark.parametrize(
    "said", [Acceptance(1000, "agent 1"), ClockQuestion(4), Receipt("pad", 9), ConnectRefusal(3, "a.b", "no")]
)
def test_what_the_agent_says_comes_back_the_same(said: Acceptance | ClockQuestion | Receipt | ConnectRefusal) -> None:
    assert connect_response_from_proto(connect_response_to_proto(said)) == said


def reading(**fields: object) -> pb.Reading:
    return pb.Reading(**{"source": "pad", "sequence": 0, "stamp_ns": 1, "line": "x"} | fields)


TOUCH = {"pointer": 0, "phase": recording_pb2.TOUCH_PHASE_DOWN, "x": 0.5, "y": 0.5, "pressure": 1.0}
PULSE = {"kind": recording_pb2.SERIES_KIND_PULSE, "values": [1.0], "rate_hz": 25.0}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (reading(source="a/b"), "source"),
        (reading(source=""), "source"),
        (reading(sequence=(1 << 62) + 1), "sequence"),
        (reading(stamp_ns=-1), "stamp_ns"),
        (reading(stamp_ns=(1 << 62) + 1), "stamp_ns"),
        (reading(line=" "), "line"),
        (reading(line="x" * 5000), "line"),
        (pb.Reading(source="pad"), "data"),
        (reading(touch=recording_pb2.Touch(**TOUCH | {"x": float("nan")})), "touch.x"),
        (reading(touch=recording_pb2.Touch(**TOUCH | {"phase": 9})), "touch.phase"),
        (reading(touch=recording_pb2.Touch(**TOUCH | {"pressure": 2.0})), "touch.pressure"),
        (reading(series=recording_pb2.Series(**PULSE | {"values": []})), "series.values"),
        (reading(series=recording_pb2.Series(**PULSE | {"values": [float("inf")]})), "series.values"),
        (reading(series=recording_pb2.Series(**PULSE | {"values": [1.0] * 5000})), "series.values"),
        (reading(series=recording_pb2.Series(**PULSE | {"rate_hz": 0.0})), "series.rate_hz"),
        (reading(series=recording_pb2.Series(**PULSE | {"kind": 0})), "series.kind"),
        (reading(labelled=recording_pb2.Labelled(label="")), "labelled.label"),
        (reading(labelled=recording_pb2.Labelled(label="nod", score=1.5)), "labelled.score"),
        (reading(labelled=recording_pb2.Labelled(label="nod", quality=-1)), "labelled.quality"),
        (reading(labelled=recording_pb2.Labelled(label="nod", span_ns=-1)), "labelled.span_ns"),
    ],
)
def test_a_wrong_reading_refuses_itself_alone(wrong: pb.Reading, field: str) -> None:
    message = pb.ConnectRequest(readings=pb.Readings(readings=[reading(), wrong, reading(sequence=2)]))

    first, refused, last = connect_request_from_proto(message)

    assert isinstance(first, Reading)
    assert isinstance(last, Reading)
    assert refused == ConnectRefusal(3, f"readings[1].{field}", refused.reason)


def introduced(**fields: object) -> pb.ConnectRequest:
    source = pb.Source(name="pad", modality=5)
    return pb.ConnectRequest(
        introduction=pb.Introduction(**{"device_id": "d", "boot_id": "b", "sources": [source]} | fields)
    )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (pb.ConnectRequest(), "kind"),
        (introduced(device_id="a b"), "introduction.device_id"),
        (introduced(device_id="x" * 61), "introduction.device_id"),
        (introduced(boot_id=""), "introduction.boot_id"),
        (introduced(sources=[]), "introduction.sources"),
        (introduced(sources=[pb.Source(name=f"s{n}", modality=5) for n in range(17)]), "introduction.sources"),
        (introduced(sources=[pb.Source(name="a", modality=5)] * 2), "introduction.sources[1].name"),
        (introduced(sources=[pb.Source(name="a")]), "introduction.sources[0].modality"),
        (introduced(sources=[pb.Source(name="a", modality=5, period_ns=-1)]), "introduction.sources[0].period_ns"),
        (
            introduced(sources=[pb.Source(name="a", modality=5, resolution_ns=-1)]),
            "introduction.sources[0].resolution_ns",
        ),
        (pb.ConnectRequest(readings=pb.Readings(readings=[reading()] * 257)), "readings"),
        (pb.ConnectRequest(answer=pb.ClockAnswer(received_ns=5, answered_ns=4)), "answer.answered_ns"),
        (pb.ConnectRequest(answer=pb.ClockAnswer(received_ns=-5)), "answer.received_ns"),
    ],
)
def test_a_wrong_message_is_refused_by_name(wrong: pb.ConnectRequest, field: str) -> None:
    with pytest.raises(FieldError) as refused:
        connect_request_from_proto(wrong)

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (pb.ConnectResponse(), "kind"),
        (pb.ConnectResponse(acceptance=pb.Acceptance()), "acceptance.max_message_bytes"),
        (pb.ConnectResponse(refusal=pb.ConnectRefusal(code=0)), "refusal.code"),
        (pb.ConnectResponse(receipt=pb.Receipt(source="")), "receipt.source"),
    ],
)
def test_what_an_agent_would_not_say_is_refused(wrong: pb.ConnectResponse, field: str) -> None:
    with pytest.raises(FieldError) as refused:
        connect_response_from_proto(wrong)

    assert refused.value.field == field
