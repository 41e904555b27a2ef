"""How near the streamed heart rate is to heartpy's on its own recordings, and to the truth of NeuroKit2's simulator."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Event, EventStream, Modality, Pulse, Sample
from sensorium_agent.capture.body import Series, read_pulse
from sensorium_agent.capture.files import read_text
from sensorium_agent.infer.biometric import BiometricPerceiver
from sensorium_models import media

Floats = npt.NDArray[np.float64]
Spoil = Callable[[Floats, Floats, np.random.Generator], Floats]

RECORDINGS: Final = {"data.csv": 100.0, "data2.csv": None, "data3.csv": None}
SPAN_S: Final = 8.0
BPMS: Final = (48, 62, 75, 95, 130, 165)
RATES_HZ: Final = (25, 64, 125, 500)
_SECONDS: Final = 60


def perceive(values: npt.NDArray[np.floating[Any]], rate_hz: float) -> list[Event]:
    """The heart rates of a recording that is given in runs of 0.2 s."""
    perceiver = BiometricPerceiver(EventStream("s", Modality.BIOMETRIC))
    run, events = max(round(rate_hz / 5), 1), list[Event]()
    for number, begin in enumerate(range(0, len(values), run)):
        part = np.asarray(values[begin : begin + run], np.float32)
        at_ns = round((begin + len(part)) / rate_hz * 1e9)
        events += perceiver.perceive(Sample(Modality.BIOMETRIC, "pulse", number, at_ns, Pulse(part, rate_hz)))
    return [event for event in events if (event.label or "").startswith("heart_rate")]


def report() -> None:
    """Print all figures."""
    for name, rate_hz in RECORDINGS.items():
        _recording(name, read_pulse(read_text(media.path(f"heartpy/{name}")), rate_hz))
    for name, spoil in SPOILS.items():
        _simulated(name, spoil)


# --- recordings --------------------------------------------------------------------------


def _recording(name: str, series: Series) -> None:
    """Compare each answer with heartpy's on the same 8 s, which it sees whole."""
    begin = time.thread_time()
    events = perceive(series.values, series.rate_hz)
    spent, seconds = time.thread_time() - begin, len(series.values) / series.rate_hz
    print(f"{name}: {seconds:.0f} s at {series.rate_hz:.1f} Hz, {len(events)} answers, {spent / seconds:.2%} of a core")
    ours = np.array([float(event.metadata["bpm"]) for event in events])
    theirs = np.array([_heartpy(series, event.at_ns / 1e9) for event in events])
    quality = np.array([event.quality for event in events])
    for least in (0.3, 0.6):
        gaps = np.abs(ours - theirs)[(quality >= least) & np.isfinite(theirs)]
        print(
            f"  quality >= {least}: {len(gaps)} stretches, median {np.median(gaps):.2f} bpm, mean {gaps.mean():.2f},"
            f" p95 {np.quantile(gaps, 0.95):.1f}, within 2 bpm {share(gaps < 2)}"
        )

    third = _neurokit(series, [event.at_ns / 1e9 for event in events])
    apart = (np.abs(ours - theirs) >= 2) & np.isfinite(third)
    if apart.any():
        near = [float(np.mean(np.abs(one - third)[apart] < 4)) for one in (ours, theirs)]
        print(f"  where they are apart, NeuroKit2 is within 4 of us in {near[0]:.2f}, of heartpy in {near[1]:.2f}")


def _neurokit(series: Series, ends_s: Sequence[float]) -> Floats:
    """60 / median of the intervals that NeuroKit2 finds in the 8 s before each end, nan for fewer than three."""
    import neurokit2  # type: ignore[import-not-found]

    clean = neurokit2.ppg_clean(series.values.astype(np.float64), sampling_rate=series.rate_hz)
    at_s = neurokit2.ppg_findpeaks(clean, sampling_rate=series.rate_hz)["PPG_Peaks"] / series.rate_hz
    parts = [np.diff(at_s[(at_s > end - SPAN_S) & (at_s <= end)]) for end in ends_s]
    return np.array([60 / np.median(part) if len(part) > 2 else np.nan for part in parts])


def _heartpy(series: Series, end_s: float) -> float:
    """Heartpy's rate of the 8 s before ``end_s``, nan where it finds none."""
    import heartpy  # type: ignore[import-not-found]

    end = round(end_s * series.rate_hz)
    stretch = series.values[max(end - round(SPAN_S * series.rate_hz), 0) : end].astype(np.float64)
    try:
        return float(heartpy.process(stretch, series.rate_hz)[1]["bpm"])
    except (heartpy.exceptions.BadSignalWarning, ValueError, IndexError):
        return float("nan")


def share(found: npt.NDArray[np.bool_]) -> str:
    """A share and its 95 % interval by resampling whole tenths, since neighbours are not independent."""
    parts = np.array_split(found, 10)
    rng = np.random.default_rng(0)
    means = [np.concatenate([parts[k] for k in rng.integers(0, 10, 10)]).mean() for _ in range(400)]
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{found.mean():.3f} [{low:.3f}, {high:.3f}]"


# --- simulated ---------------------------------------------------------------------------


def _missing(values: Floats, at_s: Floats, rng: np.random.Generator) -> Floats:
    for begin_s in rng.uniform(5, _SECONDS - 5, 4):
        held = (at_s > begin_s) & (at_s < begin_s + 0.8)
        values[held] = values[held][0]
    return values


def _moved(values: Floats, at_s: Floats, rng: np.random.Generator) -> Floats:
    size = values.std()
    for begin_s in rng.uniform(5, _SECONDS - 5, 3):
        shaken = (at_s > begin_s) & (at_s < begin_s + 2)
        waves = np.stack([np.sin(2 * np.pi * 3 * at_s[shaken]), np.sin(2 * np.pi * 1.7 * at_s[shaken])])
        values[shaken] += rng.normal(0, 1, 2) @ waves * 4 * size
    return values


def _early(values: Floats, at_s: Floats, rng: np.random.Generator) -> Floats:
    """Eight beats come a quarter of a second too soon, and a pause makes up for it."""
    shift = sum(0.25 * np.exp(-(((at_s - begin_s) / 0.3) ** 2)) for begin_s in rng.uniform(3, _SECONDS - 3, 8))
    return np.interp(at_s + shift, at_s, values)


def _noisy(snr_db: float) -> Spoil:
    return lambda values, _, rng: values + rng.normal(0, values.std() * 10 ** (-snr_db / 20), len(values))


SPOILS: Final[dict[str, Spoil]] = {
    "clean": lambda values, _, __: values,
    "noise, SNR 10 dB": _noisy(10),
    "noise, SNR 5 dB": _noisy(5),
    "baseline wander": lambda v, t, _: v + 3 * v.std() * np.sin(2 * np.pi * 0.15 * t) + 5 * v.std() * t / t[-1],
    "upside down": lambda values, _, __: -values,
    "4 missing beats": _missing,
    "8 early beats": _early,
    "contact lost for 8 s": lambda v, t, _: np.where((t > 20) & (t < 28), v.min(), v),
    "3 x 2 s of movement": _moved,
}


def _simulated(name: str, spoil: Spoil) -> None:
    """Print how near the mean rate of a minute is to the rate that was simulated."""
    off, answers, first = [], [], []
    for seed, (bpm, rate_hz) in enumerate((bpm, rate_hz) for bpm in BPMS for rate_hz in RATES_HZ):
        events = perceive(100 * spoil(*_ppg(bpm, rate_hz, seed), np.random.default_rng(seed)) + 500, rate_hz)
        rates = [float(e.metadata["bpm"]) for e in events]
        off.append(abs(float(np.mean(rates)) - bpm) if rates else np.inf)
        answers.append(len(events) / _SECONDS)
        first += [events[0].at_ns / 1e9] if events else []
    print(
        f"{name}: mean of a minute within 2 bpm in {sum(gap < 2 for gap in off)} of {len(off)} (worst {max(off):.1f});"
        f" answers in {np.mean(answers):.2f} of the seconds, the first after {np.median(first):.1f} s"
    )


def _ppg(bpm: int, rate_hz: int, seed: int) -> tuple[Floats, Floats]:
    import neurokit2  # type: ignore[import-not-found]

    values = neurokit2.ppg_simulate(
        _SECONDS, rate_hz, bpm, frequency_modulation=0.2, ibi_randomness=0.1, drift=0, random_state=seed
    )
    return np.array(values, np.float64), np.arange(len(values)) / rate_hz
