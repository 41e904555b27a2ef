"""Nothing leaves that its owner keeps, and nothing costs more than the link affords."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from shared.examples import a_symbol, a_window, an_event
from strategies import windows

from sensorium import wire
from sensorium.event import DType, Media, Modality, Tensor
from sensorium.symbol import Reason
from sensorium.window import Presence, Slot, Window
from sensorium_agent.offload import (
    DEFAULT_EGRESS,
    Ask,
    Budget,
    Cut,
    Egress,
    Policy,
    Route,
    bytes_by_modality,
    halved,
    redact,
    route,
    without,
)

SECOND = 1_000_000_000
LEVELS = st.dictionaries(st.sampled_from(Modality), st.sampled_from(Egress))


def a_window_of(modality: Modality, **what) -> Window:
    slot = Slot(modality, Presence.PRESENT, (an_event(modality, **what),), 0, 0)
    return replace(a_window(), slots=(slot,))


def egress(level: Egress) -> dict[Modality, Egress]:
    return dict.fromkeys(Modality, level)


# --- what may leave --------------------------------------------------------------------------


def test_biometrics_stay_home_unless_their_owner_says_otherwise() -> None:
    window = a_window_of(Modality.BIOMETRIC, metadata={"bpm": "72.4"})
    assert redact(window, DEFAULT_EGRESS).slots[0].events == ()
    assert redact(window, {Modality.BIOMETRIC: Egress.FEATURES}).slots[0].events[0].metadata == {"bpm": "72.4"}


def test_a_kept_sense_still_says_that_it_was_there() -> None:
    window = a_window_of(Modality.BIOMETRIC)
    shown = redact(window, DEFAULT_EGRESS)
    assert shown.slots[0] == replace(window.slots[0], events=())
    wire.window_from_proto(wire.window_to_proto(shown))


def test_labels_leave_without_anything_they_were_made_from() -> None:
    window = a_window_of(Modality.AUDIO, text="words", media=Media("audio/wav", b"x"), metadata={"who": "me"})
    (event,) = redact(window, egress(Egress.LABELS)).slots[0].events
    assert (event.label, event.score) == ("thumb_up", 0.9)
    assert (event.features, event.text, event.media, dict(event.metadata)) == (None, None, None, {})


def test_features_leave_without_media_and_words_with_them() -> None:
    window = a_window_of(Modality.AUDIO, text="words", media=Media("audio/wav", b"x"))
    (event,) = redact(window, egress(Egress.FEATURES)).slots[0].events
    assert event.features is not None
    assert (event.text, event.media) == ("words", None)


def test_a_modality_nobody_named_keeps_to_itself() -> None:
    assert redact(a_window_of(Modality.VIDEO), {}).slots[0].events == ()


@given(windows(), LEVELS)
def test_what_leaves_only_ever_shrinks_and_is_what_the_service_takes(
    window: Window, levels: dict[Modality, Egress]
) -> None:
    shown = redact(window, levels)
    assert redact(shown, levels) == shown
    assert wire.window_from_proto(wire.window_to_proto(shown)) == shown
    before, after = bytes_by_modality(window), bytes_by_modality(shown)
    assert all(after[m] <= before[m] for m in before)


@given(windows(), st.sampled_from(Egress), st.sampled_from(Egress))
def test_a_lower_level_lets_nothing_out_that_a_higher_one_keeps(window: Window, one: Egress, other: Egress) -> None:
    assume(other.allows(one))
    assert redact(redact(window, egress(other)), egress(one)) == redact(window, egress(one))


@given(arrays.arrays(np.float32, st.integers(1, 20), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_halved_features_keep_their_values_and_stay_finite(values: np.ndarray) -> None:
    half = halved(Tensor.of(values))
    assert half.dtype is DType.F16
    assert len(half.data) == 2 * values.size
    back = half.array()
    assert np.isfinite(back).all()
    largest = float(np.abs(values).max())
    tolerance = np.maximum(np.abs(values) * 2**-10, max(largest / 65504, 1.0) * 2**-23)
    assert (np.abs(back - values) <= tolerance).all()


def test_a_tensor_that_is_small_already_stays_as_it_is() -> None:
    for small in (Tensor.of([1, 2], DType.F16), Tensor.of([1, 2], DType.I8)):
        assert halved(small) is small


# --- what is worth asking --------------------------------------------------------------------


def test_nothing_present_stays_here() -> None:
    empty = replace(a_window(), slots=(Slot(Modality.AUDIO, Presence.ABSENT),))
    assert route(empty, a_symbol(), policy=Policy(Ask.ALWAYS)) is Route.LOCAL


def test_a_window_of_which_nothing_may_leave_stays_here() -> None:
    assert route(a_window_of(Modality.BIOMETRIC), a_symbol(), policy=Policy(Ask.ALWAYS)) is Route.LOCAL


@pytest.mark.parametrize(
    ("ask", "confidence", "expected"),
    [
        (Ask.ALWAYS, 1.0, Route.CLOUD),
        (Ask.NEVER, 0.0, Route.LOCAL),
        (Ask.UNSURE, 0.79, Route.CLOUD),
        (Ask.UNSURE, 0.8, Route.LOCAL),
    ],
)
def test_asks_as_the_policy_says(ask: Ask, confidence: float, expected: Route) -> None:
    symbol = replace(a_symbol(), confidence=confidence)
    assert route(a_window_of(Modality.GESTURE), symbol, policy=Policy(ask, floor=0.8)) is expected


def test_an_abstention_is_unsure_however_probable_its_best_hypothesis() -> None:
    symbol = replace(a_symbol(), confidence=1.0, concept=None, abstained=Reason.CONFLICT)
    assert route(a_window_of(Modality.GESTURE), symbol, policy=Policy(Ask.UNSURE)) is Route.CLOUD


@pytest.mark.parametrize(
    "window",
    [a_window_of(Modality.TEXT, text="hello"), a_window_of(Modality.VIDEO, media=Media("image/jpeg", b"x"))],
    ids=["words", "picture"],
)
def test_words_and_pictures_are_for_the_cloud_if_they_may_leave(window: Window) -> None:
    sure = replace(a_symbol(), confidence=1.0)
    assert route(window, sure, policy=Policy(Ask.UNSURE)) is Route.CLOUD
    assert route(window, sure, policy=Policy(Ask.UNSURE, egress=egress(Egress.LABELS))) is Route.LOCAL


@given(windows())
def test_asking_more_eagerly_never_sends_less(window: Window) -> None:
    answers = [route(window, a_symbol(), policy=Policy(ask)) for ask in (Ask.NEVER, Ask.UNSURE, Ask.ALWAYS)]
    assert answers == sorted(answers, key=list(Route).index)


# --- what the link can afford ----------------------------------------------------------------


def rich() -> Window:
    """40 kB of picture, 4 kB of features, a label."""
    features = Tensor.of(np.ones(1000, np.float32))
    return a_window_of(Modality.VIDEO, media=Media("image/jpeg", bytes(40_000)), features=features)


@given(windows())
def test_the_estimate_is_close_to_what_the_wire_takes(window: Window) -> None:
    real = {wire_slot.modality: wire_slot.ByteSize() for wire_slot in wire.window_to_proto(window).slots}
    for slot, size in zip(window.slots, real.values(), strict=True):
        estimate = bytes_by_modality(window)[slot.modality]
        assert abs(estimate - size) <= 0.05 * size + 24 + 48 * len(slot.events)


def test_spends_what_is_there_and_attributes_it() -> None:
    budget = Budget.of(1000, burst_bytes=100_000)
    window, left = budget.spend(rich(), 0)
    assert window == rich()
    assert left.cuts == {Cut.NOTHING: 1}
    assert left.sent[Modality.VIDEO] == bytes_by_modality(rich())[Modality.VIDEO]
    assert left.level_bytes < 100_000 - 44_000
    assert budget.level_bytes == 100_000, "a budget is a value"


@pytest.mark.parametrize(
    ("level", "cut"), [(60_000, Cut.NOTHING), (30_000, Cut.MEDIA), (2000, Cut.FEATURES), (50, Cut.ALL)]
)
def test_media_go_first_then_features_then_everything(level: int, cut: Cut) -> None:
    budget = replace(Budget.of(0, burst_bytes=100_000), level_bytes=level)
    window, left = budget.spend(rich(), 0)
    assert left.cuts == {cut: 1}
    assert window == (None if cut is Cut.ALL else without(rich(), cut))
    assert (left.level_bytes == level) == (cut is Cut.ALL)


def test_words_and_labels_survive_the_loss_of_features() -> None:
    lean = without(a_window_of(Modality.TEXT, text="hello"), Cut.FEATURES)
    (event,) = lean.slots[0].events
    assert (event.text, event.label, event.features) == ("hello", "thumb_up", None)


def test_refills_with_time_up_to_the_burst_and_never_backwards() -> None:
    empty = replace(Budget.of(1000, burst_bytes=5000), level_bytes=0.0, at_ns=SECOND)
    assert empty.refilled(3 * SECOND).level_bytes == 2000
    assert empty.refilled(60 * SECOND).level_bytes == 5000
    assert empty.refilled(0).level_bytes == 0
    assert empty.refilled(0).at_ns == SECOND


@given(
    st.lists(st.tuples(st.integers(-SECOND, 20 * SECOND), windows()), max_size=20),
    st.floats(1, 10_000),
    st.floats(1, 50_000),
)
def test_never_spends_more_than_burst_and_rate_allow(
    offers: list[tuple[int, Window]], rate: float, burst: float
) -> None:
    budget, now, latest = Budget.of(rate, burst_bytes=burst), 0, 0
    for step, window in offers:
        now += step
        latest = max(latest, now)
        sent, budget = budget.spend(window, now)
        assert 0 <= budget.level_bytes <= burst
        assert sent is None or wire.window_from_proto(wire.window_to_proto(sent)) == sent
    assert sum(budget.sent.values()) <= burst + rate * latest / SECOND + 1
    assert sum(budget.cuts.values()) == len(offers)
