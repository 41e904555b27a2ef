"""Reads text, touch and pulse files: what a person or another program wrote down. See docs/recording.md.

The file's text in, values out; every refusal says the line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sensorium.event import Touch, TouchPhase

LINE_EVERY_S: Final = 1.0
"""Lines of text without times come one a second."""
_RATE: Final = re.compile(r"rate(?:_hz)?\s*[:=]\s*([0-9.]+)", re.IGNORECASE)
_SLOWEST_S: Final = 0.5
"""A pulse is not measured less often than this: a larger step is in milliseconds."""


_WIDEST: Final = 4.0
"""Pad widths: places farther off are counted in pixels."""
_TALLEST: Final = 2.4
_WIDTHS: Final = (320, 360, 480, 600, 768, 1080, 1280, 1440, 1920, 2560, 3840, 4096, 32_768, 65_536)
"""Of usual pads and screens, in pixels or in units of the device."""


class BadFile(ValueError):
    """The file's content is not what its name promises; the text says where and why."""


def read_text(path: Path) -> str:
    """The file as text.

    Raises:
        BadFile: it is not UTF-8.
        OSError: it cannot be read.
    """
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile("it is not UTF-8 text") from error


# --- text --------------------------------------------------------------------------------


def read_lines(text: str) -> tuple[tuple[float, str], ...]:
    """Lines with their times in seconds: ``t_s<TAB>words``, or words alone, one a second.

    Raises:
        BadFile: nothing but empty lines.
    """
    found: list[tuple[float, str]] = []
    for line in filter(str.strip, text.splitlines()):
        stamp, tab, words = line.partition("\t")
        at_s = _seconds(stamp) if tab else None
        after_s = found[-1][0] + LINE_EVERY_S if found else 0.0
        found.append((after_s, line.strip()) if at_s is None else (at_s, words.strip()))
    if not found:
        raise BadFile("there are no words in it")
    return tuple(sorted(found, key=lambda pair: pair[0]))


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


# --- touch -------------------------------------------------------------------------------


class _Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a touch file."""

    t_s: Annotated[float, Meta(ge=0)]
    pointer: Annotated[int, Meta(ge=0)]
    phase: TouchPhase
    x: float
    y: float
    pressure: float = 1.0


class _Pad(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a touch file, where its places are not in units of the pad's width."""

    width: Annotated[float, Meta(gt=0)]


def read_touches(data: bytes) -> tuple[tuple[float, Touch], ...]:
    """Touches with their times in seconds, from JSON lines; places become units of the pad's width.

    Raises:
        BadFile: a line is not such an object, or there is none.
    """
    lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
    stated = _stated_width(lines[0][1]) if lines else None
    points = [_point(number, line) for number, line in lines[stated is not None :]]
    if not points:
        raise BadFile("there are no touches in it")
    width = stated or _likely_width(points)
    found = [(p.t_s, Touch(p.pointer, p.phase, p.x / width, p.y / width, p.pressure)) for p in points]
    return tuple(sorted(found, key=lambda pair: pair[0]))


def _stated_width(line: bytes) -> float | None:
    try:
        return msgspec.json.decode(line, type=_Pad).width
    except msgspec.DecodeError:
        return None


def _point(number: int, line: bytes) -> _Point:
    try:
        return msgspec.json.decode(line, type=_Point)
    except msgspec.DecodeError as error:
        raise BadFile(f"line {number}: {error}") from error


def _likely_width(points: Sequence[_Point]) -> float:
    """1, or where no pad is so wide, the narrowest usual one on which all of them fit."""
    farthest = max(max(abs(p.x), abs(p.y) / _TALLEST) for p in points)
    return 1.0 if farthest <= _WIDEST else next((w for w in _WIDTHS if w >= farthest), farthest)


# --- pulse -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values at a constant rate, float32 [n]."""

    values: npt.NDArray[np.float32]
    rate_hz: float


def read_pulse(text: str, rate_hz: float | None = None) -> Series:
    """A photoplethysmogram: one column of values, or time and value, with or without a header line.

    Times are seconds, milliseconds (found by their step: no pulse is measured every half second) or
    dates; uneven ones are brought to the median rate, or to ``rate_hz``, by straight lines.

    Raises:
        BadFile: a line is not a number, times do not grow, or one column comes without a rate.
    """
    rows = list(_rows(text))
    if len(rows) < 2:
        raise BadFile("there are no values in it")
    if any(len(row) != len(rows[0]) for row in rows):
        raise BadFile("some lines have one column and some have two")
    values = np.array([row[-1] for row in rows])
    if len(rows[0]) == 1:
        rate = rate_hz or _stated_rate(text)
        if rate is None:
            raise BadFile("one column needs its rate: begin with '# rate_hz=100', or set rate_hz in a recording.toml")
        return Series(values.astype(np.float32), rate)
    return _even(np.array([row[0] for row in rows]), values, rate_hz)


def _even(times: npt.NDArray[np.float64], values: npt.NDArray[np.float64], rate_hz: float | None) -> Series:
    steps = np.diff(times)
    if (steps < 0).any():
        raise BadFile(f"time goes back at value {int(np.argmax(steps < 0)) + 2}")
    if float(np.median(steps)) > _SLOWEST_S:
        times, steps = times / 1000, steps / 1000
    typical_s = float(np.median(steps)) or float(times[-1] - times[0]) / (len(times) - 1)
    if typical_s <= 0:
        raise BadFile("every value has the same time")
    rate = rate_hz or 1.0 / typical_s
    due = np.arange(math.floor((times[-1] - times[0]) * rate + 1e-6) + 1) / rate
    return Series(np.interp(due, times - times[0], values).astype(np.float32), rate)


def _stated_rate(text: str) -> float | None:
    found = _RATE.search(text.splitlines()[0])
    return float(found[1]) or None if found else None


def _rows(text: str) -> Iterator[tuple[float, ...]]:
    """The numbers of each line; a first line that is no numbers is a header."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        row = _row(re.split(r"[,;\t]", line.strip()))
        if row is not None:
            yield row
        elif number > 1:
            raise BadFile(f"line {number}: {line.strip()[:40]!r} is not 'value' or 'time,value'")


def _row(fields: Sequence[str]) -> tuple[float, ...] | None:
    if not 1 <= len(fields) <= 2:
        return None
    try:
        numbers = (*map(_time, fields[:-1]), float(fields[-1]))
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        # Only differences count, so any time zone will do.
        return (datetime.fromisoformat(text.strip()).replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001
