"""Fits and measures arousal: on people who do not exist, and on those of the Stress-Predict dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import biometric_people
import numpy as np
import numpy.typing as npt

from sensorium.event import Conductance, EventStream, Modality, Pulse, Sample
from sensorium_agent.infer.biometric import BiometricPerceiver
from sensorium_agent.infer.biometric.arousal import FITTED, MEASURES, Arousal, Baseline, Model

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SENSORS: Final[Mapping[str, Sequence[str]]] = {
    "heart and skin": MEASURES,
    "heart": ("bpm", "log_rmssd"),
    "rate alone": ("bpm",),
    "skin": ("log_scl", "scr_per_min"),
    "rate and skin": ("bpm", "log_scl", "scr_per_min"),
}
_SKIPPED_S: Final = 60.0
_RIDGE: Final = 3e-3
_PRACTICE: Final = 3
"""How often people who do not exist count against those who do: E4 wristbands are not the only sensors."""
_SURE: Final = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """What was measured every 5 s, the seconds, and whether there was stress."""

    measures: Sequence[Mapping[str, float]]
    at_s: Floats
    stress: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Rows of several people: differences and what was there, truth, probability, and whose they are."""

    rows: Floats
    truth: Flags
    probability: Floats
    whose: npt.NDArray[np.int64]


class _Listener(Baseline):
    """Keeps what the perceiver measures."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[dict[str, float]] = []

    def judge(self, measures: Mapping[str, float], seconds: float) -> Arousal:
        self.heard.append(dict(measures))
        return super().judge(measures, seconds)


def measured(samples: Iterable[Sample], stress: Flags) -> Person:
    """One person through the perceiver; ``stress`` has one value a second."""
    listener, at_s, seen = _Listener(), list[float](), 0
    perceiver = BiometricPerceiver(EventStream("s", Modality.BIOMETRIC), baseline=lambda: listener)
    for sample in samples:
        perceiver.perceive(sample)
        at_s += [sample.at_ns / 1e9] * (len(listener.heard) - seen)
        seen = len(listener.heard)
    times = np.array(at_s)
    return Person(listener.heard, times, stress[np.clip(times.astype(int) - 1, 0, len(stress) - 1)])


def invented(kind: biometric_people.Kind, count: int, seed: int) -> list[Person]:
    """``count`` people who do not exist."""
    sessions = (biometric_people.session(kind, np.random.default_rng((seed, n))) for n in range(count))
    return [measured(session.samples(), session.stress) for session in sessions]


# --- people who do -----------------------------------------------------------------------


def real(folder: Path) -> list[Person]:
    """The people of the Stress-Predict dataset: wrist pulse at 64 Hz, skin at 4 Hz, tasks against rest between them."""
    labels = _labels(folder / "Processed_data" / "Improved_All_Combined_hr_rsp_binary.csv")
    return [measured(*_worn(folder / "Raw_data" / f"S{number:02d}", rows)) for number, rows in sorted(labels.items())]


def _labels(path: Path) -> dict[int, Floats]:
    """Unix seconds and 0 or 1, for each person."""
    found: dict[int, list[tuple[float, float]]] = {}
    for line in path.read_text().splitlines()[1:]:
        number, _, _, at_s, label = line.split(",")
        if number and at_s and label:
            found.setdefault(int(number), []).append((float(at_s), float(label)))
    return {number: np.array(rows) for number, rows in found.items()}


def _worn(folder: Path, rows: Floats) -> tuple[Iterator[Sample], Flags]:
    seconds = np.arange(rows[0, 0], rows[-1, 0])
    stress = np.interp(seconds + 1, rows[:, 0], rows[:, 1]) > 0.5
    return _seconds(_signal(folder / "EDA.csv"), _signal(folder / "BVP.csv"), seconds), stress


def _signal(path: Path) -> tuple[float, float, Floats]:
    """When it began, its rate, and its values."""
    begin, rate, *values = np.loadtxt(path, delimiter=",")
    return float(begin), float(rate), np.array(values)


def _seconds(skin: tuple[float, float, Floats], pulse: tuple[float, float, Floats], at: Floats) -> Iterator[Sample]:
    for number, begin_s in enumerate(at.tolist()):
        for name, (start, rate, values), kind in (("skin", skin, Conductance), ("pulse", pulse, Pulse)):
            first = round((begin_s - start) * rate)
            run = values[max(first, 0) : max(first + round(rate), 0)].astype(np.float32)
            if len(run):
                yield Sample(Modality.BIOMETRIC, name, number, (number + 1) * 10**9, kind(run, rate))


# --- judging -----------------------------------------------------------------------------


def judged(people: Sequence[Person], model: Model, sensors: Sequence[str]) -> Judged:
    """Every settled judgement after the first minute, each person with a baseline of their own."""
    rows, truth, probability, whose = [], [], [], []
    for number, person in enumerate(people):
        baseline = Baseline(model)
        for measures, at_s, stressed in zip(person.measures, person.at_s, person.stress, strict=True):
            told = {name: value for name, value in measures.items() if name in sensors}
            found = baseline.judge(told, 5.0) if told else None
            if found is None or not found.settled or at_s < _SKIPPED_S:
                continue
            rows.append([*(found.differences.get(m, 0.0) for m in MEASURES), *(float(m in told) for m in MEASURES)])
            truth.append(bool(stressed))
            probability.append(found.probability)
            whose.append(number)
    return Judged(np.array(rows), np.array(truth), np.array(probability), np.array(whose))


def area(truth: Flags, score: Floats) -> float:
    """Under the receiver operating characteristic (Mann and Whitney's U)."""
    order = np.argsort(score, kind="stable")
    ranks = np.empty(len(score))
    ranks[order] = np.arange(1, len(score) + 1)
    ones = int(truth.sum())
    return float((ranks[truth].sum() - ones * (ones + 1) / 2) / (ones * (len(truth) - ones)))


def _balanced(truth: Flags, score: Floats) -> float:
    return float(np.mean(score[truth] >= 0.5) + np.mean(score[~truth] < 0.5)) / 2


def _calibration_error(truth: Flags, score: Floats) -> float:
    """Mean distance of probability and share over ten bins, each by its size."""
    bins = np.minimum((score * 10).astype(int), 9)
    parts = [(score[bins == k], truth[bins == k]) for k in range(10) if (bins == k).any()]
    return float(sum(len(p) * abs(p.mean() - t.mean()) for p, t in parts) / len(score))


def _interval(found: Judged) -> str:
    """95 % interval of the area by resampling people."""
    rng, people = np.random.default_rng(0), np.unique(found.whose)
    rows = [np.flatnonzero(found.whose == person) for person in people]
    areas = []
    for _ in range(300):
        drawn = np.concatenate([rows[k] for k in rng.integers(0, len(rows), len(rows))])
        areas.append(area(found.truth[drawn], found.probability[drawn]))
    return "[{:.3f}, {:.3f}]".format(*np.quantile(areas, (0.025, 0.975)))


def _print(name: str, people: Sequence[Person], model: Model) -> None:
    for title, sensors in SENSORS.items():
        found = judged(people, model, sensors)
        truth, score = found.truth, found.probability
        sure = np.maximum(score, 1 - score) >= _SURE
        print(
            f"{name}, {title}: AUROC {area(truth, score):.3f} {_interval(found)}, balanced accuracy"
            f" {_balanced(truth, score):.3f}, calibration error {_calibration_error(truth, score):.3f};"
            f" sure in {sure.mean():.2f}, then right in {((score >= 0.5) == truth)[sure].mean():.3f}"
        )


def report(count: int, folder: Path | None) -> None:
    """Print all figures, every judgement of 5 s for itself."""
    _print(f"exam, {count} invented people", invented("exam", count, 2), FITTED)
    if folder is not None:
        _print("17 real people not fitted on", real(folder)[1::2], FITTED)


# --- fitting -----------------------------------------------------------------------------


def fit(count: int, folder: Path | None) -> None:
    """Print the weights; a baseline depends on them, hence the rounds."""
    groups = [invented("practice", count, 1)] * _PRACTICE + ([real(folder)[::2]] if folder else [])
    model = FITTED
    for _ in range(4):
        found = [judged(people, model, sensors) for people in groups for sensors in SENSORS.values()]
        model = _logistic(np.concatenate([f.rows for f in found]), np.concatenate([f.truth for f in found]))
    print(model)


def _logistic(rows: Floats, truth: Flags) -> Model:
    """Newton's method on the ridge-penalised likelihood; stress and rest count the same."""
    matrix, share = np.column_stack([rows, np.ones(len(rows))]), truth.mean()
    weight = np.where(truth, 0.5 / share, 0.5 / (1 - share))
    ridge = _RIDGE * len(rows) * np.diag([1.0] * 8 + [1e-9])
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
