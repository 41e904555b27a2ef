"""Events, tensors and windows are values, and cost nothing they don't need."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from shared.examples import a_window, an_event

from sensorium.errors import FieldError, SensoriumError
from sensorium.event import DType, Event, EventStream, Modality, Tensor, joined
from sensorium.window import Presence, Slot, Window

VALUES = st.lists(st.floats(-60_000, 60_000, width=16), min_size=1, max_size=40)


@pytest.mark.parametrize("module", ["event", "window", "align", "clock", "symbol", "delivery", "limits"])
def test_nouns_do_not_load_the_transport(module: str) -> None:
    program = f"import sys, sensorium.{module}; print(sorted({{'grpc', 'google.protobuf', 'cv2'}} & set(sys.modules)))"

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_the_order_of_the_senses_is_fixed() -> None:
    assert [str(m) for m in Modality] == ["video", "audio", "text", "gesture", "haptic", "biometric"]


# --- streams ---------------------------------------------------------------------------


def test_a_stream_numbers_its_events_from_0() -> None:
    stream = EventStream("kitchen", Modality.AUDIO)

    first, second = stream.event(5, label="speech", score=0.9), stream.event(7)

    assert first == Event(Modality.AUDIO, "audio_kitchen", 0, "kitchen", 5, label="speech", score=0.9)
    assert (second.sequence, second.at_ns, second.label) == (1, 7, None)


def test_a_source_tells_streams_of_one_sense_apart() -> None:
    assert EventStream("kitchen", Modality.VIDEO, "door").stream_id == "video_door_kitchen"


def test_events_are_values() -> None:
    assert an_event(metadata={"hand": "left"}) == an_event(metadata={"hand": "left"})
    assert an_event(metadata={}) == an_event()
    assert an_event(metadata={"hand": "left"}) != an_event()


# --- tensors ---------------------------------------------------------------------------


@given(VALUES, st.sampled_from([DType.F32, DType.F16]))
def test_floats_of_the_stored_width_come_back_exactly(values: list[float], dtype: DType) -> None:
    assert Tensor.of(values, dtype).array().tolist() == values


@given(VALUES)
def test_int8_is_off_by_at_most_half_a_step(values: list[float]) -> None:
    tensor = Tensor.of(values, DType.I8)

    worst = float(np.abs(tensor.array() - np.asarray(values, np.float32)).max())
    assert worst <= tensor.scale * 0.5 * (1 + 1e-4)


@given(st.lists(st.floats(-(2.0**-120), 2.0**-120, width=32), min_size=1, max_size=8))
@example([2.0**-149 * 150])
def test_int8_never_wraps_around_however_small_the_numbers(values: list[float]) -> None:
    packed, wanted = Tensor.of(values, DType.I8).array(), np.asarray(values, np.float32)

    assert (np.sign(packed) * np.sign(wanted) >= 0).all()


def test_zeros_pack_as_int8() -> None:
    assert Tensor.of([0.0, 0.0], DType.I8) == Tensor(b"\0\0", (2,), DType.I8, 1.0)


@pytest.mark.parametrize(("dtype", "item_bytes"), [(DType.F32, 4), (DType.F16, 2), (DType.I8, 1)])
def test_a_tensor_knows_its_size_and_keeps_its_shape(dtype: DType, item_bytes: int) -> None:
    tensor = Tensor.of(np.ones((2, 3)), dtype)

    assert tensor.item_bytes == item_bytes
    assert len(tensor.data) == 6 * item_bytes
    assert tensor.array().shape == (2, 3)
    assert tensor.array().dtype == np.float32
    assert math.isclose(float(tensor.array().sum()), 6.0, rel_tol=1e-6)


# --- windows ---------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.lists(st.floats(-100, 100, width=16), min_size=3, max_size=3), st.sampled_from(DType)),
        min_size=1,
        max_size=5,
    )
)
def test_many_tensors_unpack_to_what_each_does(packed: list[tuple[list[float], DType]]) -> None:
    tensors = [Tensor.of(values, dtype) for values, dtype in packed]

    assert np.array_equal(joined(tensors), np.concatenate([tensor.array() for tensor in tensors]))


def test_of_no_tensor_there_are_no_numbers() -> None:
    assert joined([]).shape == (0,)


def test_a_window_finds_its_slots() -> None:
    window = a_window()

    assert window.slot(Modality.TEXT).presence is Presence.LATE
    assert window.slot(Modality.VIDEO) == Slot(Modality.VIDEO, Presence.ABSENT)


def test_only_present_and_late_are_here() -> None:
    assert {p for p in Presence if Slot(Modality.TEXT, p).here} == {Presence.PRESENT, Presence.LATE}


def test_a_window_of_stale_and_absent_slots_is_empty() -> None:
    stale = Slot(Modality.AUDIO, Presence.STALE, (an_event(Modality.AUDIO),), 5)

    assert not a_window().empty
    assert Window("s.0", "s", 0, 0, 0, 1, 1, (stale, Slot(Modality.TEXT, Presence.ABSENT))).empty


# --- errors ----------------------------------------------------------------------------


def test_a_field_error_reads_as_path_and_reason() -> None:
    error = FieldError("score", "from 0 to 1, not 2").inside("events[1]").inside("slots[0]")

    assert str(error) == "slots[0].events[1].score: from 0 to 1, not 2"
    assert isinstance(error, SensoriumError)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(("field", "path"), [("[3]", "events[3]"), ("", "events"), ("a", "events.a")])
def test_paths_join_as_they_are_written(field: str, path: str) -> None:
    assert FieldError(field, "wrong").inside("events").field == path
