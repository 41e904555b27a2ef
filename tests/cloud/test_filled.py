"""The filled slots of many windows, side by side, say what each window says by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cloud.doubles import MS, a_window, an_event
from hypothesis import given
from hypothesis import strategies as st

from sensorium import assemble
from sensorium.event import Modality
from sensorium.window import Presence, Slot, Window
from sensorium_cloud.fuse.filled import PLACE, Filled, units

HALF_LIFE_NS = 2_000_000_000
G, H = Modality.GESTURE, Modality.HAPTIC


def test_each_slot_keeps_its_window_and_its_sense() -> None:
    windows = [a_window(0, an_event(at_ns=MS), an_event("tap", modality=H, at_ns=2 * MS)), a_window(1)]

    filled = Filled.of(windows)

    assert [(r, p) for r, p in zip(filled.rows, filled.places, strict=True)] == [
        (0, PLACE[G]),
        (0, PLACE[H]),
        (1, PLACE[G]),
    ]
    assert filled.present == [(G, H), (G,)]
    assert filled.here.sum() == 3


def test_who_is_stale_is_not_here_and_who_keeps_its_events_at_home_is_present() -> None:
    stale, private = Slot(G, Presence.STALE, (an_event(),), age_ns=MS), Slot(H, Presence.PRESENT, (), MS, 0)
    window = Window("kitchen.3", "kitchen", 3, 0, 1500 * MS, 2000 * MS, 2000 * MS, (stale, private))

    filled = Filled.of([window])

    assert filled.present == [(H,)]
    assert not filled.here.any()
    assert filled.slots == [stale]


def test_of_no_window_there_is_nothing() -> None:
    reliability, trust = Filled.of([]).trusts(HALF_LIFE_NS)

    assert reliability.shape == trust.shape == (0,)


EVENTS = st.builds(
    lambda quality, at_ns: an_event(quality=quality, at_ns=at_ns),
    st.floats() | st.floats(0, 1),
    st.integers(0, 1 << 40) | st.sampled_from([-(1 << 63), (1 << 63) - 1]),
)


@given(st.lists(st.lists(EVENTS, min_size=1, max_size=4), max_size=4))
def test_trust_of_many_is_that_of_each(slots: list[list[object]]) -> None:
    end_ns = (1 << 63) - 1
    windows = [
        Window(f"s.{n}", "s", n, 0, 0, end_ns, end_ns, (Slot(G, Presence.PRESENT, tuple(events)),))  # type: ignore[arg-type]
        for n, events in enumerate(slots)
    ]

    reliability, trust = Filled.of(windows).trusts(HALF_LIFE_NS)

    own = [assemble.trust(window.slots[0].events, end_ns, HALF_LIFE_NS) for window in windows]
    assert list(zip(reliability, trust, strict=True)) == [pytest.approx(each, abs=1e-12) for each in own]


@given(st.lists(st.floats()))
def test_what_is_no_part_of_1_becomes_one(values: list[float]) -> None:
    assert units(values).tolist() == [assemble.unit(value) for value in values]
    assert not np.isnan(units([math.nan])).any()
