"""Additive log odds that rise with every measure: logistic regression on ramps whose weights cannot be negative."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from figures import auroc
from reliability_looks import Bools, Floats, Looks
from scipy.optimize import minimize

from sensorium.reliability import Curve, Table

FALLING: Final = frozenset({"clipped", "noise", "leap"})
"""Measures of which more is worse."""
_QUANTILES: Final = (0.0, 0.03, 0.1, 0.3, 0.6, 0.9)
_STEP: Final = 2.0
"""Deviation of a ramp's height before anything was seen: a few answers alone do not make a cliff."""
_LEAST: Final = 0.05
"""Nats over its whole range: what adds less tells nothing."""
_BINS: Final = 15
_DRAWS: Final = 200


def knots(values: Floats) -> Floats:
    """Where a measure's curve bends: at quantiles of what was seen, rounded."""
    seen = np.quantile(values[np.isfinite(values)], _QUANTILES)
    return np.unique([float(f"{value:.3g}") for value in seen])


def learn(looks: Looks) -> Table:
    """The table under which ``looks`` were most likely (with that prior on the ramps); to 3 decimals.

    A curve adds nothing on average. Log odds of a mean are not the mean of log odds: what is left is shared among the
    curves by how much they vary, so that all measures together say what was learnt, and none of them the share that
    was right. A measure that tells nothing has no curve.
    """
    at = {name: knots(values) for name, values in looks.measures.items()}
    ramps = {name: _ramps(looks.measures[name], own, name in FALLING) for name, own in at.items()}
    constant, weights = _fitted(np.concatenate(list(ramps.values()), axis=1), looks.right)
    ends = np.cumsum([ramp.shape[1] for ramp in ramps.values()])[:-1]
    steps = {name: own for name, own in zip(ramps, np.split(weights, ends), strict=True) if own.sum() > _LEAST}
    added = {name: ramps[name] @ own for name, own in steps.items()}
    prior = float(looks.right.mean())
    left = constant + sum(float(a.mean()) for a in added.values()) - np.log(prior / (1 - prior))
    varied = {name: float(a.std()) for name, a in added.items()}
    shift = {name: left * varied[name] / sum(varied.values()) - float(added[name].mean()) for name in added}
    return Table(round(prior, 3), {n: _curve(at[n], own, shift[n], n in FALLING) for n, own in steps.items()})


def _curve(at: Floats, steps: Floats, shift: float, falling: bool) -> Curve:
    risen = np.concatenate([[0.0], np.cumsum(steps)])
    return Curve(tuple(at.tolist()), tuple(((risen[-1] - risen if falling else risen) + shift).round(3).tolist()))


def _ramps(values: Floats, at: Floats, falling: bool) -> Floats:
    """[n, knots - 1]: 0 before a knot, 1 from the next one on; the mean where a value is missing."""
    places = np.clip((values[:, None] - at[:-1]) / np.diff(at), 0, 1)
    places = 1 - places if falling else places
    return np.asarray(np.where(np.isfinite(places), places, np.nanmean(places, axis=0)))


def _fitted(columns: Floats, right: Bools) -> tuple[float, Floats]:
    """The constant, and weights of at least 0."""
    signs = np.where(right, 1.0, -1.0)

    def loss(weights: Floats) -> tuple[float, Floats]:
        odds = signs * (weights[0] + columns @ weights[1:])
        wrong = -signs / (1 + np.exp(odds))
        slope = np.concatenate([[wrong.sum()], columns.T @ wrong + weights[1:] / _STEP**2])
        return float(np.logaddexp(0, -odds).sum() + (weights[1:] ** 2).sum() / 2 / _STEP**2), slope

    bounds = [(None, None), *[(0.0, None)] * columns.shape[1]]
    found = minimize(loss, np.zeros(columns.shape[1] + 1), jac=True, bounds=bounds, method="L-BFGS-B")
    return float(found.x[0]), np.asarray(found.x[1:])


# --- figures ---------------------------------------------------------------------------


def said(table: Table, looks: Looks) -> Floats:
    """The reliability [n] that ``table`` gives."""
    names = list(looks.measures)
    rows = zip(*looks.measures.values(), strict=True)
    return np.array([table.of(dict(zip(names, row, strict=True))) for row in rows])


def figures(chance: Floats, right: Bools) -> Mapping[str, float]:
    """How well ``chance`` knows what is right: ranking, surprise in nats, and the gap between both in 15 equal bins."""
    sure = np.clip(chance, 1e-3, 1 - 1e-3)
    surprise = -np.where(right, np.log(sure), np.log(1 - sure)).mean()
    place = np.minimum((chance * _BINS).astype(int), _BINS - 1)
    gap = sum(abs(right[place == b].mean() - chance[place == b].mean()) * (place == b).mean() for b in np.unique(place))
    ranking = auroc(chance, right) if 0 < right.sum() < len(right) else float("nan")
    return {"AUROC": ranking, "log loss": float(surprise), "calibration error": float(gap)}


def intervals(chance: Floats, looks: Looks) -> Mapping[str, tuple[float, float]]:
    """Their 95 % intervals over whose answers they are (bootstrap, Efron 1979)."""
    rng = np.random.default_rng(0)
    _, person = np.unique(looks.whose, return_inverse=True)
    rows = np.split(np.argsort(person, kind="stable"), np.cumsum(np.bincount(person))[:-1])
    drawn = []
    for _ in range(_DRAWS):
        some = np.concatenate([rows[k] for k in rng.integers(len(rows), size=len(rows))])
        drawn.append(figures(chance[some], looks.right[some]))
    ends = {name: np.nanquantile([d[name] for d in drawn], (0.025, 0.975)).tolist() for name in drawn[0]}
    return {name: (low, high) for name, (low, high) in ends.items()}
