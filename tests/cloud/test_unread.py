from __future__ import annotations

import pytest

from sensorium_cloud.batch import Overloaded
from sensorium_cloud.unread import Behind, Unread

S = 1_000_000_000
MS = 1_000_000
AHEAD = 1_234 * S
"""How far the device's clock is ahead of ours."""


def test_the_first_message_is_taken_for_one_that_was_read_at_once() -> None:
    assert Unread().lay_ns(AHEAD, 5 * MS) == 0


def test_what_is_longer_under_way_than_the_quickest_lay_unread() -> None:
    unread = Unread()
    unread.lay_ns(AHEAD, 5 * MS)
    assert unread.lay_ns(AHEAD + 100 * MS, 405 * MS) == pytest.approx(300 * MS, abs=MS)


def test_a_quicker_message_shows_that_those_before_it_had_waited() -> None:
    unread = Unread()
    unread.lay_ns(AHEAD, 205 * MS)
    assert unread.lay_ns(AHEAD + 100 * MS, 105 * MS) == 0
    assert unread.lay_ns(AHEAD + 200 * MS, 405 * MS) == pytest.approx(200 * MS, abs=MS)


def test_a_message_that_does_not_say_when_it_was_sent_did_not_wait() -> None:
    unread = Unread()
    unread.lay_ns(AHEAD, 0)
    assert unread.lay_ns(0, 10 * S) == 0


def test_clocks_that_part_slowly_are_not_taken_for_waiting() -> None:
    unread = Unread()
    ours = [second * S for second in range(3_600)]
    assert max(unread.lay_ns(AHEAD + now - now // 12_000, now) for now in ours) == 0


def test_a_wait_that_lasts_is_still_known_after_minutes() -> None:
    unread = Unread()
    unread.lay_ns(AHEAD, 0)
    waits = [unread.lay_ns(AHEAD + second * S, second * S + 500 * MS) for second in range(1, 120)]
    assert min(waits) > 480 * MS


def test_a_clock_that_was_set_back_does_not_make_its_device_late_for_ever() -> None:
    unread = Unread()
    unread.lay_ns(AHEAD, 0)
    assert unread.lay_ns(S, 10 * MS) == 0
    assert unread.lay_ns(S + 100 * MS, 110 * MS) == 0


def test_a_device_that_slept_for_half_a_minute_is_not_late_for_ever() -> None:
    unread = Unread()
    unread.lay_ns(AHEAD, 0)
    asleep_ns = 30 * S  # for so long its monotonic clock stood still
    waits = [unread.lay_ns(AHEAD + second * S, asleep_ns + second * S) for second in range(1, 30)]
    assert waits[0] > 29 * S
    assert max(waits[11:]) == 0


def test_messages_that_lie_for_seconds_are_known_to_as_long_as_others_do_not() -> None:
    unread = Unread()
    unread.lay_ns(AHEAD, 0)
    waits = [unread.lay_ns(AHEAD + s * S, s * S + (0 if s % 10 == 0 else 3 * S)) for s in range(1, 120)]
    assert all(wait > 2.9 * S for s, wait in enumerate(waits, 1) if s % 10)


def told(behind: Behind, device: str = "pi", *, at_ms: int, lay_ms: int, patience_ms: int = 400) -> bool:
    """Whether a message is taken that lay for ``lay_ms`` of its ``patience_ms``."""
    try:
        behind.check(device, lay_ms * MS, at_ms * MS, (at_ms - lay_ms + patience_ms) * MS)
    except Overloaded:
        return False
    return True


def crowded(*, lay_ms: int = 300, until_ms: int = 200) -> Behind:
    """A service to which 40 devices speak in turn, one each millisecond; all their messages lay so long."""
    behind = Behind()
    for at_ms in range(until_ms):
        told(behind, f"pi-{at_ms % 40}", at_ms=at_ms, lay_ms=lay_ms)
    return behind


def test_what_lies_too_long_for_a_tenth_of_a_second_is_refused() -> None:
    behind = Behind()
    taken = [told(behind, f"pi-{at_ms % 40}", at_ms=at_ms, lay_ms=101) for at_ms in range(300)]
    assert taken == [True] * 115 + [False] * 185  # sixteen have to be heard before anything is known


def test_a_burst_is_taken() -> None:
    behind = crowded(until_ms=90)
    assert all(told(behind, f"pi-{at_ms % 40}", at_ms=at_ms, lay_ms=90) for at_ms in range(90, 110))
    assert all(told(behind, f"pi-{at_ms % 40}", at_ms=at_ms, lay_ms=150) for at_ms in range(110, 200))


def test_whoever_did_not_wait_is_taken_while_others_are_refused() -> None:
    behind = crowded()
    assert not told(behind, "pi-1", at_ms=200, lay_ms=300)
    assert told(behind, "pi-2", at_ms=201, lay_ms=100)
    assert not told(behind, "pi-3", at_ms=202, lay_ms=300)


def test_messages_of_many_that_did_not_lie_end_the_refusing() -> None:
    behind = crowded()
    for at_ms in range(200, 210):
        told(behind, f"pi-{at_ms % 40}", at_ms=at_ms, lay_ms=1)
    assert told(behind, "pi-20", at_ms=210, lay_ms=300)


def test_one_device_whose_messages_never_lie_does_not_end_the_refusing() -> None:
    behind = crowded()
    assert all(told(behind, "liar", at_ms=200, lay_ms=1) for _ in range(100))
    assert not told(behind, "pi-1", at_ms=201, lay_ms=300)


def test_devices_that_do_not_say_when_they_sent_do_not_end_the_refusing() -> None:
    behind = crowded()
    assert all(told(behind, f"old-{n}", at_ms=200, lay_ms=0) for n in range(100))
    assert not told(behind, "pi-1", at_ms=201, lay_ms=300)


def test_one_device_whose_messages_always_lie_has_nobody_refused() -> None:
    behind = crowded(lay_ms=1)
    taken = [told(behind, "liar", at_ms=200 + n, lay_ms=50_000) for n in range(300)]
    assert all(taken)
    assert told(behind, "pi-1", at_ms=501, lay_ms=300)


def test_a_slow_way_is_not_taken_for_a_service_that_is_behind() -> None:
    behind = Behind()
    assert all(told(behind, at_ms=at_ms, lay_ms=300) for at_ms in range(0, 60_000, 1_000))
    assert all(told(behind, f"pi-{n % 20}", at_ms=60_000 + 50 * n, lay_ms=300) for n in range(100))


def test_what_lay_long_ago_says_nothing_of_now() -> None:
    assert told(crowded(until_ms=50), "pi-1", at_ms=3_600_000, lay_ms=300)


def test_whoever_has_time_is_not_refused() -> None:
    behind = crowded()
    assert all(told(behind, f"pi-{n}", at_ms=200 + n, lay_ms=500, patience_ms=2_000) for n in range(40))


def test_the_refusal_says_when_to_come_back() -> None:
    with pytest.raises(Overloaded, match="lies for 250 ms") as caught:
        crowded().check("pi-1", 250 * MS, 200 * MS, 300 * MS)
    assert caught.value.retry_after_ms == 250
