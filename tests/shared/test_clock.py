"""Monotonic time inside, wall time with a bound."""

from __future__ import annotations

from pathlib import Path

from sensorium.clock import DeviceClock, ManualClock, WallOffset, boot_id, observe_wall, read_wall

S = 1_000_000_000


def test_the_bound_is_half_the_time_between_the_two_readings() -> None:
    offset = observe_wall(None, before_ns=100, wall_ns=1110, after_ns=120)

    assert (offset.offset_ns, offset.error_ns) == (1000, 10)
    assert offset.wall_ns(500) == 1500


def test_an_hour_forward_is_one_step_and_re_anchors() -> None:
    first = observe_wall(None, 0, 1000, 2)
    second = observe_wall(first, 10 * S, 3610 * S, 10 * S + 2)

    assert second.steps == 1
    assert second.offset_ns == 3600 * S - 1


def test_an_hour_backward_is_one_step() -> None:
    first = observe_wall(None, 0, 7200 * S, 2)

    assert observe_wall(first, 10 * S, 3610 * S, 10 * S + 2).steps == 1


def test_slewing_is_no_step() -> None:
    first = WallOffset(1000 * S, 100, 0)
    slewed = observe_wall(first, 10 * S, 1010 * S + 4_000_000, 10 * S + 2)

    assert slewed.steps == 0


def test_the_device_clock_never_runs_backwards_and_names_its_boot() -> None:
    clock = DeviceClock()
    readings = [clock.now_ns() for _ in range(100)]

    assert readings == sorted(readings)
    assert clock.boot_id == boot_id()


def test_a_machine_without_a_boot_id_is_an_unknown_boot() -> None:
    assert boot_id(Path("/nonexistent")) == "unknown"


def test_reading_the_wall_brackets_it_between_two_readings() -> None:
    assert read_wall(ManualClock(5)).error_ns == 0
