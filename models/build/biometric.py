"""How close is the streamed heart rate to heartpy's, on heartpy's own recordings?

    pip install heartpy matplotlib scipy "setuptools<80"    # in an environment of its own, beside sensorium
    python models/build/biometric.py

For each event the same 8 s are given to ``heartpy.process``, which sees them whole. Without heartpy only our own
figures are printed. A made pulse of known rate shows the error against the truth.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sensorium.event import Event, EventStream, Modality, Pulse, Sample
from sensorium_agent.capture.files import Series, read_pulse, read_text
from sensorium_agent.infer.biometric import HeartPerceiver
from sensorium_models import media

RATES_HZ = {"data.csv": 100.0, "data2.csv": None, "data3.csv": None}
SPAN_S = 8.0

Reference = Callable[[npt.NDArray[np.float32], float], float]


def perceive(series: Series) -> list[Event]:
    """Every event, the recording given in runs of 0.2 s."""
    perceiver = HeartPerceiver(EventStream("s", Modality.BIOMETRIC), span_s=SPAN_S)
    run, events = round(series.rate_hz / 5), list[Event]()
    for number, begin in enumerate(range(0, len(series.values), run)):
        values = series.values[begin : begin + run]
        at_ns = round((begin + len(values)) / series.rate_hz * 1e9)
        sample = Sample(Modality.BIOMETRIC, "pulse", number, at_ns, Pulse(values, series.rate_hz))
        events += perceiver.perceive(sample)
    return events


def reference() -> Reference | None:
    """Heartpy's rate of a stretch, nan where it finds none; None where heartpy is not installed."""
    try:
        import heartpy  # type: ignore[import-not-found]
    except ImportError:
        return None

    def bpm(values: npt.NDArray[np.float32], rate_hz: float) -> float:
        try:
            return float(heartpy.process(values.astype(np.float64), rate_hz)[1]["bpm"])
        except heartpy.exceptions.BadSignalWarning:
            return float("nan")

    return bpm


def compare(name: str, series: Series, judge: Reference | None) -> None:
    """Print the differences, and what it cost."""
    begin = time.thread_time()
    events = perceive(series)
    spent = time.thread_time() - begin
    seconds = len(series.values) / series.rate_hz
    print(f"{name}: {seconds:.0f} s at {series.rate_hz:.1f} Hz, {len(events)} events, {spent / seconds:.2%} of a core")
    if judge is None:
        return
    apart = []
    for event in events:
        end = round(event.at_ns / 1e9 * series.rate_hz)
        stretch = series.values[max(end - round(SPAN_S * series.rate_hz), 0) : end]
        apart.append((float(event.metadata["bpm"]) - judge(stretch, series.rate_hz), event.quality))
    for least in (0.3, 0.6):
        gaps = np.abs([gap for gap, quality in apart if quality >= least and np.isfinite(gap)])
        print(
            f"  against heartpy, quality >= {least}: {len(gaps)} stretches, median {np.median(gaps):.2f} bpm,"
            f" mean {gaps.mean():.2f}, p95 {np.quantile(gaps, 0.95):.1f}, within 2 bpm {np.mean(gaps < 2):.3f}"
        )


def made(bpm: float, snr_db: float, rate_hz: float, seed: int, seconds: float = 60.0) -> Series:
    """A pulse with a dicrotic notch, breathing, drift and white noise, at a rate that varies by 3 %."""
    rng = np.random.default_rng(seed)
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    turn = 2 * np.pi * np.cumsum(bpm / 60 * (1 + 0.03 * np.sin(2 * np.pi * 0.1 * at))) / rate_hz
    beat = np.exp(3 * (np.cos(turn) - 1)) + 0.3 * np.exp(6 * (np.cos(turn - 2.2) - 1))
    noise = rng.normal(0, beat.std() / 10 ** (snr_db / 20), len(at))
    values = beat + 0.4 * np.sin(2 * np.pi * 0.2 * at) + 0.01 * at + noise
    return Series((500 + 100 * values).astype(np.float32), rate_hz)


def against_truth() -> None:
    """Print the error on made pulses, where the rate is known."""
    for snr_db in (20, 10, 0):
        gaps, heard = [], 0
        for seed, bpm in enumerate((40, 55, 70, 90, 120, 150, 180)):
            for rate_hz in (25.0, 50.0, 100.0, 250.0):
                events = perceive(made(bpm, snr_db, rate_hz, seed))
                heard += len(events)
                gaps += [abs(float(event.metadata["bpm"]) - bpm) for event in events]
        share = heard / (7 * 4 * 60)
        print(
            f"made pulses, 40 to 180 bpm, 25 to 250 Hz, SNR {snr_db} dB: answers in {share:.2f} of the seconds,"
            f" median error {np.median(gaps):.2f} bpm, p95 {np.quantile(gaps, 0.95):.1f}"
        )


def main() -> None:
    """Print all figures."""
    warnings.simplefilter("ignore")
    judge = reference()
    if judge is None:
        print("heartpy is not installed: no comparison with it")
    for name, rate_hz in RATES_HZ.items():
        compare(name, read_pulse(read_text(media.path(f"heartpy/{name}")), rate_hz), judge)
    against_truth()


if __name__ == "__main__":
    main()
