"""Reads what wristbands export: a folder with BVP.csv, EDA.csv and IBI.csv. See docs/body.md.

BVP.csv (pulse) and EDA.csv (skin) begin with a line for the Unix time of the first value and one for the rate, then a
value a line. IBI.csv begins with the Unix time; each line after it is a beat's time since then and the interval before
it, in seconds. That is how Empatica's E4 exports; research datasets of wristbands are often kept so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.capture.body import BeatSeries, Series, Signal, in_microsiemens
from sensorium_agent.capture.files import BadFile, read_text

Floats = npt.NDArray[np.float64]

_SIGNALS: Final = {"BVP.csv": Signal.PULSE, "EDA.csv": Signal.SKIN, "IBI.csv": Signal.RR}
_OLDEST_S: Final = 1e8
"""Unix times since 1973: no pulse and no conductance is so large."""
_FASTEST_HZ: Final = 10_000.0


@dataclass(frozen=True, slots=True, eq=False)
class Worn:
    """One sensor's series, and how many seconds after the first sensor it began."""

    series: Series | BeatSeries
    after_s: float


def signal_of(path: Path) -> Signal:
    """What a file of a wristband holds, by its name.

    Raises:
        BadFile: the name says nothing.
    """
    found = next((signal for name, signal in _SIGNALS.items() if name[:3].lower() in path.stem.lower()), None)
    if found is None:
        raise BadFile(f"its name does not say which sensor of a wristband wrote it: {', '.join(_SIGNALS)} are felt")
    return found


def is_export(text: str) -> bool:
    """Whether a file begins as a wristband's does: with a Unix time, in a line of its own or before ``IBI``."""
    first, *others = text.split("\n", 1)[0].strip().split(",")
    try:
        return float(first) > _OLDEST_S and [other.strip() for other in others] in ([], ["IBI"])
    except ValueError:
        return False


def read_folder(folder: Path) -> tuple[Worn, ...]:
    """What the sensors of one wristband felt; intervals only where there is no pulse, for they are made from it.

    Raises:
        BadFile: no such file is in it, or one is damaged.
        OSError: a file cannot be read.
    """
    found = {signal: folder / name for name, signal in _SIGNALS.items() if (folder / name).is_file()}
    if not found:
        raise BadFile(f"the folder has no recording.toml and none of {', '.join(_SIGNALS)}")
    if Signal.PULSE in found:
        found.pop(Signal.RR, None)
    begun = [(signal, *_exported(path, signal)) for signal, path in found.items()]
    first_s = min(begin_s for _, begin_s, _ in begun)
    return tuple(Worn(series, begin_s - first_s) for _, begin_s, series in begun)


def _exported(path: Path, signal: Signal) -> tuple[float, Series | BeatSeries]:
    """`read_export` of a file in a folder, whose name the refusal of the folder does not say."""
    try:
        return read_export(read_text(path), signal)
    except BadFile as error:
        raise BadFile(f"{path.name}: {error}") from error


def read_export(text: str, signal: Signal) -> tuple[float, Series | BeatSeries]:
    """The Unix time at which one exported file begins, and what is in it.

    Raises:
        BadFile: it does not begin with a time and a rate, or a line is no number.
    """
    rows = [line.split(",") for line in text.splitlines() if line.strip()]
    begin_s = _number(rows, 0)
    if signal is Signal.RR:
        return begin_s, _beats(rows)
    rate_hz = _number(rows, 1)
    if not 0 < rate_hz <= _FASTEST_HZ:
        raise BadFile(f"line 2: {rate_hz:g} is no rate in hertz")
    values = np.array([_number(rows, number) for number in range(2, len(rows))], np.float32)
    if not len(values):
        raise BadFile("there are no values in it")
    return begin_s, Series(in_microsiemens(values) if signal is Signal.SKIN else values, rate_hz, signal)


def _beats(rows: Sequence[Sequence[str]]) -> BeatSeries:
    numbers = range(1, len(rows))
    ends_s = np.array([_number(rows, number) for number in numbers], np.float64)
    lengths_s = np.array([_number(rows, number, 1) for number in numbers], np.float64)
    if not len(ends_s):
        raise BadFile("there are no intervals in it")
    if (lengths_s <= 0).any():
        raise BadFile(f"line {int(np.argmax(lengths_s <= 0)) + 2}: an interval between beats is not above 0")
    return BeatSeries((1000 * lengths_s).astype(np.float32), ends_s)


def _number(rows: Sequence[Sequence[str]], row: int, column: int = 0) -> float:
    try:
        return float(rows[row][column])
    except (IndexError, ValueError):
        raise BadFile(f"line {row + 1} is no number where one is needed") from None
