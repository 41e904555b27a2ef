"""Which events of a stream were seen before."""

from __future__ import annotations

from array import array
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.windowing.run import Int64s

REMEMBERED: Final = 4096
"""Events of a stream that are remembered; a power of two."""
_MASK: Final = REMEMBERED - 1
_U64: Final = (1 << 64) - 1
_SAME_NS: Final = 1_000_000_000
"""The same number this far apart is another event: a source that starts again counts from 0 again,
and none is back within a second. A repeated event, dated twice by a clock that learns, is far closer."""
_OLDEST_NS: Final = -(1 << 62)


class Seen:
    """The last 4096 numbers of a stream with their times, in a table addressed by a number's last bits.

    Always the same size, one look for each event, and no number, however far off, displaces more than one other.
    """

    __slots__ = ("_at", "_number")

    def __init__(self) -> None:
        self._number = array("Q", bytes(8 * REMEMBERED))
        self._at = array("q", bytes(8 * REMEMBERED))
        self._number[0] = 1  # no number that belongs in place 0, so that the first event 0 is new

    def is_new(self, number: int, at_ns: int) -> bool:
        """Whether the event was not seen before; it is from now on."""
        place, number, at_ns = number & _MASK, number & _U64, max(at_ns, _OLDEST_NS)
        known = self._number[place] == number and abs(self._at[place] - at_ns) <= _SAME_NS
        self._number[place], self._at[place] = number, at_ns
        return not known

    def are_new(self, numbers: npt.NDArray[np.uint64], at_ns: Int64s) -> npt.NDArray[np.bool_]:
        """`is_new` of one event after the other: bool [n]."""
        known_number: npt.NDArray[np.uint64] = np.frombuffer(self._number, np.uint64)
        known_at: Int64s = np.frombuffer(self._at, np.int64)
        places, at_ns = (numbers & np.uint64(_MASK)).astype(np.uint16), np.maximum(at_ns, _OLDEST_NS)
        if _rising(numbers) and numbers[-1] - numbers[0] < REMEMBERED:
            fresh = ~_same(known_number[places], numbers, known_at[places], at_ns)
            known_number[places], known_at[places] = numbers, at_ns
            return fresh
        # What an event finds in its place is what the one before it with the same place left there.
        order = np.argsort(places, kind="stable")
        places, numbers, at_ns = places[order], numbers[order], at_ns[order]
        first = np.append(True, places[1:] != places[:-1])
        last = np.append(first[1:], True)
        found_number, found_at = np.roll(numbers, 1), np.roll(at_ns, 1)
        found_number[first], found_at[first] = known_number[places[first]], known_at[places[first]]
        known_number[places[last]], known_at[places[last]] = numbers[last], at_ns[last]
        fresh = np.empty(len(order), np.bool_)
        fresh[order] = ~_same(found_number, numbers, found_at, at_ns)
        return fresh


def _rising(numbers: npt.NDArray[np.uint64]) -> bool:
    return bool((numbers[1:] > numbers[:-1]).all())


def _same(known: npt.NDArray[Any], numbers: npt.NDArray[Any], known_at: Int64s, at_ns: Int64s) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = (known == numbers) & (np.abs(known_at - at_ns) <= _SAME_NS)
    return same
