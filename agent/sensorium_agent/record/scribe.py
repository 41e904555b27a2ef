"""Writes a session's records into their channels: what stands where in the file is decided here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from foxglove_schemas_protobuf.Log_pb2 import Log
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from sensorium.clock import WallOffset
from sensorium.event import Frame, Sample, Sound
from sensorium.symbol import Symbol
from sensorium.v1 import recording_pb2 as pb
from sensorium.window import Window
from sensorium.wire import event_to_proto, symbol_to_proto, window_to_proto
from sensorium_agent.join import Turn
from sensorium_agent.record import media as encoding
from sensorium_agent.record.media import Media
from sensorium_agent.record.messages import Arrival, Kept, reading_to_proto, sample_to_proto, turn_to_proto
from sensorium_agent.record.session import Session
from sensorium_agent.record.writer import SessionFile

SAMPLES: Final = "/sample/"
"""Before the sensor's name: its samples."""
MEDIA: Final = "/media/"
"""Before the sensor's name: its pictures or sounds."""
EVENTS: Final = "/event/"
"""Before the modality: its events."""
TURNS: Final = "/turn"
WINDOWS: Final = "/window"
SYMBOLS: Final = "/symbol/"
"""Before the revision: its symbols."""
CLOCK: Final = "/clock"
LOSSES: Final = "/losses"
LOG: Final = "/log"


class Scribe:
    """Writes records; the caller says when each was there, on the device's clock."""

    def __init__(self, file: SessionFile, session: Session, media: Media) -> None:
        self.file = file
        self._session = session
        self._media = media

    def sample(self, sample: Sample, arrived_ns: int, *, fits: bool = True) -> None:
        """A sample; its picture or sound stands before it, if it is wanted and ``fits``."""
        kept = Kept.WHOLE
        if isinstance(sample.data, Frame | Sound):
            kept = self._medium(sample, arrived_ns) if fits else Kept.LOST
        message = sample_to_proto(Arrival(arrived_ns, sample, kept))
        topic = SAMPLES + sample.source
        self.file.write(topic, message, arrived_ns, own_ns=sample.at_ns, sequence=sample.sequence)

    def _medium(self, sample: Sample, arrived_ns: int) -> Kept:
        if self._media is Media.NOTHING:
            return Kept.NOTHING
        wall_ns = sample.at_ns + self._session.wall_offset_ns
        message: Message
        if isinstance(sample.data, Sound):
            message, kept = encoding.audio(sample.data, wall_ns), Kept.WHOLE
        else:
            assert isinstance(sample.data, Frame)
            message = encoding.picture(sample.data, wall_ns, sample.source, self._media)
            kept = Kept.WHOLE if self._media is Media.PNG else Kept.LIKENESS
        topic = MEDIA + sample.source
        self.file.write(topic, message, arrived_ns, own_ns=sample.at_ns, sequence=sample.sequence)
        return kept

    def turn(self, turn: Turn, number: int) -> None:
        """The turn's events, then the turn."""
        for heard in turn.heard:
            for event in heard.events:
                topic = EVENTS + event.modality
                message = event_to_proto(event)
                self.file.write(topic, message, turn.now_ns, own_ns=event.at_ns, sequence=event.sequence)
        self.file.write(TURNS, turn_to_proto(turn, number), turn.now_ns, sequence=number)

    def window(self, window: Window) -> None:
        """A window, whole."""
        at_ns, own_ns = window.closed_at_ns, window.start_ns
        self.file.write(WINDOWS, window_to_proto(window), at_ns, own_ns=own_ns, sequence=window.index)

    def symbol(self, symbol: Symbol, at_ns: int) -> None:
        """A symbol, of the device or of the cloud."""
        self.file.write(SYMBOLS + symbol.revision, symbol_to_proto(symbol), at_ns, own_ns=symbol.start_ns)

    def reading(self, reading: WallOffset) -> None:
        """A reading of the wall clock."""
        self.file.write(CLOCK, reading_to_proto(reading, self._session.boot_id), reading.at_ns)

    def losses(self, losses: Mapping[str, int], at_ns: int) -> None:
        """What was lost so far."""
        self.file.write(LOSSES, pb.Losses(lost=losses), at_ns)

    def status(self, kind: str, text: str, at_ns: int) -> None:
        """A line of the log."""
        seconds, nanos = divmod(at_ns + self._session.wall_offset_ns, 1_000_000_000)
        stamp = Timestamp(seconds=seconds, nanos=nanos)
        self.file.write(LOG, Log(timestamp=stamp, level=Log.INFO, name=kind, message=text), at_ns)
