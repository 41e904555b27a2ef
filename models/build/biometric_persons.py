"""Who is judged: people who do not exist, those of the Stress-Predict dataset, and the windows of WESAD."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import biometric_people
import numpy as np
import numpy.typing as npt

from sensorium.event import Conductance, EventStream, Modality, Pulse, Sample
from sensorium_agent.infer.biometric import BiometricPerceiver
from sensorium_agent.infer.biometric.arousal import Arousal, Baseline, log_scr

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

STEP_S = 5.0
_WINDOW_S, _APART_S = 60.0, 30.0
_PHASIC_TO_RISE = 40.0
"""From the deviation of the fast part of the skin to a rise within a minute; only its logarithm's change is judged."""


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """What was measured every 5 s, the seconds, and whether there was stress."""

    measures: Sequence[Mapping[str, float]]
    at_s: Floats
    stress: Flags

    def with_rest_of(self, rest_s: float) -> Person:
        """The same person, whose sensors were put on ``rest_s`` before the first stress."""
        begin = max(int(np.argmax(self.stress)) - round(rest_s / STEP_S), 0)
        return Person(self.measures[begin:], self.at_s[begin:] - self.at_s[begin] + STEP_S, self.stress[begin:])


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


# --- Stress-Predict ----------------------------------------------------------------------


def wristbands(folder: Path) -> list[Person]:
    """The people of Stress-Predict: wrist pulse at 64 Hz, skin at 4 Hz, tasks against all the rest of the hour."""
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


# --- WESAD -------------------------------------------------------------------------------


def windows(path: Path) -> list[Person]:
    """People of WESAD, of whom a table says what was measured in each minute, half a minute apart: rest, then stress.

    Its columns: subject, label (1 is stress), hrv_meanNN and hrv_rmssd in ms, eda_tonic_mean and eda_phasic_std in uS.
    """
    found: dict[str, list[dict[str, str]]] = {}
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["subject"], []).append(row)
    return [_windowed(rows) for rows in found.values()]


def _windowed(rows: Sequence[Mapping[str, str]]) -> Person:
    """A window says the same every 5 s until the next one ends."""
    steps = round(_APART_S / STEP_S)
    measures = [_of_window(row) for row in rows for _ in range(steps)]
    stress = np.repeat([row["label"] == "1" for row in rows], steps)
    return Person(measures, _WINDOW_S + STEP_S * np.arange(len(measures)), stress)


def _of_window(row: Mapping[str, str]) -> dict[str, float]:
    return {
        "bpm": 60_000 / float(row["hrv_meanNN"]),
        "log_rmssd": math.log(max(float(row["hrv_rmssd"]), 1.0)),
        "log_scl": math.log(max(float(row["eda_tonic_mean"]), 0.05)),
        "log_scr": log_scr(_PHASIC_TO_RISE * float(row["eda_phasic_std"])),
    }
