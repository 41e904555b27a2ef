"""Every window is answered once, whatever the link and the service do."""

from __future__ import annotations

from sensorium.delivery import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, Refusal, Welcome
from sensorium_agent.uplink.delivery import Delivery, Item, Want

SECOND = 1_000_000_000


def a_delivery(stored: int, *, acknowledged: int = 0, jitter: float = 0.5) -> Delivery:
    return Delivery(acknowledged=acknowledged, stored=stored, random=lambda: jitter)


def welcomed(delivery: Delivery, *, resume_after: int = 0, max_in_flight: int = 4, now_ns: int = 0) -> Delivery:
    assert delivery.welcome(Welcome(resume_after, max_in_flight, 1 << 20), now_ns)
    return delivery


def item(sequence: int, size_bytes: int = 100) -> Item:
    return Item(sequence, key(sequence), size_bytes)


def key(sequence: int) -> tuple[str, int]:
    return (f"s.{sequence}", 0)


def send(delivery: Delivery, *sequences: int, now_ns: int = 0) -> tuple[int, ...]:
    want = delivery.want(now_ns)
    assert want is not None
    return delivery.take(want, [item(s) for s in sequences], now_ns)


def answer(delivery: Delivery, *sequences: int, now_ns: int = 0) -> list[bool]:
    return [delivery.symbol(s, key(s), now_ns) for s in sequences]


def test_sends_nothing_before_the_welcome() -> None:
    assert a_delivery(3).want(0) is None


def test_sends_in_order_and_no_more_than_may_be_unanswered() -> None:
    delivery = welcomed(a_delivery(9))
    assert delivery.want(0) == Want(after=0, limit=4, stored=9)
    assert send(delivery, 1, 2, 3, 4) == (1, 2, 3, 4)
    assert delivery.want(0) is None
    assert answer(delivery, 2) == [True]
    assert delivery.want(0) == Want(after=4, limit=1, stored=9)


def test_forgets_only_what_is_answered_here_and_safe_there() -> None:
    delivery = welcomed(a_delivery(3))
    send(delivery, 1, 2, 3)
    answer(delivery, 1, 3)
    assert delivery.acknowledged == 0
    delivery.ack(3, 0)
    assert delivery.acknowledged == 1, "2 has no answer yet"
    answer(delivery, 2)
    assert delivery.acknowledged == 3
    assert delivery.idle


def test_an_acknowledgement_reaches_no_further_than_what_was_sent() -> None:
    delivery = welcomed(a_delivery(5))
    send(delivery, 1, 2)
    delivery.ack(1 << 60, 0)
    answer(delivery, 1, 2)
    assert delivery.acknowledged == 2


def test_asks_again_for_answers_that_were_lost_with_their_stream() -> None:
    delivery = welcomed(a_delivery(4))
    send(delivery, 1, 2, 3, 4)
    answer(delivery, 1)
    delivery.disconnected()

    welcomed(delivery, resume_after=4)
    assert send(delivery, 2, 3, 4) == (2, 3, 4)
    assert answer(delivery, 2, 3, 4) == [True, True, True]
    assert delivery.acknowledged == 4
    assert delivery.counts.resent == 3


def test_sends_again_what_was_answered_if_the_service_does_not_have_it_and_passes_it_on_once() -> None:
    delivery = welcomed(a_delivery(2))
    send(delivery, 1, 2)
    answer(delivery, 1, 2)
    delivery.disconnected()

    welcomed(delivery, resume_after=1)
    assert send(delivery, 1, 2) == (2,)
    assert delivery.acknowledged == 1
    assert answer(delivery, 2) == [False]
    delivery.ack(2, 0)
    assert delivery.idle
    assert (delivery.counts.answered, delivery.counts.duplicate) == (2, 1)


def test_an_answer_that_comes_twice_is_passed_on_once() -> None:
    delivery = welcomed(a_delivery(2))
    send(delivery, 1, 2)
    assert answer(delivery, 1, 1) == [True, False]
    delivery.ack(1, 0)
    assert answer(delivery, 1) == [False]
    assert delivery.counts.duplicate == 2


def test_an_answer_for_another_window_is_not_passed_on() -> None:
    delivery = welcomed(a_delivery(2))
    send(delivery, 1)
    assert not delivery.symbol(1, ("someone.else", 0), 0)
    assert not delivery.symbol(77, key(77), 0)
    assert delivery.counts.strange == 2
    assert delivery.in_flight == 0


def test_a_final_refusal_is_an_answer() -> None:
    delivery = welcomed(a_delivery(1))
    send(delivery, 1)
    assert delivery.refusal(Refusal(1, INVALID_ARGUMENT, "slots", "too many"), 0)
    delivery.ack(1, 0)
    assert delivery.idle
    assert (delivery.counts.answered, delivery.counts.refused) == (1, 1)


def test_a_refusal_for_now_is_tried_again_when_the_service_said() -> None:
    delivery = welcomed(a_delivery(9))
    send(delivery, 1, 2)
    delivery.refusal(Refusal(1, RESOURCE_EXHAUSTED, retry_after_ms=300), 0)
    assert delivery.want(299_999_999) is None, "an exhausted service gets nothing new either"
    assert delivery.next_due_ns() == 300_000_000

    want = delivery.want(300_000_000)
    assert want == Want(after=0, limit=1, stored=9, again=True)
    assert delivery.take(want, [item(1)], 300_000_000) == (1,)
    assert delivery.want(300_000_000) == Want(after=2, limit=2, stored=9)
    assert answer(delivery, 1) == [True]


def test_a_window_that_expired_while_it_waited_for_another_try_is_closed() -> None:
    delivery = welcomed(a_delivery(2))
    send(delivery, 1, 2)
    delivery.refusal(Refusal(1, RESOURCE_EXHAUSTED, retry_after_ms=1), 0)
    answer(delivery, 2)
    delivery.ack(2, 0)
    want = delivery.want(SECOND)
    assert want is not None
    assert delivery.take(want, [item(2)], SECOND) == ()
    assert delivery.idle


def test_an_answer_may_overtake_the_second_try() -> None:
    delivery = welcomed(a_delivery(1))
    send(delivery, 1)
    delivery.refusal(Refusal(1, RESOURCE_EXHAUSTED, retry_after_ms=1), 0)
    want = delivery.want(SECOND)
    assert want is not None
    answer(delivery, 1)
    assert delivery.take(want, [item(1)], SECOND) == ()
    assert delivery.in_flight == 0


def test_finds_the_window_a_refused_message_was_about_by_sending_singly() -> None:
    delivery = welcomed(a_delivery(3))
    send(delivery, 1, 2, 3)
    assert not delivery.refusal(Refusal(0, INVALID_ARGUMENT, "kind", "missing"), 0)
    delivery.disconnected()

    welcomed(delivery)
    assert delivery.want(0) == Want(after=0, limit=1, stored=3)
    send(delivery, 1)
    answer(delivery, 1)
    delivery.ack(1, 0)
    send(delivery, 2)
    delivery.refusal(Refusal(0, INVALID_ARGUMENT, "kind", "missing"), 0)
    assert (delivery.in_flight, delivery.counts.refused) == (0, 1)


def test_everything_under_way_is_tried_again_if_the_service_is_exhausted_as_a_whole() -> None:
    delivery = welcomed(a_delivery(2))
    send(delivery, 1, 2)
    assert delivery.refusal(Refusal(0, RESOURCE_EXHAUSTED), 0)
    assert delivery.want(SECOND - 1) is None
    assert delivery.want(SECOND) == Want(after=0, limit=1, stored=2, again=True)


def test_a_refusal_by_an_unknown_code_is_final_unless_it_says_when() -> None:
    delivery = welcomed(a_delivery(2))
    send(delivery, 1, 2)
    delivery.refusal(Refusal(1, 13), 0)
    delivery.refusal(Refusal(2, 13, retry_after_ms=5), 0)
    delivery.refusal(Refusal(9, 13), 0)
    assert (delivery.counts.refused, delivery.counts.retried, delivery.counts.duplicate) == (1, 1, 1)


def test_what_is_gone_from_the_spool_is_passed_over() -> None:
    delivery = welcomed(a_delivery(5))
    send(delivery, 2, 5)
    answer(delivery, 2, 5)
    delivery.ack(5, 0)
    delivery.stored(8)
    send(delivery)
    assert (delivery.acknowledged, delivery.idle) == (8, True)


def test_a_window_the_service_would_not_take_is_never_sent() -> None:
    delivery = a_delivery(2)
    delivery.welcome(Welcome(0, 4, max_message_bytes=1000), 0)
    want = delivery.want(0)
    assert want is not None
    assert delivery.take(want, [item(1, 5000), item(2)], 0) == (2,)
    assert delivery.counts.too_large == 1
    assert delivery.acknowledged == 1


def test_an_old_copy_of_a_spool_is_found_out() -> None:
    delivery = a_delivery(3)
    assert not delivery.welcome(Welcome(7, 4, 1 << 20), 0)


def test_a_stream_that_does_not_answer_is_dead_after_a_while() -> None:
    delivery = welcomed(a_delivery(2))
    assert delivery.next_due_ns() is None
    send(delivery, 1, 2, now_ns=SECOND)
    assert delivery.next_due_ns() == 21 * SECOND
    assert not delivery.overdue(20 * SECOND)
    assert delivery.overdue(21 * SECOND)
    assert not delivery.idle, "nothing is given up: the service may only be away"


def test_a_window_that_is_passed_over_three_times_is_given_up() -> None:
    delivery = a_delivery(2)
    for _ in range(3):
        welcomed(delivery)
        send(delivery, 1, 2)
        answer(delivery, 2)
        delivery.ack(2, 0)
        assert delivery.overdue(20 * SECOND)
        delivery.disconnected()
    assert delivery.counts.unanswered == 1
    assert delivery.idle


def test_a_service_that_never_calls_anything_safe_is_left_after_a_while() -> None:
    delivery = welcomed(a_delivery(10_000), max_in_flight=5000)
    while (want := delivery.want(0)) is not None:
        sequences = range(want.after + 1, want.after + 1 + want.limit)
        delivery.take(want, [item(s) for s in sequences], 0)
        answer(delivery, *sequences)
    assert delivery.counts.answered >= 4096
    assert not delivery.overdue(19 * SECOND)
    assert delivery.overdue(20 * SECOND)


def test_waits_longer_after_each_failure_and_starts_anew_after_an_answer() -> None:
    delivery = a_delivery(1, jitter=0.999)
    waits = [delivery.disconnected() for _ in range(8)]
    assert waits == sorted(waits)
    assert 0.5 <= waits[0] <= 1.5
    assert waits[-1] == 30.0
    welcomed(delivery)
    send(delivery, 1)
    answer(delivery, 1)
    assert delivery.disconnected() <= 1.5


def test_tells_the_last_round_trip() -> None:
    delivery = welcomed(a_delivery(1))
    send(delivery, 1, now_ns=100)
    answer(delivery, 1, now_ns=350)
    assert delivery.last_round_trip_ns == 250


def test_counts_reconnects() -> None:
    delivery = a_delivery(1)
    for _ in range(3):
        welcomed(delivery)
        delivery.disconnected()
    assert delivery.counts.reconnects == 2
