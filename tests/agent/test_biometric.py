"""The heart rate in a raw pulse, or in the intervals between beats."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from sensorium.event import Event, EventStream, Intervals, Modality, Pulse, Sample
from sensorium_agent.infer.biometric import FEATURES, NORMAL, BiometricPerceiver, Bounds, Limits, name
from sensorium_agent.infer.biometric.pulse import band, find, flat
from sensorium_agent.infer.biometric.rhythm import History, rate_of, variability

Curve = npt.NDArray[np.float32]


def pulse(bpm: float, rate_hz: float = 100.0, seconds: float = 30.0, noise: float = 0.02, seed: int = 1) -> Curve:
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    turn = 2 * np.pi * bpm / 60 * at
    beat = np.exp(3 * (np.cos(turn) - 1)) + 0.3 * np.exp(6 * (np.cos(turn - 2.2) - 1))
    breath = 0.4 * np.sin(2 * np.pi * 0.2 * at)
    shake = np.random.default_rng(seed).normal(0, noise, len(at))
    return (512 + 100 * (beat + breath + shake)).astype(np.float32)


def runs(curve: Curve, rate_hz: float = 100.0, size: int = 20, start_ns: int = 0) -> Iterator[Sample]:
    for number, begin in enumerate(range(0, len(curve), size)):
        run = curve[begin : begin + size]
        at_ns = start_ns + round((begin + len(run)) / rate_hz * 1e9)
        yield Sample(Modality.BIOMETRIC, "pulse", number, at_ns, Pulse(run, rate_hz), at_error_ns=3)


def a_heart(bounds: Bounds = NORMAL) -> BiometricPerceiver:
    return BiometricPerceiver(EventStream("s", Modality.BIOMETRIC), limits=Limits(bounds))


def feel(samples: Iterator[Sample], heart: BiometricPerceiver | None = None) -> list[Event]:
    heart = heart or a_heart()
    events = [event for sample in samples for event in heart.perceive(sample)]
    return [event for event in events if (event.label or "").startswith("heart_rate")]


@pytest.mark.parametrize("bpm", [42, 60, 75, 110, 160, 195])
@pytest.mark.parametrize("rate_hz", [25.0, 100.0, 333.0])
def test_the_rate_is_found_at_any_sampling_rate(bpm: float, rate_hz: float) -> None:
    events = feel(runs(pulse(bpm, rate_hz), rate_hz, round(rate_hz / 5)))

    assert len(events) >= 20
    assert all(abs(float(e.metadata["bpm"]) - bpm) < 1.5 for e in events[4:])


@pytest.mark.parametrize(
    ("bpm", "label"), [(42, "heart_rate_low"), (70, "heart_rate_normal"), (130, "heart_rate_high")]
)
def test_the_label_follows_the_bounds(bpm: float, label: str) -> None:
    assert {e.label for e in feel(runs(pulse(bpm)))} == {label}


def test_the_bounds_are_a_setting() -> None:
    assert {e.label for e in feel(runs(pulse(70)), a_heart(Bounds(high_bpm=65)))} == {"heart_rate_high"}


def test_a_rate_near_a_bound_is_less_sure() -> None:
    assert name(100.0, 1.0)[1] == pytest.approx(0.5)
    assert name(70.0, 1.0) == ("heart_rate_normal", pytest.approx(1.0))
    assert name(103.0, 1.0)[1] > name(103.0, 5.0)[1]


def test_an_event_comes_about_once_a_second_with_the_time_of_its_last_sample() -> None:
    events = feel(runs(pulse(70), start_ns=10**12))

    assert set(np.diff([e.at_ns for e in events])) == {10**9}
    assert (events[-1].at_ns, events[-1].at_error_ns) == (10**12 + 30 * 10**9, 3)
    assert 7e9 < events[-1].span_ns <= 8e9


def test_the_length_of_the_runs_changes_no_rate() -> None:
    curve = pulse(70)
    short = {e.at_ns: e.metadata["bpm"] for e in feel(runs(curve, size=1))}

    assert {e.at_ns: e.metadata["bpm"] for e in feel(runs(curve, size=50))} == short


def test_the_second_wave_of_a_beat_is_no_beat() -> None:
    found = find(pulse(50, noise=0.0), 100.0)

    assert found is not None
    assert len(found.at) == pytest.approx(25, abs=1)


@pytest.mark.parametrize("bpm", [45, 70, 150])
def test_a_sensor_that_counts_the_other_way_gives_the_same_rate(bpm: float) -> None:
    events = feel(runs(1000 - pulse(bpm)))

    assert all(abs(float(e.metadata["bpm"]) - bpm) < 1.5 for e in events[4:])


def test_wander_and_steps_of_the_level_change_no_rate() -> None:
    at = np.arange(3000) / 100
    curve = pulse(72) + 300 * np.sin(2 * np.pi * 0.15 * at) + 200 * (at > 12) + 20 * at

    events = feel(runs(curve.astype(np.float32)))

    assert len(events) > 20
    assert all(abs(float(e.metadata["bpm"]) - 72) < 2 for e in events)


def test_a_slow_wave_of_movement_is_no_slow_heart() -> None:
    at = np.arange(6000) / 100
    curve = pulse(80, seconds=60)
    curve[3000:3800] += (150 * np.sin(2 * np.pi * 0.65 * at[3000:3800])).astype(np.float32)

    assert all(float(e.metadata["bpm"]) > 60 for e in feel(runs(curve)))


@pytest.mark.parametrize(
    "curve",
    [
        np.full(3000, 512, np.float32),
        np.random.default_rng(1).normal(512, 50, 3000).astype(np.float32),
        np.linspace(0, 1000, 3000).astype(np.float32),
    ],
    ids=["flat", "noise", "drift"],
)
def test_where_there_is_no_pulse_nothing_is_said(curve: Curve) -> None:
    assert feel(runs(curve)) == []


def test_quality_falls_with_noise() -> None:
    clean, noisy = feel(runs(pulse(70, noise=0.02)))[-1], feel(runs(pulse(70, noise=0.5)))[-1]

    assert noisy.quality < clean.quality
    assert clean.quality > 0.8


def test_one_missed_beat_does_not_change_the_rate() -> None:
    curve = pulse(60)
    # The beat at 26 s is lost: the sensor slipped for half a second.
    curve[2570:2630] = curve[2570]

    events = feel(runs(curve))

    assert all(abs(float(e.metadata["bpm"]) - 60) < 2 for e in events)


def test_after_a_gap_the_beats_before_it_are_forgotten() -> None:
    heart, curve = a_heart(), pulse(70)
    feel(runs(curve), heart)

    later = feel(runs(curve[:100], start_ns=10**12), heart)

    assert later == []


def test_finish_lets_the_next_recording_begin_anew() -> None:
    heart = a_heart()
    first = feel(runs(pulse(70)), heart)
    assert heart.finish(0) == ()

    again = feel(runs(pulse(70)), heart)

    assert [e.metadata["bpm"] for e in again] == [e.metadata["bpm"] for e in first]


def test_the_features_are_finite_and_say_what_they_promise() -> None:
    event = feel(runs(pulse(60)))[-1]

    assert event.features is not None
    features = event.features.array()
    assert features.shape == (FEATURES,)
    assert np.isfinite(features).all()
    assert features[0] == pytest.approx(0.3, abs=0.01)
    assert features[1] == pytest.approx(1.0, abs=0.02)
    assert features[22:24].tolist() == [0.5, 1.0]
    assert np.abs(features[24:]).max() < 0.1


def test_the_band_makes_no_step_of_the_sensors_level() -> None:
    assert np.abs(band(np.full(100, 30_000.0), 100.0)).max() < 1e-6
    assert flat(np.full(100, 30_000, np.float32))


# --- contact -----------------------------------------------------------------------------


def all_of(curve: Curve) -> list[Event]:
    heart = a_heart()
    return [event for sample in runs(curve) for event in heart.perceive(sample)]


def test_a_sensor_that_comes_off_is_told_once_and_nothing_is_made_up() -> None:
    curve = pulse(70, seconds=60)
    curve[3000:4500] = curve.min()

    events = all_of(curve)

    lost = [e for e in events if e.label == "contact_lost"]
    assert [(e.at_ns // 10**9, e.metadata["contact"]) for e in lost] == [(32, "lost")]
    assert not [e for e in events if (e.label or "").startswith("heart") and 32 <= e.at_ns / 1e9 < 47]
    assert [e for e in events if (e.label or "").startswith("heart") and e.at_ns / 1e9 > 50]


def test_a_pulse_much_smaller_than_usual_is_no_contact() -> None:
    curve = pulse(70, seconds=60, noise=0.0)
    curve[3000:] = 512 + (curve[3000:] - 512) * 0.02

    assert "contact_lost" in [e.label for e in all_of(curve)]


def test_a_coarse_sensor_read_often_is_in_contact() -> None:
    curve = np.round(pulse(60, 500.0) / 12) * 12

    events = feel(runs(curve.astype(np.float32), 500.0, 100))

    assert len(events) > 20
    assert all(abs(float(e.metadata["bpm"]) - 60) < 2 for e in events[4:])


def test_violent_movement_lowers_the_quality() -> None:
    curve = pulse(70, seconds=30)
    curve[2000:2200] += (2000 * np.sin(np.arange(200) / 4)).astype(np.float32)

    events = {e.at_ns // 10**9: e for e in feel(runs(curve))}

    assert 21 not in events or float(events[21].metadata["motion"]) > 0.5
    assert 15 in events
    assert events[15].metadata["motion"] == "0.00"


# --- intervals ---------------------------------------------------------------------------


def strap(intervals_ms: npt.NDArray[np.floating]) -> Iterator[Sample]:
    ends = np.cumsum(intervals_ms) * 1e6
    for number, (end_ns, ms) in enumerate(zip(ends.tolist(), intervals_ms.tolist(), strict=True)):
        yield Sample(Modality.BIOMETRIC, "strap", number, round(end_ns), Intervals(np.array([ms], np.float32)))


def test_intervals_give_rate_and_variability() -> None:
    intervals = 800 + 40 * np.random.default_rng(3).normal(0, 1, 90)

    events = feel(strap(intervals))

    last = events[-1].metadata
    recent = intervals[np.cumsum(intervals) > np.cumsum(intervals)[-1] - 60_000] / 1e3
    assert float(last["bpm"]) == pytest.approx(75, abs=2)
    assert float(last["rmssd_ms"]) == pytest.approx(1e3 * np.sqrt(np.mean(np.diff(recent) ** 2)), rel=0.05)
    assert float(last["sdnn_ms"]) == pytest.approx(1e3 * recent.std(ddof=1), rel=0.05)


def test_extra_and_missed_beats_change_neither_rate_nor_variability() -> None:
    clean = 800 + 20 * np.random.default_rng(4).normal(0, 1, 80)
    spoiled = clean.copy()
    spoiled[[20, 50]] = 480
    spoiled[[21, 51]] = 1120
    spoiled[35] = 1600

    rate, found, expected = rate_of(spoiled / 1e3), variability(spoiled / 1e3), variability(clean / 1e3)

    assert rate is not None
    assert found is not None
    assert expected is not None
    assert rate.bpm == pytest.approx(75, abs=0.5)
    assert found.rmssd_ms == pytest.approx(expected.rmssd_ms, rel=0.1)


def test_too_few_intervals_say_nothing() -> None:
    assert rate_of([0.8, 0.8]) is None
    assert variability([0.8] * 10) is None


def test_no_interval_spans_a_gap() -> None:
    history = History(60.0)
    history.beats([1.0, 1.8, 2.6])
    history.tear()
    history.beats([9.0, 9.8])

    assert history.since(0.0) == pytest.approx([0.8, 0.8, 0.8])


@pytest.mark.needs_media
def test_the_rate_of_a_real_recording_is_the_one_heartpy_finds() -> None:
    from sensorium_agent.capture.body import read_pulse
    from sensorium_agent.capture.files import read_text
    from sensorium_models import media

    series = read_pulse(read_text(media.path("heartpy/data.csv")), 100.0)

    events = feel(runs(series.values))

    # heartpy 1.2.7 on the whole recording: 60.4
    assert len(events) > 10
    assert np.mean([float(e.metadata["bpm"]) for e in events]) == pytest.approx(60, abs=2)


@pytest.mark.parametrize("rate_hz", [10.0, 1000.0])
@pytest.mark.parametrize("bpm", [50, 100, 150])
def test_ten_to_a_thousand_values_a_second_will_do(rate_hz: float, bpm: float) -> None:
    events = feel(runs(pulse(bpm, rate_hz), rate_hz, round(rate_hz / 5)))

    assert all(abs(float(e.metadata["bpm"]) - bpm) < 1.5 for e in events[4:])


def test_too_few_values_a_second_are_no_slow_heart() -> None:
    assert feel(runs(pulse(100, 6.0), 6.0, 2)) == []


@pytest.mark.parametrize("spoiled", ["clipped", "holes"])
def test_what_a_sensor_cannot_show_changes_no_rate(spoiled: str) -> None:
    curve = pulse(72, 64.0, seconds=60.0)
    curve = np.clip(curve, None, np.quantile(curve, 0.9)) if spoiled == "clipped" else curve
    curve[1000:1300] = np.nan if spoiled == "holes" else curve[1000:1300]

    events = feel(runs(curve.astype(np.float32), 64.0, 13))

    assert len(events) > 30
    assert all(abs(float(e.metadata["bpm"]) - 72) < 2 for e in events)
