"""Reliability from the measures of a signal: learnt tables that may not break these promises."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.event import Modality
from sensorium.reliability import Curve, Table, parsed, reliability, tables

WORSE = {"clipped", "noise", "leap"}
"""Measures of which more is worse."""
LEARNT = [(sense, name) for sense, table in tables().items() for name in table.curves]
SENSES = sorted(tables())

rising = Table(0.8, {"snr_db": Curve((0.0, 10.0, 20.0), (-2.0, 0.5, 1.0))})


def test_without_any_measure_it_is_the_prior() -> None:
    for sense, table in tables().items():
        assert reliability(sense) == pytest.approx(table.prior)
        assert 0.5 < table.prior < 1


def test_what_is_not_a_number_counts_as_not_measured() -> None:
    assert rising.of({"snr_db": math.nan}) == pytest.approx(0.8)
    assert rising.of({}) == pytest.approx(0.8)


def test_a_measure_of_which_nothing_was_learnt_changes_nothing() -> None:
    assert rising.of({"snr_db": 20, "colour": 3}) == rising.of({"snr_db": 20})


def test_words_have_no_signal_and_are_taken_as_they_are() -> None:
    assert Modality.TEXT not in tables()
    assert reliability(Modality.TEXT) == 1.0


@pytest.mark.parametrize(
    ("snr_db", "adds"), [(-50, -2.0), (0, -2.0), (5, -0.75), (10, 0.5), (15, 0.75), (20, 1.0), (1e9, 1.0)]
)
def test_a_curve_is_linear_between_its_knots_and_level_beyond(snr_db: float, adds: float) -> None:
    assert rising.curves["snr_db"](snr_db) == pytest.approx(adds)
    assert rising.of({"snr_db": snr_db}) == pytest.approx(1 / (1 + math.exp(-math.log(4) - adds)))


@pytest.mark.parametrize(("sense", "name"), LEARNT)
def test_a_better_signal_is_never_trusted_less(sense: Modality, name: str) -> None:
    adds = tables()[sense].curves[name].adds

    assert all(a >= b if name in WORSE else a <= b for a, b in pairwise(adds))
    assert adds[0] != adds[-1]


@given(st.sampled_from(SENSES), st.data())
def test_it_is_a_chance_whatever_was_measured(sense: Modality, data: st.DataObject) -> None:
    names = sorted(tables()[sense].curves)
    anything = st.floats(allow_nan=True, allow_infinity=True)
    measures = data.draw(st.dictionaries(st.sampled_from(names), anything))

    assert 0.0 < reliability(sense, measures) < 1.0


@given(st.sampled_from(LEARNT), st.floats(-1e3, 1e3), st.floats(0, 1e3), st.data())
def test_more_of_one_measure_moves_it_one_way(
    learnt: tuple[Modality, str], value: float, more: float, data: st.DataObject
) -> None:
    sense, name = learnt
    others = {n: data.draw(st.floats(0, 1)) for n in tables()[sense].curves if n != name}
    before, after = (reliability(sense, {**others, name: v}) for v in (value, value + more))

    assert after <= before if name in WORSE else after >= before


def test_every_sense_with_a_signal_has_a_table_that_tells_good_from_bad() -> None:
    for sense in set(Modality) - {Modality.TEXT}:
        curves = tables()[sense].curves
        best = {n: c.at[0] if n in WORSE else c.at[-1] for n, c in curves.items()}
        worst = {n: c.at[-1] if n in WORSE else c.at[0] for n, c in curves.items()}

        assert reliability(sense, worst) < tables()[sense].prior < reliability(sense, best)


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(AssertionError, match="rise"):
        Curve((1.0, 1.0), (0.0, 1.0))
    with pytest.raises(AssertionError, match="certainty"):
        parsed("[audio]\nprior = 1.0\n")
