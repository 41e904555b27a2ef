"""Skin, baseline and arousal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sensorium.event import Conductance, EventStream, Intervals, Modality, Sample
from sensorium_agent.infer.biometric import BiometricPerceiver
from sensorium_agent.infer.biometric.arousal import MEASURES, Baseline, log_scr, verdict
from sensorium_agent.infer.biometric.skin import Skin

RESPONSE = np.exp(-np.arange(0, 20, 0.01) / 4) - np.exp(-np.arange(0, 20, 0.01) / 0.8)


def skin(at_s: list[float], rise_us: float = 0.4, level_us: float = 5.0, seconds: int = 60, rate_hz: int = 100):
    """Responses on a level, made at 100 Hz and thinned out to ``rate_hz``."""
    curve = np.full(seconds * 100, level_us)
    for at in at_s:
        part = rise_us * RESPONSE / RESPONSE.max()
        begin = int(at * 100)
        curve[begin : begin + len(part)] += part[: len(curve) - begin]
    return curve[:: 100 // rate_hz].astype(np.float32)


def felt(curve: np.ndarray, rate_hz: float) -> tuple[Skin, list[float]]:
    one, rises = Skin(), []
    step = max(round(rate_hz), 1)
    for begin in range(0, len(curve), step):
        run = curve[begin : begin + step]
        rises += [r.rise_us for r in one.feed(run, rate_hz, (begin + len(run)) / rate_hz)]
    return one, rises


@pytest.mark.parametrize("rate_hz", [4, 10, 100])
def test_each_response_of_the_skin_is_found_with_its_size_at_any_rate(rate_hz: int) -> None:
    one, rises = felt(skin([5, 20, 35], rate_hz=rate_hz), rate_hz)

    assert rises == pytest.approx([0.4] * 3, rel=0.15)
    assert one.responses_per_min == pytest.approx(3, abs=0.2)
    assert one.level_us == pytest.approx(5.0, abs=0.05)


def test_drift_noise_and_electrodes_that_slip_are_no_responses() -> None:
    noise = np.random.default_rng(1).normal(0, 0.004, 240)
    drift = np.linspace(5, 4, 240)
    slipped = np.where(np.arange(240) % 80 > 40, 0.0, drift)

    assert felt((drift + noise).astype(np.float32), 4)[1] == []
    assert felt(slipped.astype(np.float32), 4)[1] == []
    assert not felt(np.zeros(40, np.float32), 4)[0].touches


def test_a_response_is_an_event_with_its_size() -> None:
    perceiver = BiometricPerceiver(EventStream("s", Modality.BIOMETRIC))
    runs = skin([10], rate_hz=4).reshape(-1, 4)

    events = [
        e
        for n, run in enumerate(runs)
        for e in perceiver.perceive(Sample(Modality.BIOMETRIC, "skin", n, (n + 1) * 10**9, Conductance(run, 4.0)))
    ]

    (event,) = [e for e in events if e.label == "skin_response"]
    assert float(event.metadata["scr_us"]) == pytest.approx(0.4, rel=0.15)
    assert 10 < event.at_ns / 1e9 < 16
    assert event.score > 0.9


# --- baseline ----------------------------------------------------------------------------


def judged(bpms: list[float]) -> list[float]:
    baseline = Baseline()
    return [baseline.judge({"bpm": bpm}, 5.0).probability for bpm in bpms]


def test_what_is_usual_differs_between_people() -> None:
    slow, fast = judged([55.0] * 40 + [72.0]), judged([88.0] * 40 + [88.0])

    assert slow[-1] > 0.8
    assert fast[-1] < 0.5


def test_the_baseline_knows_nothing_of_what_comes() -> None:
    past = judged([70.0, 72.0, 69.0] * 10)

    assert judged([70.0, 72.0, 69.0] * 10 + [120.0] * 20)[:30] == past


def test_arousal_does_not_soon_become_usual() -> None:
    aroused = judged([65.0] * 40 + [85.0] * 60)

    assert min(aroused[40:]) > 0.8


def test_more_kinds_of_evidence_make_it_surer() -> None:
    baseline = Baseline()
    rest = {"bpm": 65.0, "log_rmssd": 3.7, "log_scl": 1.2, "log_scr": -1.0}
    for _ in range(40):
        baseline.judge(rest, 5.0)

    everything = baseline.judge({"bpm": 72.0, "log_rmssd": 3.3, "log_scl": 1.6, "log_scr": 0.5}, 5.0)

    assert everything.settled
    assert everything.probability > judged([65.0] * 40 + [72.0])[-1]


def test_nothing_is_said_before_half_a_minute() -> None:
    baseline = Baseline()

    assert [baseline.judge({"bpm": 70.0}, 5.0).settled for _ in range(8)] == [False] * 6 + [True] * 2


# --- whole -------------------------------------------------------------------------------


def person(bpm: float, rise_bpm: float, seed: int) -> Iterator[Sample]:
    """Four minutes of rest, then three of stress: the heart's intervals and the skin."""
    rng = np.random.default_rng(seed)
    skin_us = skin(sorted([*rng.uniform(0, 230, 8), *rng.uniform(240, 410, 27)]), level_us=4.0, seconds=420, rate_hz=4)
    at_s = 0.0
    for second in range(420):
        at_ns = (second + 1) * 10**9
        run = skin_us[4 * second : 4 * second + 4] * (1.15 if second > 240 else 1.0)
        yield Sample(Modality.BIOMETRIC, "skin", second, at_ns, Conductance(run.astype(np.float32), 4.0))
        while at_s < second + 1:
            ms = 60_000 / (bpm + rise_bpm * (second >= 240)) + rng.normal(0, 25 if second < 240 else 15)
            at_s += ms / 1e3
            yield Sample(
                Modality.BIOMETRIC, "strap", 0, max(round(at_s * 1e9), at_ns - 10**9), Intervals(np.array([ms]))
            )


@pytest.mark.parametrize("bpm", [56.0, 84.0])
def test_stress_is_told_from_rest_in_people_of_any_rate(bpm: float) -> None:
    perceiver = BiometricPerceiver(EventStream("s", Modality.BIOMETRIC))

    events = [event for sample in person(bpm, 12.0, 1) for event in perceiver.perceive(sample)]

    def share(begin_s: float, end_s: float) -> float:
        told = [
            float(e.metadata["arousal"]) for e in events if begin_s < e.at_ns / 1e9 <= end_s and "arousal" in e.metadata
        ]
        return float(np.mean(told))

    assert share(60, 240) < 0.35
    assert share(290, 420) > 0.65
    assert {e.label for e in events if e.at_ns > 290 * 10**9} >= {"arousal_high", "skin_response"}


def test_the_next_recording_is_another_person() -> None:
    perceiver = BiometricPerceiver(EventStream("s", Modality.BIOMETRIC))
    for sample in person(60.0, 10.0, 2):
        perceiver.perceive(sample)
    perceiver.finish(0)

    first = [e.metadata for s in list(person(60.0, 10.0, 2))[:40] for e in perceiver.perceive(s)]

    assert first
    assert all("arousal" not in told for told in first)


def test_what_was_said_holds_until_the_opposite_is_more_probable() -> None:
    said, told = None, []
    for probability in (0.6, 0.72, 0.6, 0.52, 0.48, 0.6, 0.25, 0.45, 0.55):
        said = verdict(said, probability, 0.7)
        told.append(said)

    high, low = "arousal_high", "arousal_low"
    assert told == [None, high, high, high, None, None, low, low, None]


def test_what_the_responses_rise_together_is_measured_over_a_minute() -> None:
    one, rises = felt(skin([70, 80, 90], rise_us=0.5, seconds=120, rate_hz=4), 4)

    assert one.rise_us_per_min == pytest.approx(sum(rises))
    assert log_scr(sum(rises)) > log_scr(0.0)


@pytest.mark.parametrize("rate_hz", [1.0, 2.0])
def test_a_slow_sensor_of_the_skin_loses_little_of_a_response(rate_hz: float) -> None:
    _, rises = felt(skin([5, 20, 35], rate_hz=100)[:: round(100 / rate_hz)], rate_hz)

    assert rises == pytest.approx([0.4] * 3, rel=0.25)


def test_the_newest_judgement_can_be_asked_for() -> None:
    perceiver = BiometricPerceiver(EventStream("s", Modality.BIOMETRIC))
    samples = list(person(60.0, 10.0, 2))

    for sample in samples[:30]:
        perceiver.perceive(sample)
    assert perceiver.arousal is None
    for sample in samples[30:200]:
        perceiver.perceive(sample)

    assert perceiver.arousal is not None
    assert set(perceiver.arousal.differences) <= set(MEASURES)
