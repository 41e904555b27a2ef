"""A recorded session on disk, read back as what it was; also one that was cut off, up to its last whole chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.RawAudio_pb2 import RawAudio
from google.protobuf.message import DecodeError, Message
from mcap.records import Metadata

from sensorium.clock import WallOffset
from sensorium.event import Frame, Modality, Sound
from sensorium.symbol import Symbol
from sensorium.v1 import event_pb2, recording_pb2, symbol_pb2, window_pb2
from sensorium.window import Window
from sensorium.wire import event_from_proto, symbol_from_proto, window_from_proto
from sensorium_agent.join import Turn
from sensorium_agent.record import media
from sensorium_agent.record.messages import Arrival, Kept, arrival_from_proto, reading_from_proto, turn_from_proto
from sensorium_agent.record.scribe import MEDIA, SAMPLES
from sensorium_agent.record.session import LOSSES, SESSION, RecordError, Session
from sensorium_agent.record.stream import Mark, Stored, pieces

M = TypeVar("M", bound=Message)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor of the session, and how many of its samples are kept, and how."""

    name: str
    modality: Modality
    kept: Mapping[Kept, int]

    @property
    def playable(self) -> bool:
        """Whether any of its samples has data to look at."""
        return bool(self.kept.get(Kept.WHOLE, 0) + self.kept.get(Kept.LIKENESS, 0))


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds, from one look through all of it.

    Attributes:
        sensors: in the order of `Modality`.
        end_ns: the last turn's time.
        turns: how many.
        missing_turns: numbers of turns that are not there.
        windows: how many, revisions included.
        losses: what found no room while it was recorded, by kind.
        whole: whether the file was closed; else its end was cut off.
        damaged_chunks: parts that fail their CRC, or cannot be read.
    """

    sensors: tuple[Sensor, ...]
    end_ns: int
    turns: int
    missing_turns: int
    windows: int
    losses: Mapping[str, int]
    whole: bool
    damaged_chunks: int


@dataclass(slots=True)
class _Count:
    """What the look has seen so far."""

    kept: dict[tuple[str, Modality], Counter[Kept]] = field(default_factory=dict)
    end_ns: int = 0
    turns: int = 0
    next_turn: int = 0
    windows: int = 0
    losses: dict[str, int] = field(default_factory=dict)
    whole: bool = False
    damaged: int = 0


class SessionLog:
    """A recorded session. Every iterator goes through the file anew, in the order it was written.

    Raises:
        RecordError: there is no such file, or it is no recording of ours; one line. Iterators raise it too,
            where a record holds what ours never do.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session = self._read_session()

    def turns(self) -> Iterator[Turn]:
        """The turns of the join, with their events; one whose events were lost by damage is left out."""
        before: list[event_pb2.Event] = []
        for found in self._read(event_pb2.Event, recording_pb2.Turn):
            if isinstance(found, event_pb2.Event):
                before.append(found)
                continue
            if isinstance(found, recording_pb2.Turn):
                told = sum(heard.events for heard in found.heard)
                if told <= len(before):
                    yield self._checked(_turn, found, before[len(before) - told :])
            before = []

    def arrivals(self, source: str | None = None) -> Iterator[Arrival]:
        """The samples whose data are kept, of one sensor or of all, in the order they arrived."""
        medium: Message | None = None
        for found in self._read(CompressedImage, RawAudio, recording_pb2.Sample, source=source):
            if isinstance(found, recording_pb2.Sample):
                if medium is not None or found.WhichOneof("data"):
                    yield self._checked(_arrival, found, medium)
                medium = None
            else:
                medium = found if isinstance(found, Message) else None

    def windows(self) -> Iterator[Window]:
        """The windows, revisions too, as they were given out."""
        for found in self._read(window_pb2.Window):
            if isinstance(found, window_pb2.Window):
                yield self._checked(window_from_proto, found)

    def symbols(self) -> Iterator[Symbol]:
        """The symbols of both sides, as they came."""
        for found in self._read(symbol_pb2.Symbol):
            if isinstance(found, symbol_pb2.Symbol):
                yield self._checked(symbol_from_proto, found)

    def readings(self) -> Iterator[WallOffset]:
        """The readings of the wall clock."""
        for found in self._read(recording_pb2.ClockReading):
            if isinstance(found, recording_pb2.ClockReading):
                yield self._checked(reading_from_proto, found)

    def contents(self) -> Contents:
        """One look through the whole file."""
        count = _Count()
        wanted = (recording_pb2.Sample, recording_pb2.Turn, recording_pb2.Losses, window_pb2.Window)
        for found in self._read(*wanted):
            _add(count, found)
        sensors = [Sensor(name, modality, kept) for (name, modality), kept in count.kept.items()]
        return Contents(
            tuple(sorted(sensors, key=lambda s: (list(Modality).index(s.modality), s.name))),
            count.end_ns,
            count.turns,
            count.next_turn - count.turns,
            count.windows,
            count.losses,
            count.whole,
            count.damaged,
        )

    # --- the file ------------------------------------------------------------------------

    def _read(self, *kinds: type[Message], source: str | None = None) -> Iterator[Message | Metadata | Mark]:
        """The messages of these kinds, of one sensor or of all, and whatever else is to be known of the file."""
        wanted = {kind.DESCRIPTOR.full_name: kind for kind in kinds}
        topics = None if source is None else {SAMPLES + source, MEDIA + source}
        for piece in pieces(self.path):
            if not isinstance(piece, Stored):
                yield piece
            elif piece.schema in wanted and (topics is None or piece.topic in topics):
                yield self._checked(wanted[piece.schema].FromString, piece.data)

    def _checked(self, read: Callable[..., T], *what: Any) -> T:
        try:
            return read(*what)
        except (DecodeError, ValueError) as error:
            raise RecordError(f"{self.path}: {error}; the file was changed, or written by other software") from error

    def _read_session(self) -> Session:
        for piece in pieces(self.path):
            if isinstance(piece, Metadata) and piece.name == SESSION:
                return self._checked(Session.of, piece.metadata)
        raise RecordError(
            f"{self.path}: is MCAP, but no session of ours ({SESSION} is missing); make one with: sensorium record"
        )


_KEPT: Final = {recording_pb2.Kept.Value(f"KEPT_{kept.name}"): kept for kept in Kept}
_MODALITY: Final = {event_pb2.Modality.Value(f"MODALITY_{m.name}"): m for m in Modality}


def _add(count: _Count, found: Message | Metadata | Mark) -> None:
    match found:
        case recording_pb2.Sample():
            key = found.source, _MODALITY.get(found.modality, Modality.VIDEO)
            count.kept.setdefault(key, Counter())[_KEPT.get(found.kept, Kept.NOTHING)] += 1
        case recording_pb2.Turn():
            count.turns += 1
            count.next_turn = found.sequence + 1
            count.end_ns = found.now_ns
        case recording_pb2.Losses():
            count.losses = dict(found.lost)
        case window_pb2.Window():
            count.windows += 1
        case Metadata() if found.name == LOSSES:
            count.losses = {kind: int(number) for kind, number in found.metadata.items() if number.isdecimal()}
        case Mark.DAMAGE:
            count.damaged += 1
        case Mark.END:
            count.whole = True


def _turn(message: recording_pb2.Turn, events: Collection[event_pb2.Event]) -> Turn:
    return turn_from_proto(message, tuple(map(event_from_proto, events)))


def _arrival(message: recording_pb2.Sample, medium: Message | None) -> Arrival:
    data: Frame | Sound | None = None
    if isinstance(medium, CompressedImage):
        data = media.frame(medium)
    elif isinstance(medium, RawAudio):
        data = media.sound(medium)
    return arrival_from_proto(message, data)
