"""Runs: events of one stream as columns, for streams too dense for an object an event.

A haptic glove or a row of audio features gives hundreds of events a second that differ in little but their
time. A `Run` holds such events as arrays and is joined as arrays; an `Event` is made of a row only when
somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, overload

import numpy as np
import numpy.typing as npt

from sensorium.event import Event, Tensor

LONGEST_RUN: Final = 65_536
"""Rows of the longest run: what a window keeps alive of the memory of a caller is bounded."""

_COPIED: Final = 4
"""Less than a quarter of a run is copied out of it, so that the rest can be forgotten."""

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Events of one stream, in the order in which they came.

    Attributes:
        like: what they share: modality, stream, session, span, label, quality and the rest.
        sequences: uint64 [n], each event's number in its stream.
        at_ns: int64 [n], when each event's evidence was complete.
        at_error_ns: int64 [n]; that of ``like`` if None.
        scores: float64 [n]; that of ``like`` if None.
        features: float32 [n, D]; those of ``like`` if None.

    Raises:
        ValueError: columns of different lengths, none or too many rows, or another type than stated.
    """

    like: Event
    sequences: npt.NDArray[np.uint64]
    at_ns: Int64s
    at_error_ns: Int64s | None = None
    scores: npt.NDArray[np.float64] | None = None
    features: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        count = len(self.at_ns)
        if not 0 < count <= LONGEST_RUN:
            raise ValueError(f"{self.like.stream_id}: a run has 1 to {LONGEST_RUN} rows, not {count}")
        for name, (kind, dimensions) in _COLUMNS.items():
            column = getattr(self, name)
            if column is None and name in _OPTIONAL:
                continue
            if column.dtype != kind or column.ndim != dimensions or len(column) != count:
                raise ValueError(f"{self.like.stream_id}: {name} must be {kind.__name__} with {count} rows")

    def __len__(self) -> int:
        return len(self.at_ns)

    def event(self, row: int) -> Event:
        """The event in ``row``."""
        like = self.like
        # Not dataclasses.replace: it takes four times as long.
        return Event(
            like.modality,
            like.stream_id,
            int(self.sequences[row]),
            like.session_id,
            int(self.at_ns[row]),
            like.at_error_ns if self.at_error_ns is None else int(self.at_error_ns[row]),
            like.span_ns,
            like.label,
            like.score if self.scores is None else float(self.scores[row]),
            like.quality,
            like.features if self.features is None else Tensor.of(self.features[row]),
            like.text,
            like.media,
            like.metadata,
        )

    def of(self, rows: npt.NDArray[np.intp]) -> Run:
        """The run of the chosen rows, in that order, in memory of its own."""
        chosen = {n: column[rows] for n in _COLUMNS if (column := getattr(self, n)) is not None}
        return replace(self, **chosen)


_COLUMNS: Final = {
    "sequences": (np.uint64, 1),
    "at_ns": (np.int64, 1),
    "at_error_ns": (np.int64, 1),
    "scores": (np.float64, 1),
    "features": (np.float32, 2),
}
_OPTIONAL: Final = frozenset({"at_error_ns", "scores", "features"})

Places = npt.NDArray[np.intp]
Ref = tuple[Event | Run, int]
"""Where an event stands: itself, or its run and row."""
_Piece = tuple[Run, Places]


class Gathered:
    """The events of one modality in one window: single ones and rows of runs, until someone wants them in order."""

    __slots__ = ("_count", "_events", "_pieces")

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._pieces: list[_Piece] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, event: Event) -> None:
        """Put an event to the others."""
        self._events.append(event)
        self._count += 1

    def add_rows(self, run: Run, rows: Places) -> None:
        """Put events of a run to the others; of a long run only what is needed is kept alive."""
        if len(rows) * _COPIED < len(run):
            run, rows = run.of(rows), np.arange(len(rows))
        self._pieces.append((run, rows))
        self._count += len(rows)

    def refs(self) -> Iterator[Ref]:
        """Where each of them stands."""
        yield from ((event, 0) for event in self._events)
        yield from ((run, row) for run, rows in self._pieces for row in rows.tolist())

    def in_order(self) -> Sequence[Event]:
        """All of them by time, stream and number: a tuple, or made when looked at where they came in runs."""
        if not self._pieces:
            return tuple(sorted(self._events, key=by_time))
        if not self._events:
            return RunEvents(self._pieces)
        made = (run.event(row) for run, rows in self._pieces for row in rows.tolist())
        return tuple(sorted([*self._events, *made], key=by_time))


def event_of(ref: Ref) -> Event:
    """The event itself, made if it was not yet."""
    holder, row = ref
    return holder.event(row) if isinstance(holder, Run) else holder


def by_time(event: Event) -> tuple[int, str, int]:
    """The order of events in a window."""
    return event.at_ns, event.stream_id, event.sequence


class RunEvents(Sequence[Event]):
    """Events of runs in order of time, made when somebody looks at them; compares as their tuple."""

    __slots__ = ("_events", "_places", "_runs", "at_ns")

    def __init__(self, pieces: Sequence[_Piece]) -> None:
        pieces = sorted(pieces, key=lambda piece: piece[0].like.stream_id)
        self._runs = tuple(run for run, _ in pieces)
        at_ns = np.concatenate([run.at_ns[rows] for run, rows in pieces])
        owner = np.repeat(np.arange(len(pieces)), [len(rows) for _, rows in pieces])
        order = np.argsort(at_ns, kind="stable")
        self.at_ns: Int64s = at_ns[order]
        if (self.at_ns[1:] == self.at_ns[:-1]).any():
            order = np.lexsort((np.concatenate([run.sequences[rows] for run, rows in pieces]), _ranks(pieces), at_ns))
        self._places: tuple[Places, Places] = owner[order], np.concatenate([rows for _, rows in pieces])[order]
        self._events: tuple[Event, ...] | None = None

    def __len__(self) -> int:
        return len(self.at_ns)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Event, ...]: ...
    def __getitem__(self, index: int | slice) -> Event | tuple[Event, ...]:
        if self._events is None and isinstance(index, int):
            owner, row = self._places
            return self._runs[int(owner[index])].event(int(row[index]))
        return self._made()[index]

    def __iter__(self) -> Iterator[Event]:
        return iter(self._made())

    def __eq__(self, other: object) -> bool:
        return self._made() == (other._made() if isinstance(other, RunEvents) else other)

    __hash__ = None  # type: ignore[assignment]  # as an event's: its metadata is a mapping

    def __repr__(self) -> str:
        return f"RunEvents({len(self)})"

    def _made(self) -> tuple[Event, ...]:
        if self._events is None:
            owners, rows = self._places
            self._events = tuple(self._runs[o].event(r) for o, r in zip(owners.tolist(), rows.tolist(), strict=True))
        return self._events


def _ranks(pieces: Sequence[_Piece]) -> Int64s:
    """For each event the place of its stream among the streams; ``pieces`` are sorted by stream."""
    names = (run.like.stream_id for run, _ in pieces)
    ranks = np.cumsum([0, *(a != b for a, b in pairwise(names))])
    return np.repeat(ranks, [len(rows) for _, rows in pieces])
