"""What a stream owes its device, without a stream."""

from __future__ import annotations

import pytest
from cloud.doubles import FakeFusion, a_window, an_event

from sensorium.delivery import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, Ack, Hello, Refusal, SequencedWindow
from sensorium_cloud.accept import Conversation, Flooded, Heard

HELLO = Hello("pi", "spool-a")
BAD = "windows[0].window.slots[0].events[0].score"


def conversation(*, resume_after: int = 0, max_in_flight: int = 8) -> Conversation:
    return Conversation(HELLO, resume_after=resume_after, max_in_flight=max_in_flight, check=FakeFusion().check)


def sent(*sequences: int) -> tuple[SequencedWindow, ...]:
    return tuple(SequencedWindow(number, a_window(number)) for number in sequences)


def numbers(heard: Heard) -> list[int]:
    return [item.sequence for item in heard.fuse]


def test_acknowledges_the_unbroken_run_that_was_answered() -> None:
    talk = conversation()
    talk.hear(sent(1, 2, 3))

    talk.answered(2)
    assert talk.ack() is None

    talk.answered(1)
    assert talk.ack() == Ack(2)
    assert talk.ack() is None

    talk.answered(3)
    assert talk.ack() == Ack(3)


def test_gaps_in_a_spool_hold_nothing_back() -> None:
    talk = conversation()
    talk.hear(sent(4, 9))

    talk.answered(4)
    assert talk.ack() == Ack(8)

    talk.answered(9)
    assert talk.ack() == Ack(9)


def test_starts_where_the_last_stream_ended() -> None:
    talk = conversation(resume_after=7)
    assert talk.ack() is None

    talk.hear(sent(8))
    talk.answered(8)

    assert talk.ack() == Ack(8)


def test_what_is_sent_again_is_answered_again_and_moves_nothing_back() -> None:
    talk = conversation(resume_after=7)

    assert numbers(talk.hear(sent(3))) == [3]

    talk.answered(3)
    assert talk.ack() is None


def test_a_final_refusal_is_an_answer() -> None:
    talk = conversation()
    refusal = Refusal(1, INVALID_ARGUMENT, BAD, "from 0 to 1, not nan")

    heard = talk.hear((refusal, *sent(2)))

    assert heard.say == (refusal,)
    assert numbers(heard) == [2]
    assert talk.ack() == Ack(1)


def test_what_is_refused_for_now_holds_the_acknowledgement_back_until_it_comes_again() -> None:
    talk = conversation()
    talk.hear(sent(1, 2))

    talk.refused(Refusal(1, RESOURCE_EXHAUSTED, retry_after_ms=20))
    talk.answered(2)
    assert talk.ack() is None

    talk.hear(sent(1))
    talk.answered(1)
    assert talk.ack() == Ack(2)


def test_asks_to_send_again_what_is_more_than_may_be_in_flight() -> None:
    talk = conversation(max_in_flight=2)

    heard = talk.hear(sent(1, 2, 3))

    assert numbers(heard) == [1, 2]
    (refusal,) = heard.say
    assert isinstance(refusal, Refusal)
    assert (refusal.sequence, refusal.code) == (3, RESOURCE_EXHAUSTED)
    assert refusal.retry_after_ms > 0

    talk.answered(1)
    assert numbers(talk.hear(sent(3))) == [3]


def test_a_window_the_fusion_cannot_take_is_refused_by_name() -> None:
    talk = conversation()
    unfit = SequencedWindow(2, a_window(2, an_event("unfit")))

    heard = talk.hear((*sent(1), unfit))

    (refusal,) = heard.say
    assert isinstance(refusal, Refusal)
    assert (refusal.sequence, refusal.final) == (2, True)
    assert refusal.field == "windows[1].window.slots[3].events[0].features"
    assert numbers(heard) == [1]


def test_hello_is_said_once() -> None:
    (refusal,) = conversation().hear(HELLO).say

    assert refusal == Refusal(0, INVALID_ARGUMENT, "hello", "only as the first message of a stream")


def test_a_device_that_heeds_no_refusal_is_sent_away() -> None:
    talk = conversation(max_in_flight=1)

    for number in range(1, 4097):
        talk.hear(sent(number))

    with pytest.raises(Flooded, match="heed retry_after_ms"):
        talk.hear(sent(4097))


def test_who_has_as_much_in_flight_as_there_may_be_is_known_before_a_window_is_looked_into() -> None:
    talk = conversation(max_in_flight=2)
    assert talk.full() is None

    talk.hear(sent(1, 2))

    refusal = talk.full()
    assert refusal is not None
    assert (refusal.code, refusal.retry_after_ms) == (RESOURCE_EXHAUSTED, 50)
    talk.answered(1)
    assert talk.full() is None


def test_who_was_put_off_and_comes_long_before_the_time_that_was_told_is_not_listened_to() -> None:
    talk, ms = conversation(), 1_000_000
    assert talk.too_soon(0) is None

    talk.put_off(Refusal(1, RESOURCE_EXHAUSTED, "", "busy", 80), now_ns=10 * ms)

    refusal = talk.too_soon(20 * ms)
    assert refusal is not None
    assert (refusal.code, refusal.retry_after_ms) == (RESOURCE_EXHAUSTED, 70)
    assert talk.too_soon(30 * ms) is None


def test_nobody_is_left_unheard_for_long() -> None:
    talk, ms = conversation(), 1_000_000
    talk.put_off(Refusal(1, RESOURCE_EXHAUSTED, "", "busy", 5_000), now_ns=0)

    assert talk.too_soon(99 * ms) is not None
    assert talk.too_soon(100 * ms) is None
