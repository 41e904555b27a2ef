"""Faults to try a session with, from one line of text: ``drop=audio:5%,delay=video:300ms,disconnect=biometric@5s-8s``.

Pure: text in, values out; a mistake is one line that names the closest right word. docs/replay.md has the table.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sensorium.event import Modality
from sensorium.settings import SettingsError


class Kind(StrEnum):
    """What goes wrong."""

    CLOCK_STEP = "clock-step"
    DROP = "drop"
    DELAY = "delay"
    JITTER = "jitter"
    STALL = "stall"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    SKEW = "skew"
    DISCONNECT = "disconnect"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        text: as it was written, for reports.
        kind: what goes wrong.
        sense: whose messages; None for all, and for the wall clock's step.
        amount: a share (drop, duplicate, reorder), ns (delay, jitter, stall, clock-step), parts per million (skew).
        from_ns: when it begins, after the session's start.
        to_ns: when it is over; None for never.
    """

    text: str
    kind: Kind
    sense: Modality | None = None
    amount: float = 0.0
    from_ns: int = 0
    to_ns: int | None = None

    @property
    def touches_messages(self) -> bool:
        """Whether it is more than a step of the wall clock, which no message and no window knows."""
        return self.kind is not Kind.CLOCK_STEP or self.sense is not None

    def concerns(self, sense: Modality, since_start_ns: int) -> bool:
        """Whether a message of ``sense``, so long after the start, meets it."""
        if self.sense not in (None, sense):
            return False
        return self.from_ns <= since_start_ns and (self.to_ns is None or since_start_ns < self.to_ns)


_SHARE: Final = frozenset({Kind.DROP, Kind.DUPLICATE, Kind.REORDER})
_FORMS: Final = {
    Kind.CLOCK_STEP: "clock-step=+3600s@10s (the wall clock) or clock-step=biometric:-350ms@10s (a sensor's own)",
    Kind.DROP: "drop=audio:5% or drop=audio:5%@5s-8s",
    Kind.DELAY: "delay=video:300ms or delay=video:300ms@5s-8s",
    Kind.JITTER: "jitter=gesture:80ms",
    Kind.STALL: "stall=audio:2s@10s",
    Kind.DUPLICATE: "duplicate=gesture:2%",
    Kind.REORDER: "reorder=haptic:10%",
    Kind.SKEW: "skew=biometric:+100ppm",
    Kind.DISCONNECT: "disconnect=biometric@5s-8s",
}
_UNITS_NS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000, "h": 3600 * 10**9}
_NUMBER: Final = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([a-z%]*)")
_ALL: Final = "all"
_LONGEST_NS: Final = _UNITS_NS["h"] * 24
"""Of what holds a message up: windows are given out meanwhile."""
_FARTHEST_NS: Final = _UNITS_NS["h"] * 24 * 365 * 100
"""Of any time: a board without a battery begins in 1970, and files have 64 bits for it."""


def parse(spec: str) -> tuple[Fault, ...]:
    """The faults in ``spec``, in the order they are written.

    Raises:
        SettingsError: something in it cannot be understood; one line that shows the right way.
    """
    return tuple(_fault(part.strip()) for part in spec.split(",") if part.strip())


def _fault(text: str) -> Fault:
    name, _, rest = text.partition("=")
    kind = Kind(_closest(text, name.strip(), Kind, "fault"))
    value, at, when = rest.partition("@")
    first, colon, second = value.strip().partition(":")
    if not colon and kind is not Kind.DISCONNECT and kind is not Kind.CLOCK_STEP:
        raise _wrong(text, kind, "a sense and an amount, joined by a colon")
    if kind is Kind.CLOCK_STEP and not colon:
        first, second = "", first
    sense = _sense(text, first.strip())
    amount = 0.0 if kind is Kind.DISCONNECT else _amount(text, kind, second.strip())
    from_ns, to_ns = _times(text, kind, when.strip()) if at else (0, None)
    _check(text, kind, at=bool(at), to_ns=to_ns)
    if kind is Kind.STALL:
        to_ns = from_ns + round(amount)
    return Fault(text, kind, sense, amount, from_ns, to_ns)


def _check(text: str, kind: Kind, *, at: bool, to_ns: int | None) -> None:
    """Some faults need their time, and some need a span of it."""
    if kind in (Kind.CLOCK_STEP, Kind.STALL) and (not at or to_ns is not None):
        raise _wrong(text, kind, "one time after an @")
    if kind is Kind.DISCONNECT and to_ns is None:
        raise _wrong(text, kind, "a span of time after an @")


def _sense(text: str, name: str) -> Modality | None:
    if name in ("", _ALL):
        return None
    return Modality(_closest(text, name, [*Modality, _ALL], "sense"))


def _amount(text: str, kind: Kind, amount: str) -> float:
    match = _NUMBER.fullmatch(amount)
    if match is None:
        raise _wrong(text, kind, f"{amount!r} is no amount")
    number, unit = float(match[1]), match[2]
    if kind in _SHARE:
        if unit != "%" or not 0 <= number <= 100:
            raise _wrong(text, kind, f"{amount!r} is no share from 0% to 100%")
        return number / 100
    if kind is Kind.SKEW:
        if unit != "ppm" or abs(number) > 1e5:
            raise _wrong(text, kind, f"{amount!r} is no skew of at most 100000ppm")
        return number
    duration_ns = _duration_ns(text, kind, amount)
    if kind is not Kind.CLOCK_STEP and duration_ns < 0:
        raise _wrong(text, kind, f"{amount!r} would be in the past")
    if kind is not Kind.CLOCK_STEP and duration_ns > _LONGEST_NS:
        raise _wrong(text, kind, f"{amount!r} is no time of at most 24h")
    return duration_ns


def _times(text: str, kind: Kind, when: str) -> tuple[int, int | None]:
    begin, dash, end = when.partition("-")
    from_ns = _duration_ns(text, kind, begin.strip())
    to_ns = _duration_ns(text, kind, end.strip()) if dash else None
    if from_ns < 0 or (to_ns is not None and to_ns <= from_ns):
        raise _wrong(text, kind, f"{when!r} ends before it begins")
    return from_ns, to_ns


def _duration_ns(text: str, kind: Kind, duration: str) -> int:
    match = _NUMBER.fullmatch(duration)
    unit = _UNITS_NS.get(match[2]) if match else None
    if match is None or unit is None or not math.isfinite(value := float(match[1]) * unit):
        raise _wrong(text, kind, f"{duration!r} is no time; write 300ms, 2s or 1.5min")
    if abs(value) > _FARTHEST_NS:
        raise _wrong(text, kind, f"{duration!r} is no time within a hundred years")
    return round(value)


def _closest(text: str, name: str, known: Iterable[str], what: str) -> str:
    names = [str(one) for one in known]
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, n=1)
    cure = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
    raise SettingsError("--inject", text, f"unknown {what} {name!r}; {cure}")


def _wrong(text: str, kind: Kind, reason: str) -> SettingsError:
    needed = reason if "is no" in reason or "would" in reason or "ends" in reason else f"needs {reason}"
    return SettingsError("--inject", text, f"{needed}; for example {_FORMS[kind]}")
