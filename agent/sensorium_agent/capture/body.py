"""Reads files of heart and skin: raw pulse, intervals between beats, skin conductance. See docs/recording.md.

The file's text in, runs out; every refusal says the line.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.capture.files import BadFile

Floats = npt.NDArray[np.float64]
log = logging.getLogger(__name__)

_RATE: Final = re.compile(r"rate(?:_hz)?\s*[:=]\s*(\d*[.,]?\d+(?:e[+-]?\d+)?)", re.IGNORECASE)
_UNIT: Final = re.compile(r"\s*[(\[][^(\[]*[)\]]$")
_RESISTANCE: Final = re.compile(r"ohms?\W*$|\N{GREEK SMALL LETTER OMEGA}\W*$")
_QUOTED: Final = re.compile(r'"([^"]*)"')
_SLOWEST_S: Final = 0.5
_SLOWEST_SKIN_S: Final = 10.0
"""A body is not measured less often than this, nor does a heart beat: a larger step is in milliseconds or less."""
_FINER: Final = 3
"""Milli-, micro-, nanoseconds."""
_SLOWEST_BEAT_S: Final = 5.0
_LARGEST: Final = 1e30
"""What float32 and its squares hold."""
_FASTEST_HZ: Final = 10_000.0
_MOST_VALUES: Final = 10_000_000
"""With gaps filled; more, where no tenth of it was measured, is some other number taken for a time."""
_SPARSE: Final = 10
_GAP_S: Final = 0.5
_GAP_STEPS: Final = 5
_IN_SECONDS: Final = 10.0
"""No heart beats every 10 ms: intervals below are in seconds."""
_IN_SIEMENS: Final = 1e-3
_IN_NANOSIEMENS: Final = 100.0
"""Skin conducts 0.05 to 60 uS: smaller medians are in siemens, larger ones in nanosiemens."""


class Signal(StrEnum):
    """What a column holds."""

    TIME = "time"
    PULSE = "pulse"
    RR = "rr"
    SKIN = "skin"


_NAMES: Final[Mapping[str, Signal]] = {
    **dict.fromkeys(("ppg", "bvp", "pulse", "pleth", "ir", "red", "green", "signal", "value"), Signal.PULSE),
    **dict.fromkeys(("t", "t_s", "t_ms", "time", "time_s", "time_ms", "timer", "timestamp", "datetime"), Signal.TIME),
    **dict.fromkeys(("rr", "rr_ms", "rr_s", "ibi", "ibi_ms", "ibi_s", "nn", "nn_ms", "rri", "rr_interval"), Signal.RR),
    **dict.fromkeys(
        ("eda", "eda_us", "gsr", "gsr_us", "sc", "sc_us", "scl", "scl_us", "skin", "skin_us", "skin_conductance"),
        Signal.SKIN,
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values at a constant rate, float32 [n]: a raw pulse in any unit, or skin conductance in microsiemens."""

    values: npt.NDArray[np.float32]
    rate_hz: float
    signal: Signal = Signal.PULSE


@dataclass(frozen=True, slots=True, eq=False)
class BeatSeries:
    """Intervals between beats: ``ms`` is float32 [n], the i-th of which ends at ``ends_s[i]``."""

    ms: npt.NDArray[np.float32]
    ends_s: Floats


def read_body(
    text: str, rate_hz: float | None = None, signal: Signal = Signal.PULSE
) -> tuple[Series | BeatSeries, ...]:
    """What a file of comma, semicolon or tab separated columns holds: one series for each column but the time.

    A first line of names says what they are (``t_s,ppg,eda_us``; ``rr_ms``; where no name is known, the only column
    beside the time is a pulse, and what is unknown beside what is known is passed over); without one a single column,
    or the second of two, is ``signal``. Times are seconds, milliseconds (found by their step) or
    dates; uneven ones are brought to the median rate, or to ``rate_hz``, by straight lines.

    Raises:
        BadFile: a line is not numbers, times do not grow, or one column comes without a rate.
    """
    columns = _columns(text, signal)
    rows = list(_rows(text, columns))
    if len(rows) == 1:
        raise BadFile("there is one line of values in it; two are the least")
    if any(len(row) != len(rows[0]) for row in rows):
        raise BadFile("some lines have more columns than others")
    if not rows:
        raise BadFile("there are no values in it")
    signals = [columns[n] for n in sorted(columns)] if columns else _unnamed(len(rows[0]), signal)
    table, signals = _felt(np.array(rows), signals)
    table = _filled(table)
    times = table[:, signals.index(Signal.TIME)] if Signal.TIME in signals else None
    rate = rate_hz or _stated_rate(text)
    return tuple(
        _beats(times, table[:, n]) if kind is Signal.RR else _series(times, table[:, n], rate, kind)
        for n, kind in enumerate(signals)
        if kind is not Signal.TIME
    )


def _felt(table: Floats, signals: Sequence[Signal]) -> tuple[Floats, list[Signal]]:
    """The columns in which there is anything: an export has some of sensors that were not worn."""
    empty = np.asarray(np.isnan(table).all(axis=0))
    if all(empty[n] for n, signal in enumerate(signals) if signal is not Signal.TIME):
        raise BadFile("there are no values in it")
    if empty.any():
        log.warning("body.nothing_in columns=%s", ",".join(s for n, s in enumerate(signals) if empty[n]))
    return table[:, ~empty], [signal for n, signal in enumerate(signals) if not empty[n]]


def read_pulse(text: str, rate_hz: float | None = None) -> Series:
    """The raw pulse in a file; see `read_body`.

    Raises:
        BadFile: there is none, or the file is damaged.
    """
    found = next((one for one in read_body(text, rate_hz) if isinstance(one, Series)), None)
    if found is None:
        raise BadFile("there is no pulse in it")
    return found


def in_microsiemens(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Skin conductance in microsiemens, whether it was written in those, in siemens or in nanosiemens."""
    felt = values[np.isfinite(values) & (values > 0)]
    usual = float(np.median(felt)) if len(felt) else 1.0
    factor = 1e6 if usual < _IN_SIEMENS else 1e-3 if usual > _IN_NANOSIEMENS else 1.0
    return (values * factor).astype(np.float32)


# --- columns -----------------------------------------------------------------------------


def _columns(text: str, signal: Signal) -> dict[int, Signal]:
    """What the columns are by the names in the first line, by their place; none where it does not name them all."""
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    head, second = next(lines, ""), _fields(next(lines, ""))
    fields = [head.strip().strip('"')] if len(second) == 1 else _fields(head)  # a name of several words is no table
    if second == [""] or len(fields) != len(second) or _row(fields) is not None:
        return {}
    first = [_name(field) for field in fields]
    known = {n: _NAMES[name] for n, name in enumerate(first) if name in _NAMES}
    if any(found is Signal.SKIN and _RESISTANCE.search(fields[n].lower()) for n, found in known.items()):
        raise BadFile("skin is in ohms, write its conductance in microsiemens")
    if len(first) == 2 and 0 not in known and Signal.TIME not in known.values():
        known[0] = Signal.TIME  # two columns were always time and value, whatever they are called
    rest = [n for n in range(len(first)) if n not in known]
    if set(known.values()) <= {Signal.TIME}:
        if len(rest) != 1:
            raise BadFile(f"none of the columns {', '.join(first)} is known; name one ppg, rr_ms or eda_us")
        return {**known, rest[0]: signal}
    if rest:
        log.warning("body.passed_over columns=%s", ",".join(first[n] for n in rest))
    return known


def _name(field: str) -> str:
    """A column's name without a unit in brackets: ``EDA (uS)`` is ``eda``."""
    return _UNIT.sub("", field.strip().lower()).replace(" ", "_")


def _unnamed(columns: int, signal: Signal) -> list[Signal]:
    if columns > 2:
        raise BadFile("more than two columns need names in the first line, such as t_s,ppg,eda_us")
    return [signal] if columns == 1 else [Signal.TIME, signal]


def _series(times: Floats | None, values: Floats, rate_hz: float | None, signal: Signal) -> Series:
    if times is not None:
        return _even(times, values, rate_hz, signal)
    if rate_hz is None:
        raise BadFile("one column needs its rate: begin with '# rate_hz=100', or set rate_hz in a recording.toml")
    _check_rate(rate_hz)
    return Series(_in_unit(values, signal), rate_hz, signal)


def _in_unit(values: Floats, signal: Signal) -> npt.NDArray[np.float32]:
    return in_microsiemens(values) if signal is Signal.SKIN else values.astype(np.float32)


def _beats(times: Floats | None, values: Floats) -> BeatSeries:
    """Without times each interval begins where the one before it ended."""
    if (values <= 0).any():
        raise BadFile("an interval between beats is not above 0")
    seconds = values if float(np.median(values)) < _IN_SECONDS else values / 1000
    if (usual_s := float(np.median(seconds))) > _SLOWEST_BEAT_S:
        raise BadFile(f"no heart waits {usual_s:.3g} s between beats, write rr_ms in milliseconds")
    if times is None:
        return BeatSeries((seconds * 1000).astype(np.float32), np.cumsum(seconds))
    _check_order(times)
    ends_s = _in_seconds(times, _SLOWEST_SKIN_S)
    return BeatSeries((seconds * 1000).astype(np.float32), ends_s - ends_s[0] + seconds[0])


def _check_order(times: Floats) -> None:
    back = np.diff(times) < 0
    if back.any():
        raise BadFile(f"time goes back at value {int(np.argmax(back)) + 2}, where another recording may begin")


def _in_seconds(times: Floats, slowest_s: float) -> Floats:
    """Times in seconds, whether they are in those or in milli-, micro- or nanoseconds."""
    step = float(np.median(np.diff(times)))
    finer = sum(step > slowest_s * 1000**n for n in range(_FINER))
    return np.asarray(times / 1000.0**finer)


def _even(times: Floats, values: Floats, rate_hz: float | None, signal: Signal) -> Series:
    _check_order(times)
    times = _in_seconds(times, _SLOWEST_S if signal is Signal.PULSE else _SLOWEST_SKIN_S)
    typical_s = float(np.median(np.diff(times))) or float(times[-1] - times[0]) / (len(times) - 1)
    if typical_s <= 0:
        raise BadFile("every value has the same time")
    rate = rate_hz or 1.0 / typical_s
    _check_density(times, rate)
    due = np.arange(math.floor((times[-1] - times[0]) * rate + 1e-6) + 1) / rate
    level = np.interp(due, times - times[0], values)
    return Series(_in_unit(_held(level, due, times - times[0], values), signal), rate, signal)


def _check_rate(rate_hz: float) -> None:
    if rate_hz > _FASTEST_HZ:
        raise BadFile(f"no body is measured {rate_hz:.3g} times a second, write times in seconds")


def _check_density(times: Floats, rate_hz: float) -> None:
    """Refuse what would be brought to a constant rate without end: times that mean something else."""
    _check_rate(rate_hz)
    values = (times[-1] - times[0]) * rate_hz
    if values > _MOST_VALUES and values > _SPARSE * len(times):
        longest = int(np.argmax(np.diff(times)))
        gap_s = float(times[longest + 1] - times[longest])
        raise BadFile(f"after value {longest + 1} nothing comes for {gap_s:.3g} s, cut it in two there")


def _held(level: Floats, due: Floats, times: Floats, values: Floats) -> Floats:
    """``level`` with the last value in every gap: a straight line over it would be an invention."""
    before = np.clip(np.searchsorted(times, due + 1e-9, side="right") - 1, 0, len(times) - 2)
    longest_s = max(_GAP_S, _GAP_STEPS * float(np.median(np.diff(times))))
    return np.where(times[before + 1] - times[before] > longest_s, values[before], level)


def _filled(table: Floats) -> Floats:
    """``table`` with the value before in place of those that are missing; what begins with none begins later."""
    begin = int(np.argmax(np.isfinite(table).all(axis=1)))
    kept = table[begin:]
    last = np.maximum.accumulate(np.where(np.isfinite(kept), np.arange(len(kept))[:, None], 0), axis=0)
    return np.asarray(np.take_along_axis(kept, last, axis=0))


def _stated_rate(text: str) -> float | None:
    found = _RATE.search(text.splitlines()[0])
    return float(found[1].replace(",", ".")) or None if found else None


def _rows(text: str, columns: Collection[int]) -> Iterator[tuple[float, ...]]:
    """The numbers of each line, of ``columns`` or of all; a first line that is no numbers is a header."""
    headed = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = _fields(line)
        if columns and len(fields) <= max(columns):
            raise BadFile(f"line {number}: some lines have more columns than others")
        row = _row([fields[n] for n in sorted(columns)] if columns else fields)
        if row is not None:
            yield row
        elif headed:
            raise BadFile(f"line {number}: {line.strip()[:40]!r} is not 'value' or 'time,value'")
        headed = True


def _fields(line: str) -> list[str]:
    """Separated by semicolons or tabs, beside which a comma is a decimal point, else by commas, else by blanks.

    In quotes a comma is a decimal point, too.
    """
    line = _QUOTED.sub(lambda quoted: quoted[1].replace(",", "."), line.strip())
    separator = next((mark for mark in ";\t" if mark in line), "")
    if separator:
        return line.replace(",", ".").split(separator)
    return line.split(",") if "," in line else line.split() or [""]


def _row(fields: Sequence[str]) -> tuple[float, ...] | None:
    try:
        # A sensor that lost the skin writes no number.
        numbers = (*map(_time, fields[:1]), *(float(field.strip() or "nan") for field in fields[1:]))
    except ValueError:
        return None
    return (
        None
        if any(abs(number) > _LARGEST for number in numbers) or (math.isnan(numbers[0]) and len(numbers) > 1)
        else numbers
    )


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        # Only differences count, so any time zone will do.
        return (datetime.fromisoformat(text.strip()).replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001
