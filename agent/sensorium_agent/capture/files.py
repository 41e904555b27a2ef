"""Reads text and touch files: what a person or another program wrote down. See docs/recording.md.

The file's text in, values out; every refusal says the line.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from sensorium.event import Touch, TouchPhase

LINE_EVERY_S: Final = 1.0
"""Lines of text without times come one a second."""


_WIDEST: Final = 4.0
"""Pad widths: places farther off are counted in pixels."""
_TALLEST: Final = 2.4
_WIDTHS: Final = (320, 360, 480, 600, 768, 1080, 1280, 1440, 1920, 2560, 3840, 4096, 32_768, 65_536)
"""Of usual pads and screens, in pixels or in units of the device."""


_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How a file of Windows begins, if it is not UTF-8."""


class BadFile(ValueError):
    """The file's content is not what its name promises; the text says where and why."""


def read_text(path: Path) -> str:
    """The file as text.

    Raises:
        BadFile: it is neither UTF-8 nor, by its first two bytes, UTF-16.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        coding = "utf-16" if file.read(2) in _UTF_16 else "utf-8-sig"
    try:
        return path.read_text(coding)
    except UnicodeDecodeError as error:
        raise BadFile("it is not UTF-8 text, save it as that") from error


def read_table(path: Path) -> str:
    """The file as text of which only ASCII matters, names and numbers: others may stand beside, in any coding.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return read_text(path)
    except BadFile:
        return path.read_text("latin-1")


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
    data = data.removeprefix(codecs.BOM_UTF8)
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
