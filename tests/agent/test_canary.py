"""A new version takes over only when the numbers say so."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sensorium_agent.infer.runtime.canary import Comparison, Limits, Seen, Verdict, finite, judge

LIMITS = Limits(runs=100, telling=10, warm_up=0, agreement=0.97, tolerance=0.1, slowdown=1.5)


def seen(runs: int = 100, agreed: int | None = None, worst: float = 0.0, **other: float) -> Seen:
    agreed = runs if agreed is None else agreed
    return Seen(
        **{
            "runs": runs,
            "agreed": agreed,
            "telling": 10,
            "telling_agreed": 10,
            "worst": worst,
            "old_ms": 1.0,
            "new_ms": 1.0,
            **other,
        }
    )


@pytest.mark.parametrize(
    ("numbers", "verdict", "because"),
    [
        (seen(0, telling=0), Verdict.KEEP, "100 runs and 10 telling ones to go"),
        (seen(99), Verdict.KEEP, "1 runs and 0 telling ones to go"),
        (seen(1000, telling=9, telling_agreed=9), Verdict.KEEP, "0 runs and 1 telling ones to go"),
        (seen(100, 99, telling=10, telling_agreed=9), Verdict.PROMOTE, "9 of 10 telling"),
        (seen(1000, 998, telling=10, telling_agreed=8), Verdict.ROLLBACK, "where it matters"),
        (seen(100), Verdict.PROMOTE, "alike in 100 of 100"),
        (seen(100, 97), Verdict.PROMOTE, "97.0%"),
        (seen(100, 96), Verdict.ROLLBACK, "it disagrees"),
        (seen(10, 7), Verdict.KEEP, "90 runs"),
        (seen(10, 6), Verdict.ROLLBACK, "it disagrees"),
        (seen(1, 0, math.inf), Verdict.ROLLBACK, "no numbers"),
        (seen(100, new_ms=1.5), Verdict.PROMOTE, "1.50 times"),
        (seen(100, new_ms=1.6), Verdict.ROLLBACK, "it is slow"),
        (seen(50, new_ms=9.0), Verdict.KEEP, "to go"),
        (seen(100, old_ms=0.0, new_ms=0.0), Verdict.PROMOTE, "1.00 times"),
    ],
)
def test_numbers_decide(numbers: Seen, verdict: Verdict, because: str) -> None:
    decision = judge(numbers, LIMITS)

    assert decision.verdict is verdict
    assert because in decision.reason


def compared(old: object, new: object, *, limits: Limits = LIMITS) -> float:
    return Comparison(limits).difference([np.asarray(old)], [np.asarray(new)])


def test_a_difference_is_measured_by_the_size_of_what_is_usual() -> None:
    assert compared([100.0, -100.0], [101.0, -100.0]) == pytest.approx(0.00707, abs=1e-4)
    assert compared(np.uint8([0]), np.uint8([13])) == pytest.approx(13 / 127.5)


def test_small_probabilities_that_double_are_no_disagreement() -> None:
    assert compared([[0.01]], [[0.02]]) == pytest.approx(0.02)


def test_another_shape_or_no_number_is_as_different_as_can_be() -> None:
    assert compared([1.0, 2.0], [1.0]) == math.inf
    assert compared([1.0], [math.nan]) == math.inf
    assert not finite([np.array([1.0, np.inf])])
    assert finite([np.array([1]), np.array([1.0])])


def test_two_silent_models_agree() -> None:
    assert compared(np.zeros(100), np.zeros(100)) == 0.0


def test_a_run_is_telling_where_one_of_both_leaves_its_rest() -> None:
    comparison = Comparison(Limits(warm_up=0))
    quiet, loud = [np.uint8([[0]])], [np.uint8([[250]])]
    for old, new in ((quiet, quiet), (loud, loud), (loud, quiet), (quiet, loud)):
        comparison.add(old, new, 1.0, 1.0)

    assert (comparison.seen().telling, comparison.seen().telling_agreed) == (3, 1)


def test_the_first_runs_of_a_streaming_network_do_not_count() -> None:
    comparison = Comparison(Limits(runs=2, warm_up=3))
    for _ in range(3):
        comparison.add([np.ones(50)], [np.zeros(50)], 1.0, 1.0)
    for _ in range(2):
        comparison.add([np.ones(50)], [np.ones(50)], 2.0, 3.0)

    assert comparison.seen() == Seen(2, 2, 0, 0, 0.0, 2.0, 3.0)


def test_a_network_that_warms_up_to_no_number_is_not_waited_for() -> None:
    comparison = Comparison(Limits(warm_up=10))
    comparison.add([np.ones(2)], [np.full(2, np.nan)], 1.0, 1.0)

    assert judge(comparison.seen(), Limits()).verdict is Verdict.ROLLBACK


def test_what_never_came_up_is_listed() -> None:
    comparison = Comparison(Limits(warm_up=0), ("fist", "palm", "none"))
    still, place = np.zeros((1, 40)), np.full((1, 40), 3.0)
    for label in (0, 0, 2):
        named = np.eye(3, dtype=np.float32)[[label]]
        comparison.add([named, place * label, still], [named, place * label, still], 1.0, 1.0)

    assert comparison.seen().unused == ("palm", "output 2")
    assert str(comparison.seen()).endswith("never came up: palm, output 2")


def test_an_output_that_nobody_looks_at_may_differ_and_the_worst_of_the_others_is_named() -> None:
    comparison = Comparison(Limits(warm_up=0), outputs=("joints", "presence", "metres"), unheeded={2})
    joints, presence = np.full((1, 63), 80.0), np.array([[0.9]])
    for metres in (0.01, 0.02):
        old, new = np.full((1, 63), metres), np.full((1, 63), 3 * metres)
        comparison.add([joints, presence, old], [joints + 1, presence - 0.05, new], 1.0, 1.0)
    found = comparison.seen()

    assert found.agreed == 2
    assert (found.worst, found.worst_in) == (pytest.approx(0.05 / 0.9), "presence")
    assert found.unused == ("joints", "presence")
    assert "worst difference 0.056 (presence)," in str(found)


def test_a_class_that_only_the_new_version_names_came_up() -> None:
    comparison = Comparison(Limits(warm_up=0))
    one, other = (np.eye(2, dtype=np.float32)[[k]] for k in (0, 1))
    comparison.add([one], [other], 1.0, 1.0)

    assert comparison.seen().unused == ()
