"""Whatever the contract does not promise is refused, by the path of the field and what would be right."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from shared.examples import a_symbol, a_window, an_event

from sensorium import delivery, limits, wire
from sensorium.delivery import Ack, Hello, Refusal, SequencedSymbol, SequencedWindow, Welcome
from sensorium.errors import FieldError
from sensorium.event import DType, Media, Tensor
from sensorium.symbol import Entropy
from sensorium.v1 import event_pb2

Spoil = Callable[[Any], object]
TOO_LONG = "x" * (limits.NAME_BYTES + 1)
NAN, INF = math.nan, math.inf


def f16(*values: float) -> bytes:
    return np.array(values, "<f2").tobytes()


def f32(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def setting(**values: Any) -> Spoil:
    """Give fields these values; dots in a path are double underscores, digits index."""

    def spoil(message: Any) -> None:
        for path, value in values.items():
            *parents, last = path.split("__")
            holder = message
            for parent in parents:
                holder = holder[int(parent)] if parent.isdigit() else getattr(holder, parent)
            setattr(holder, last, value)

    return spoil


def tensor_of(**fields: Any) -> Spoil:
    return lambda message: message.features.CopyFrom(event_pb2.Tensor(**fields))


def repeated(field: str, times: int) -> Spoil:
    """Make a repeated field ``times`` long with copies of its first entry."""

    def spoil(message: Any) -> None:
        entries = getattr(message, field)
        entries.extend([entries[0]] * (times - len(entries)))

    return spoil


EVENT_REFUSALS: list[tuple[str, str, Spoil]] = [
    ("modality", "one of video, audio", setting(modality=0)),
    ("modality", "not number 7", setting(modality=7)),
    ("stream_id", "missing", setting(stream_id="")),
    ("stream_id", "at most 200 bytes, not 201", setting(stream_id=TOO_LONG)),
    ("stream_id", "at most 200 bytes, not 202", setting(stream_id="é" * 101)),
    ("session_id", "missing", setting(session_id="")),
    ("session_id", "at most 200 bytes", setting(session_id=TOO_LONG)),
    ("at_error_ns", "at least 0, not -1", setting(at_error_ns=-1)),
    ("span_ns", "at least 0, not -5", setting(span_ns=-5)),
    ("label", "at most 200 bytes", setting(label=TOO_LONG)),
    ("score", "from 0 to 1, not nan", setting(score=NAN)),
    ("score", "from 0 to 1, not 1.5", setting(score=1.5)),
    ("score", "from 0 to 1, not -0.1", setting(score=-0.1)),
    ("quality", "from 0 to 1, not inf", setting(quality=INF)),
    ("text", "at most 4096 bytes", setting(text="x" * 4097)),
    ("media.data", "at most 1048576 bytes", setting(media__data=bytes((1 << 20) + 1), media__content_type="image/png")),
    ("media.content_type", "missing", setting(media__data=b"x")),
    ("metadata", "at most 32 entries, not 33", lambda m: m.metadata.update({str(i): "" for i in range(33)})),
    ("metadata", "at most 200 bytes", lambda m: m.metadata.update({TOO_LONG: ""})),
    ('metadata["note"]', "at most 4096 bytes", lambda m: m.metadata.update({"note": "x" * 4097})),
    ("features.dtype", "one of f32, f16, i8", setting(features__dtype=0)),
    ("features.dtype", "not number 4", setting(features__dtype=4)),
    ("features.data", "6 bytes for f16 [3], not 5", setting(features__data=b"12345")),
    ("features.data", "0 bytes for f16 [0], not 6", lambda m: m.features.shape.__setitem__(0, 0)),
    ("features.shape", "one dimension, not []", tensor_of(data=f16(1), dtype=2, scale=1)),
    ("features.shape", "one dimension, not [1, 2]", tensor_of(data=f16(1, 2), shape=[1, 2], dtype=2, scale=1)),
    ("features.shape", "at most 4 dimensions, not 5", tensor_of(data=f16(1), shape=[1] * 5, dtype=2, scale=1)),
    ("features.shape", "at most 65536 numbers, not 65537", tensor_of(data=b"", shape=[65537], dtype=3, scale=1)),
    ("features.scale", "above 0", setting(features__scale=0.0)),
    ("features.scale", "above 0", setting(features__scale=-1.0)),
    ("features.scale", "not nan", setting(features__scale=NAN)),
    ("features.scale", "not inf", setting(features__scale=INF)),
    ("features.scale", "not 1e+39", setting(features__scale=1e39)),
    ("features.data", "only numbers that are finite", setting(features__data=f16(1, NAN, 2))),
    ("features.data", "only numbers that are finite", setting(features__data=f16(1, 2, -INF))),
    ("features.data", "only numbers that are finite", tensor_of(data=f32(NAN), shape=[1], dtype=1, scale=1)),
    ("features.data", "only numbers that are finite", tensor_of(data=f32(1e38), shape=[1], dtype=1, scale=10)),
    ("features.data", "only numbers that are finite", tensor_of(data=f32(0, INF), shape=[2], dtype=1, scale=2)),
    ("features.data", "only numbers that are finite", tensor_of(data=b"\x7f", shape=[1], dtype=3, scale=3e38)),
]

WINDOW_REFUSALS: list[tuple[str, str, Spoil]] = [
    ("session_id", "missing", setting(session_id="")),
    ("session_id", "at most 200 bytes", setting(session_id=TOO_LONG)),
    ("id", "missing", setting(id="")),
    ("id", "at most 200 bytes", setting(id=TOO_LONG)),
    ("id", "session_id and index (8) joined by a dot", setting(index=8)),
    ("id", "joined by a dot", setting(id="another.7")),
    ("end_ns", "after start_ns=0, not 0", setting(end_ns=0)),
    ("end_ns", "after start_ns=0, not -1", setting(end_ns=-1)),
    ("slots[3].modality", "one of", setting(slots__3__modality=0)),
    ("slots[3].modality", "gesture is already there", setting(slots__3__modality=4)),
    ("slots[4].modality", "is already there", repeated("slots", 100_000)),
    ("slots[3].presence", "one of present, late, stale, absent", setting(slots__3__presence=0)),
    ("slots[2].age_ns", "at least 0", setting(slots__2__age_ns=-1)),
    ("slots[2].offset_ns", "at least 0", setting(slots__2__offset_ns=-1)),
    ("slots[3].age_ns", "unset if absent, not 5", setting(slots__3__age_ns=5)),
    ("slots[3].offset_ns", "unset if absent, not 5", setting(slots__3__offset_ns=5)),
    ("slots[0].offset_ns", "unset if stale, not 5", setting(slots__0__offset_ns=5)),
    ("slots[2].events", "none if absent, not 2", setting(slots__2__presence=4)),
    ("slots[2].events", "at most 256 entries, not 257", lambda m: repeated("events", 257)(m.slots[2])),
    ("slots[2].events[1].modality", "gesture as its slot, not video", setting(slots__2__events__1__modality=1)),
    ("slots[2].events[1].session_id", "that of the window", setting(slots__2__events__1__session_id="bath")),
    ("slots[2].events[1].score", "from 0 to 1", setting(slots__2__events__1__score=2.0)),
    ("slots[2].events[0].features.scale", "above 0", setting(slots__2__events__0__features__scale=0.0)),
]

SYMBOL_REFUSALS: list[tuple[str, str, Spoil]] = [
    ("session_id", "missing", setting(session_id="")),
    ("id", "missing", setting(id="")),
    ("id", "joined by a dot", setting(id="another.7")),
    ("revision", "one of edge, cloud", setting(revision=0)),
    ("revision", "not number 3", setting(revision=3)),
    ("end_ns", "after start_ns=0", setting(end_ns=0)),
    ("concept", "missing", setting(concept="")),
    ("concept", "at most 200 bytes", setting(concept=TOO_LONG)),
    ("content", "at most 4096 bytes", setting(content="x" * 4097)),
    ("abstained", "unspecified where a concept is named", setting(abstained=1)),
    ("abstained", "one of nothing, unknown, unsure, conflict", lambda m: m.ClearField("concept")),
    ("abstained", "not number 5", lambda m: (m.ClearField("concept"), setting(abstained=5)(m))),
    ("confidence", "from 0 to 1", setting(confidence=NAN)),
    ("alternatives", "at most 256 entries, not 257", repeated("alternatives", 257)),
    ("alternatives[1].concept", "missing", setting(alternatives__1__concept="")),
    ("alternatives[1].probability", "from 0 to 1", setting(alternatives__1__probability=1.01)),
    ("domains", "at most 64 entries, not 65", repeated("domains", 65)),
    ("domains[1]", "at most 200 bytes", lambda m: m.domains.__setitem__(1, TOO_LONG)),
    ("shares[1].modality", "one of", setting(shares__1__modality=0)),
    ("shares[1].modality", "text is already there", setting(shares__1__modality=3)),
    ("shares[0].presence", "one of", setting(shares__0__presence=9)),
    ("shares[1].label", "at most 200 bytes", setting(shares__1__label=TOO_LONG)),
    ("shares[1].reliability", "from 0 to 1", setting(shares__1__reliability=-1.0)),
    ("shares[1].weight", "from 0 to 1", setting(shares__1__weight=NAN)),
    ("shares[1].contribution", "a finite number, not -inf", setting(shares__1__contribution=-INF)),
    ("shares[1].attention", "from 0 to 1", setting(shares__1__attention=7.0)),
    ("shares[1].offset_ns", "at least 0", setting(shares__1__offset_ns=-1)),
    ("shares[1].age_ns", "at least 0", setting(shares__1__age_ns=-1)),
    ("entropy", "missing", lambda m: m.ClearField("entropy")),
    *(
        (f"entropy.{f.name}", "a finite number, not nan", setting(**{f"entropy__{f.name}": NAN}))
        for f in dataclasses.fields(Entropy)
    ),
    ("latency", "at most 64 entries, not 65", repeated("latency", 65)),
    ("latency[0].name", "missing", setting(latency__0__name="")),
    ("latency[0].ms", "a finite number", setting(latency__0__ms=INF)),
    ("latency[0].ms", "at least 0, not -1", setting(latency__0__ms=-1.0)),
    ("timeline", "at most 1536 entries, not 1537", repeated("timeline", 1537)),
    ("timeline[0].modality", "one of", setting(timeline__0__modality=0)),
    ("timeline[0].label", "at most 200 bytes", setting(timeline__0__label=TOO_LONG)),
    ("timeline[0].score", "from 0 to 1", setting(timeline__0__score=NAN)),
    ("timeline[0].span_ns", "at least 0", setting(timeline__0__span_ns=-1)),
    ("timeline[0].text", "at most 4096 bytes", setting(timeline__0__text="x" * 4097)),
    ("provenance", "missing", lambda m: m.ClearField("provenance")),
    ("provenance.processed_on", "at most 200 bytes", setting(provenance__processed_on=TOO_LONG)),
    ("provenance.software", "at most 200 bytes", setting(provenance__software=TOO_LONG)),
    ("provenance.models", "at most 64 entries, not 65", lambda m: repeated("models", 65)(m.provenance)),
    ("provenance.models[0].name", "missing", setting(provenance__models__0__name="")),
    ("provenance.models[0].sha256", "64 hex digits", setting(provenance__models__0__sha256="AB" * 32)),
]


def refusal_of(message: Message, from_proto: Callable[[Any], object]) -> FieldError:
    with pytest.raises(FieldError) as caught:
        from_proto(message)
    return caught.value


@pytest.mark.parametrize(("field", "reason", "spoil"), EVENT_REFUSALS)
def test_refuses_an_event(field: str, reason: str, spoil: Spoil) -> None:
    message = wire.event_to_proto(an_event())
    spoil(message)

    error = refusal_of(message, wire.event_from_proto)

    assert error.field == field
    assert reason in error.reason


@pytest.mark.parametrize(("field", "reason", "spoil"), WINDOW_REFUSALS)
def test_refuses_a_window(field: str, reason: str, spoil: Spoil) -> None:
    message = wire.window_to_proto(a_window())
    spoil(message)

    error = refusal_of(message, wire.window_from_proto)

    assert error.field == field
    assert reason in error.reason


@pytest.mark.parametrize(("field", "reason", "spoil"), SYMBOL_REFUSALS)
def test_refuses_a_symbol(field: str, reason: str, spoil: Spoil) -> None:
    message = wire.symbol_to_proto(a_symbol())
    spoil(message)

    error = refusal_of(message, wire.symbol_from_proto)

    assert error.field == field
    assert reason in error.reason


REQUEST_REFUSALS: list[tuple[str, str, Spoil]] = [
    ("kind", "hello or windows", lambda m: m.ClearField("hello")),
    ("hello.device_id", "missing", setting(hello__device_id="")),
    ("hello.spool_id", "missing", setting(hello__spool_id="")),
    ("hello.boot_id", "at most 200 bytes", setting(hello__boot_id=TOO_LONG)),
    ("hello.wall_error_ns", "at least 0", setting(hello__wall_error_ns=-1)),
    ("hello.software", "at most 200 bytes", setting(hello__software=TOO_LONG)),
    ("windows", "at most 256 entries, not 257", lambda m: [m.windows.windows.add() for _ in range(257)]),
]


@pytest.mark.parametrize(("field", "reason", "spoil"), REQUEST_REFUSALS)
def test_refuses_a_whole_request(field: str, reason: str, spoil: Spoil) -> None:
    message = wire.request_to_proto(Hello("pi", "spool-1"))
    spoil(message)

    error = refusal_of(message, wire.request_from_proto)

    assert error.field == field
    assert reason in error.reason


RESPONSE_REFUSALS: list[tuple[delivery.Response, str, str, Spoil]] = [
    (Ack(1), "kind", "welcome, ack, symbol or refusal", lambda m: m.ClearField("ack")),
    (Welcome(0, 64, 1 << 20), "welcome.max_in_flight", "at least 1", setting(welcome__max_in_flight=0)),
    (Welcome(0, 64, 1 << 20), "welcome.max_message_bytes", "at least 1", setting(welcome__max_message_bytes=0)),
    (Welcome(0, 64, 1 << 20), "welcome.software", "at most 200 bytes", setting(welcome__software=TOO_LONG)),
    (SequencedSymbol(1, a_symbol()), "symbol.sequence", "at least 1", setting(symbol__sequence=0)),
    (SequencedSymbol(1, a_symbol()), "symbol.symbol", "missing", lambda m: m.symbol.ClearField("symbol")),
    (SequencedSymbol(1, a_symbol()), "symbol.symbol.confidence", "0 to 1", setting(symbol__symbol__confidence=2.0)),
    (Refusal(1, 3), "refusal.code", "a gRPC status from 1 to 16, not 0", setting(refusal__code=0)),
    (Refusal(1, 3), "refusal.code", "not 17", setting(refusal__code=17)),
    (Refusal(1, 3), "refusal.field", "at most 4096 bytes", setting(refusal__field="x" * 4097)),
    (Refusal(1, 3), "refusal.reason", "at most 4096 bytes", setting(refusal__reason="x" * 4097)),
]


@pytest.mark.parametrize(("response", "field", "reason", "spoil"), RESPONSE_REFUSALS)
def test_refuses_a_response(response: delivery.Response, field: str, reason: str, spoil: Spoil) -> None:
    message = wire.response_to_proto(response)
    spoil(message)

    error = refusal_of(message, wire.response_from_proto)

    assert error.field == field
    assert reason in error.reason


def test_one_bad_window_is_refused_alone() -> None:
    message = wire.request_to_proto([SequencedWindow(n, a_window()) for n in (4, 5, 6)])
    message.windows.windows[1].window.slots[2].events[1].score = NAN

    first, refused, last = wire.request_from_proto(message)

    assert (first, last) == (SequencedWindow(4, a_window()), SequencedWindow(6, a_window()))
    assert refused == Refusal(
        5, delivery.INVALID_ARGUMENT, "windows[1].window.slots[2].events[1].score", "from 0 to 1, not nan"
    )
    assert refused.final


def test_a_window_without_a_sequence_or_without_itself_is_refused() -> None:
    message = wire.request_to_proto([SequencedWindow(1, a_window()), SequencedWindow(2, a_window())])
    message.windows.windows[0].sequence = 0
    message.windows.windows[1].ClearField("window")

    unnumbered, empty = wire.request_from_proto(message)

    assert unnumbered == Refusal(0, 3, "windows[0].sequence", "at least 1, not 0")
    assert empty == Refusal(2, 3, "windows[1].window", "missing")


def test_not_now_is_not_final() -> None:
    assert not Refusal(1, delivery.RESOURCE_EXHAUSTED, retry_after_ms=200).final


def test_a_batch_names_the_first_window_that_is_wrong() -> None:
    message = wire.batch_to_proto([a_window(), a_window()])
    message.windows[1].end_ns = 0

    assert refusal_of(message, wire.batch_from_proto).field == "windows[1].end_ns"


def test_a_batch_is_bounded() -> None:
    message = wire.batch_to_proto([a_window()])
    repeated("windows", 257)(message)

    assert refusal_of(message, wire.batch_from_proto).field == "windows"


def test_a_broken_symbol_of_a_batch_is_named() -> None:
    message = wire.symbols_to_proto([a_symbol()])
    message.symbols[0].ClearField("entropy")

    assert refusal_of(message, wire.symbols_from_proto).field == "symbols[0].entropy"


def test_limits_are_inclusive() -> None:
    most = an_event(
        label="x" * limits.NAME_BYTES,
        text="é" * (limits.TEXT_BYTES // 2),
        media=Media("image/jpeg", bytes(limits.MEDIA_BYTES)),
        features=Tensor(bytes(limits.TENSOR_NUMBERS), (limits.TENSOR_NUMBERS,), DType.I8),
        metadata={str(i): "x" * limits.TEXT_BYTES for i in range(limits.METADATA_ENTRIES)},
    )

    assert wire.event_from_proto(wire.event_to_proto(most)) == most


def test_a_number_is_taken_if_it_is_finite_and_only_then() -> None:
    def taken(data: bytes, dtype: DType) -> bool:
        message = wire.tensor_to_proto(Tensor(data, (len(data) // 2 if dtype is DType.F16 else len(data) // 4,), dtype))
        try:
            return wire.tensor_from_proto(message).data == data
        except FieldError:
            return False

    halves = np.arange(1 << 16, dtype="<u2").view("<f2")
    assert [taken(half.tobytes(), DType.F16) for half in halves] == np.isfinite(halves).tolist()
    for single in (3.4e38, -3.4e38, 1.7e38, 0.0, -0.0, 1e-45, INF, -INF, NAN, -NAN):
        assert taken(f32(1.0, single, 2.0), DType.F32) is math.isfinite(single)


def test_a_huge_shape_is_refused_without_the_memory() -> None:
    message = event_pb2.Tensor(data=b"", shape=[2**32 - 1] * 4, dtype=event_pb2.D_TYPE_F32, scale=1)

    assert refusal_of(message, wire.tensor_from_proto).field == "shape"
