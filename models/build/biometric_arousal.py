"""Fits and measures arousal: on people who do not exist, on those of Stress-Predict, and (only measured) of WESAD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from biometric_persons import STEP_S, Person, invented, windows, wristbands
from biometric_score import Judged, described, together

from sensorium_agent.infer.biometric.arousal import FITTED, MEASURES, Baseline, Model

Floats = npt.NDArray[np.float64]

SENSORS: Final[Mapping[str, Sequence[str]]] = {
    "heart and skin": ("bpm", "log_scl", "log_scr"),
    "heart": ("bpm",),
    "skin": ("log_scl", "log_scr"),
}
"""Log RMSSD is not among them: the heart alone told stress from rest less often with it, on real wrists."""
_SKIPPED_S: Final = 60.0
_RIDGE: Final = 3e-3
_SHORT_S: Final = 120.0
_ROUNDS: Final = 4
_BEGIN: Final = Model({**dict.fromkeys(MEASURES, 0.5), "log_rmssd": 0.0}, dict.fromkeys(MEASURES, -0.25), 0.0)


def judged(people: Sequence[Person], model: Model, sensors: Sequence[str]) -> Judged:
    """Every settled judgement after the first minute, each person with a baseline of their own."""
    rows, truth, probability, whose = [], [], [], []
    for number, person in enumerate(people):
        baseline = Baseline(model)
        for measures, at_s, stressed in zip(person.measures, person.at_s, person.stress, strict=True):
            told = {name: value for name, value in measures.items() if name in sensors}
            found = baseline.judge(told, STEP_S) if told else None
            if found is None or not found.settled or at_s < _SKIPPED_S:
                continue
            rows.append([*(found.differences.get(m, 0.0) for m in MEASURES), *(float(m in told) for m in MEASURES)])
            truth.append(bool(stressed))
            probability.append(found.probability)
            whose.append(number)
    return Judged(np.array(rows), np.array(truth), np.array(probability), np.array(whose))


# --- measuring ---------------------------------------------------------------------------


def report(count: int, folder: Path | None, table: Path | None) -> None:
    """Print all figures of the model as it is, every judgement of 5 s for itself."""
    _print(f"exam, {count} invented people", invented("exam", count, 2), FITTED)
    if table is not None:
        people = windows(table)
        _print(f"{len(people)} people of WESAD", people, FITTED)
        short = [person.with_rest_of(_SHORT_S) for person in people]
        _print(f"the same after {_SHORT_S:.0f} s of rest", short, FITTED)
    if folder is not None:
        _report_crossed(invented("practice", count, 1), wristbands(folder))


def _print(name: str, people: Sequence[Person], model: Model) -> None:
    for title, sensors in SENSORS.items():
        print(f"{name}, {title}: {described(judged(people, model, sensors))}", flush=True)


def _report_crossed(practice: Sequence[Person], real: Sequence[Person]) -> None:
    """Each half of the people by a model fitted on the other; and by one that saw no real people at all."""
    halves = real[::2], real[1::2]
    models = fitted(practice, halves[1]), fitted(practice, halves[0])
    uncalibrated, both = fitted(practice, ()), SENSORS["heart and skin"]
    for title, sensors in SENSORS.items():
        crossed = together([judged(half, model, sensors) for half, model in zip(halves, models, strict=True)])
        print(f"{len(real)} people of Stress-Predict, {title}: {described(crossed)}", flush=True)
    print(f"  by a model of invented people alone: {described(judged(real, uncalibrated, both))}")


# --- fitting -----------------------------------------------------------------------------


def fit(count: int, folder: Path | None) -> None:
    """Print the weights."""
    print(fitted(invented("practice", count, 1), wristbands(folder) if folder else ()))


def fitted(practice: Sequence[Person], real: Sequence[Person]) -> Model:
    """A model of both, who weigh the same; a baseline depends on it, hence the rounds."""
    model, groups = _BEGIN, [people for people in (practice, real) if people]
    for _ in range(_ROUNDS):
        found = [[judged(people, model, sensors) for sensors in SENSORS.values()] for people in groups]
        model = _logistic([together([f for f in parts if len(f.truth)]) for parts in found])
    return model


def _logistic(groups: Sequence[Judged]) -> Model:
    """Newton's method on the ridge-penalised likelihood; stress and rest count the same, and so does each group."""
    weight = np.concatenate([_weights(group.truth) for group in groups])
    every = together(list(groups))
    matrix, truth = np.column_stack([every.rows, np.ones(len(every.truth))]), every.truth
    ridge = _RIDGE * weight.sum() * np.diag([1.0] * 8 + [1e-9])
    found = np.zeros(9)
    for _ in range(30):
        guess = 1 / (1 + np.exp(-matrix @ found))
        slope = matrix.T @ (weight * (truth - guess)) - ridge @ found
        bend = (matrix * (weight * guess * (1 - guess))[:, None]).T @ matrix + ridge
        found += np.linalg.solve(bend, slope)
    numbers = found.round(3).tolist()
    return Model(
        dict(zip(MEASURES, numbers[:4], strict=True)), dict(zip(MEASURES, numbers[4:8], strict=True)), numbers[8]
    )


def _weights(truth: npt.NDArray[np.bool_]) -> Floats:
    share = truth.mean()
    return np.where(truth, 0.5 / share, 0.5 / (1 - share)) / len(truth)
