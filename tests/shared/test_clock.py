"""Monotonic time inside, wall time with a bound."""

from __future__ import annotations

from pathlib import Path

from sensorium.align import Aligner
from sensorium.clock import (
    ClockChange,
    ClockWatch,
    DeviceClock,
    ManualClock,
    WallOffset,
    asleep_ns,
    boot_id,
    observe_wall,
    read_wall,
)
from sensorium.event import EventStream, Modality

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


# --- clocks that are set, machines that sleep ---------------------------------------------


def looked(watch: ClockWatch, at_ns: int, wall_ns: int, asleep: int = 0) -> ClockChange | None:
    return watch.look(observe_wall(watch.wall, at_ns, wall_ns, at_ns + 2), asleep)


def test_the_bound_of_a_wall_time_grows_with_the_age_of_the_reading() -> None:
    offset = WallOffset(0, 100, 10 * S)

    assert offset.error_at_ns(10 * S) == 100
    assert offset.error_at_ns(20 * S) == offset.error_at_ns(0) == 100 + 5_000_000


def test_ntp_that_comes_after_minutes_is_one_step_of_decades() -> None:
    watch, decades = ClockWatch(), 56 * 365 * 86_400 * S

    changes = [looked(watch, n * S, n * S + (decades if n >= 180 else 0)) for n in range(200)]

    assert [n for n, change in enumerate(changes) if change] == [180]
    assert changes[180] == ClockChange(180 * S + 1, stepped_ns=decades)


def test_a_clock_set_back_is_told_with_its_sign() -> None:
    watch = ClockWatch()
    looked(watch, 0, 7200 * S)

    assert looked(watch, S, 3601 * S) == ClockChange(S + 1, stepped_ns=-3600 * S)


def test_a_night_of_sleep_is_no_step() -> None:
    watch = ClockWatch()
    looked(watch, 0, 1000 * S)

    assert looked(watch, 28_800 * S, 29_800 * S, 28_799 * S) == ClockChange(28_800 * S + 1, suspended_ns=28_799 * S)
    assert looked(watch, 28_801 * S, 29_801 * S, 28_799 * S) is None


def test_a_set_wall_clock_moves_no_event_and_no_window() -> None:
    def windows(step_ns: int) -> list[object]:
        watch, aligner, found = ClockWatch(), Aligner("s", [Modality.TEXT]), []
        stream = EventStream("s", Modality.TEXT)
        aligner.start(0)
        for n in range(100):
            now_ns = n * S // 10
            looked(watch, now_ns, now_ns + (step_ns if n > 50 else 0))
            aligner.push(stream.event(now_ns, text=str(n)), now_ns)
            found += aligner.advance(now_ns)
        return found

    assert windows(3600 * S) == windows(-3600 * S) == windows(0)


def test_this_machine_says_how_long_it_slept() -> None:
    assert asleep_ns() >= -1_000_000
