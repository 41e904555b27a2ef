"""The formulas hold their definitions and bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.examples import a_symbol

from sensorium.event import Modality
from sensorium.symbol import (
    decay,
    disagreement_bits,
    domains_of,
    entropy_bits,
    entropy_of,
    normalised,
    softmax,
)

SECOND = 1_000_000_000
MASSES = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=12)
LOGITS = st.lists(st.floats(-500.0, 500.0), min_size=1, max_size=12)
TEMPERATURES = st.floats(0.05, 20.0)


def distributions(size: int) -> st.SearchStrategy[tuple[float, ...]]:
    return st.lists(st.floats(1e-6, 1.0), min_size=size, max_size=size).map(normalised)


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[tuple[float, ...]], list[float]]:
    """Some modalities' answers over one vocabulary, and their weights."""
    size, count = draw(st.integers(1, 6)), draw(st.integers(2, 6))
    weights = draw(st.lists(st.floats(0.01, 1.0), min_size=count, max_size=count))
    return [draw(distributions(size)) for _ in range(count)], weights


# --- decay -----------------------------------------------------------------------------


@given(st.integers(1, 3600 * SECOND))
def test_half_the_trust_is_left_after_a_half_life(half_life_ns: int) -> None:
    assert decay(half_life_ns, half_life_ns) == 0.5


def test_the_sketch_named_its_half_life_wrongly() -> None:
    half_life_s = 2.0 * math.log(2.0)

    assert math.isclose(math.exp(-half_life_s / 2.0), 0.5)
    assert math.isclose(half_life_s, 1.386, abs_tol=5e-4)


@given(st.integers(-SECOND, 20 * SECOND), st.integers(0, 20 * SECOND))
def test_trust_never_grows_with_age(age_ns: int, more_ns: int) -> None:
    assert 0.0 < decay(age_ns + more_ns, 2 * SECOND) <= decay(age_ns, 2 * SECOND) <= 1.0


def test_what_is_not_yet_old_is_trusted_fully() -> None:
    assert decay(0, SECOND) == decay(-SECOND, SECOND) == 1.0


# --- normalised, softmax ---------------------------------------------------------------


@given(MASSES)
def test_normalised_masses_sum_to_1_or_are_all_0(masses: list[float]) -> None:
    shares = normalised(masses)

    assert all(0.0 <= s <= 1.0 for s in shares)
    assert math.isclose(math.fsum(shares), 1.0, rel_tol=1e-9) or (not any(masses) and not any(shares))


@given(LOGITS, TEMPERATURES)
def test_softmax_is_a_distribution_in_the_order_of_its_logits(logits: list[float], temperature: float) -> None:
    p = softmax(logits, temperature)

    assert math.isclose(math.fsum(p), 1.0, rel_tol=1e-9)
    assert all(x <= y for (a, x) in zip(logits, p, strict=True) for (b, y) in zip(logits, p, strict=True) if a < b)


@given(LOGITS, TEMPERATURES)
def test_temperature_divides_the_logits(logits: list[float], temperature: float) -> None:
    assert softmax(logits, temperature) == pytest.approx(softmax([x / temperature for x in logits]), abs=1e-9)


@given(LOGITS, TEMPERATURES, st.floats(1.0, 10.0))
def test_a_higher_temperature_is_never_surer(logits: list[float], temperature: float, times: float) -> None:
    assert max(softmax(logits, temperature * times)) <= max(softmax(logits, temperature)) + 1e-12


@given(LOGITS, st.floats(-100.0, 100.0))
def test_softmax_sees_differences_only(logits: list[float], shift: float) -> None:
    assert softmax([x + shift for x in logits]) == pytest.approx(softmax(logits), abs=1e-9)


# --- entropy ---------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3, 8, 27])
def test_k_equal_chances_are_log2_k_bits(k: int) -> None:
    assert entropy_bits([1 / k] * k) == pytest.approx(math.log2(k))


def test_certainty_is_0_bits_without_a_sign() -> None:
    assert math.copysign(1.0, entropy_bits([0.0, 1.0, 0.0])) == 1.0
    assert entropy_bits([]) == 0.0


@given(st.integers(1, 12).flatmap(distributions))
def test_entropy_lies_between_0_and_log2_k(p: tuple[float, ...]) -> None:
    assert -1e-9 <= entropy_bits(p) <= math.log2(len(p)) + 1e-9


# --- disagreement ----------------------------------------------------------------------


@given(answers())
def test_disagreement_is_bounded_by_the_entropy_of_the_weights(
    given_: tuple[list[tuple[float, ...]], list[float]],
) -> None:
    said, weights = given_

    assert 0.0 <= disagreement_bits(said, weights) <= entropy_bits(normalised(weights)) + 1e-9


@given(answers())
def test_disagreement_does_not_depend_on_who_is_asked_first(
    given_: tuple[list[tuple[float, ...]], list[float]],
) -> None:
    said, weights = given_

    assert disagreement_bits(said, weights) == pytest.approx(disagreement_bits(said[::-1], weights[::-1]), abs=1e-9)


@given(distributions(4), st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5))
def test_those_who_say_the_same_agree(p: tuple[float, ...], weights: list[float]) -> None:
    assert disagreement_bits([p] * len(weights), weights) == pytest.approx(0.0, abs=1e-9)


def test_two_opposite_answers_disagree_by_1_bit() -> None:
    assert disagreement_bits([(1.0, 0.0), (0.0, 1.0)], [0.7, 0.7]) == pytest.approx(1.0)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 0.0)])
def test_who_has_no_weight_does_not_disagree(weights: tuple[float, float]) -> None:
    assert disagreement_bits([(1.0, 0.0), (0.0, 1.0)], weights) == 0.0


def test_answers_over_different_vocabularies_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="inhomogeneous shape"):
        disagreement_bits([(1.0, 0.0), (0.5, 0.25, 0.25)], [1.0, 1.0])


# --- a symbol's figures ----------------------------------------------------------------


@given(st.integers(1, 12).flatmap(distributions), distributions(3), st.integers(0, 6))
def test_information_and_entropy_make_up_the_vocabulary(
    posterior: tuple[float, ...], attention: tuple[float, ...], modalities: int
) -> None:
    figures = entropy_of(posterior, attention, 0.25, modalities)

    assert figures.posterior + figures.information == pytest.approx(math.log2(len(posterior)), abs=1e-9)
    assert figures.disagreement == 0.25
    assert figures.attention == entropy_bits(attention)
    assert figures.legacy_entropy_bits == 32 + 8 * modalities + 4 * figures.attention


def test_nothing_known_is_no_information() -> None:
    figures = entropy_of((), (), 0.0, 0)

    assert (figures.posterior, figures.information, figures.attention) == (0.0, 0.0, 0.0)
    assert figures.legacy_entropy_bits == 32.0


@pytest.mark.parametrize(
    ("present", "own", "domains"),
    [
        ([], [], ()),
        ([Modality.TEXT], [], ("TEXT",)),
        ([Modality.VIDEO, Modality.AUDIO], ["HOME"], ("VISUAL", "AUDITORY", "MULTIMODAL", "HOME")),
        ([Modality.GESTURE], ["GESTURE", "HOME"], ("GESTURE", "HOME")),
        (list(Modality), [], ("VISUAL", "AUDITORY", "TEXT", "GESTURE", "HAPTIC", "BIOMETRIC", "MULTIMODAL")),
    ],
)
def test_domains_begin_with_the_kinds_of_evidence(
    present: list[Modality], own: list[str], domains: tuple[str, ...]
) -> None:
    assert domains_of(present, own) == domains


def test_a_symbol_lists_who_had_events() -> None:
    assert a_symbol().modalities == (Modality.TEXT, Modality.GESTURE)
