"""Records a session while it happens: a listener that only takes note, and a thread that writes.

The event loop never waits for the disk: what finds no room is counted by kind, in the file itself.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from sensorium.clock import Clock, WallOffset, read_wall
from sensorium.episode import Episode
from sensorium.event import Event, Frame, Sample, Sound
from sensorium.symbol import Symbol
from sensorium.window import Window
from sensorium_agent.join import Turn
from sensorium_agent.record.media import Media
from sensorium_agent.record.scribe import Scribe
from sensorium_agent.record.session import RecordError, Session
from sensorium_agent.record.writer import Compression, SessionFile

log = logging.getLogger(__name__)

_ROOM: Final = 8192
"""Records that may wait for the disk: half a minute of six senses."""
_MEDIA_ROOM_BYTES: Final = 64 << 20
"""Pictures and sounds that may wait: 2 s of 640 x 480 at 30 Hz."""
_SYNC_S: Final = 0.5
"""A chunk is on disk this often; a kill may lose a second, and a busy disk takes its time."""


@dataclass(frozen=True, slots=True)
class _Status:
    """Something that happened to the agent, for the log."""

    kind: str
    text: str


_What = Sample | Turn | Window | Symbol | _Status


@dataclass(frozen=True, slots=True, eq=False)
class _Note:
    """What waits for the disk.

    Attributes:
        at_ns: when it was there.
        what: itself.
        media_bytes: room that its picture or sound takes while it waits; None if there was none left.
        number: counts the turns, so that one which was lost leaves a gap.
    """

    at_ns: int
    what: _What
    media_bytes: int | None = 0
    number: int = 0


class Recorder:
    """A listener that records between `begin` and `end`.

    Args:
        path: the file; it must not be there yet.
        media: what of pictures and sounds is kept.
        patient: wait for the disk instead of losing anything: for files that are played at once.
        room: records that may wait.
        media_room_bytes: bytes of pictures and sounds that may wait.
        compression: of the file's chunks.
    """

    def __init__(
        self,
        path: Path,
        *,
        media: Media = Media.NOTHING,
        patient: bool = False,
        room: int = _ROOM,
        media_room_bytes: int = _MEDIA_ROOM_BYTES,
        compression: Compression = "zstd",
    ) -> None:
        self.path = path
        self.losses: Counter[str] = Counter()
        self.written_bytes = 0
        self.cpu_s = 0.0
        """Of the writing thread."""
        self._media, self._patient, self._compression = media, patient, compression
        self._waiting: queue.Queue[_Note | None] = queue.Queue(room)
        self._media_room_bytes = media_room_bytes
        self._media_bytes = 0
        self._turns = 0
        self._lock = threading.Lock()
        self._failure: Exception | None = None
        self._over = False
        """The thread has heard that nothing more comes."""
        self._clock: Clock | None = None
        self._thread: threading.Thread | None = None

    def begin(self, session: Session, clock: Clock) -> None:
        """Make the file and start to write; ``clock`` is the pipeline's.

        Raises:
            RecordError: the file cannot be made, or is there already.
        """
        scribe = Scribe(SessionFile(self.path, session, self._compression), session, self._media)
        self._clock = clock
        # The wall clock is read against the device's own; files that are played at once have no time of their own.
        clocked = clock if session.live else None
        self._thread = threading.Thread(target=self._run, args=(scribe, clocked), name="record", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Write what waits, and close the file.

        Raises:
            RecordError: the disk failed; what was written before is good.
            Exception: a fault of ours in the writing thread.
        """
        if self._thread is None:
            return
        self._waiting.put(None)
        self._thread.join()
        self._thread = None
        if isinstance(self._failure, OSError):
            reason = f"{self._failure.strerror}; the recording is good up to there: free some space and record again"
            raise RecordError(f"{self.path}: {reason}") from self._failure
        if self._failure is not None:
            raise self._failure

    # --- what is heard ---------------------------------------------------------------------

    def on_sample(self, sample: Sample) -> None:
        """Note the sample, with its picture or sound if they are wanted and there is room."""
        self._note(sample, self._take_room(sample))

    def on_event(self, event: Event) -> None:
        """Nothing: the turn brings it."""

    def on_turn(self, turn: Turn) -> None:
        """Note what decides the windows."""
        self._note(turn, number=self._turns)
        self._turns += 1

    def on_window(self, window: Window) -> None:
        """Note it."""
        self._note(window)

    def on_symbol(self, symbol: Symbol) -> None:
        """Note it."""
        self._note(symbol)

    def on_episode(self, episode: Episode) -> None:
        """Nothing: the symbols make it up."""

    def on_status(self, kind: str, **what: object) -> None:
        """Note it as a line of the log."""
        self._note(_Status(kind, msgspec.json.encode(what, enc_hook=str).decode()))

    def _note(self, what: _What, media_bytes: int | None = 0, number: int = 0) -> None:
        if self._clock is None or self._thread is None:
            return
        note = _Note(self._clock.now_ns(), what, media_bytes, number)
        try:
            self._waiting.put(note, block=self._patient)
        except queue.Full:
            self._lose(note)

    def _lose(self, note: _Note) -> None:
        with self._lock:
            self.losses[_kind(note.what)] += 1
            self._media_bytes -= note.media_bytes or 0

    def _take_room(self, sample: Sample) -> int | None:
        size = _media_bytes(sample) if self._media is not Media.NOTHING else 0
        with self._lock:
            if not self._patient and self._media_bytes + size > self._media_room_bytes:
                self.losses[f"media.{sample.modality}"] += 1
                return None
            self._media_bytes += size
        return size

    # --- in the thread ---------------------------------------------------------------------

    def _run(self, scribe: Scribe, clock: Clock | None) -> None:
        try:
            self._write_all(scribe, clock)
        except Exception as error:  # noqa: BLE001 - raised again where the recording ends; the agent goes on
            self._failure = error
            log.error("record.failed file=%s reason=%s", self.path, error)  # noqa: TRY400 (in one line)
            scribe.file.abandon()
            while not self._over and (note := self._waiting.get()) is not None:
                self._lose(note)
        self.cpu_s = time.thread_time()

    def _write_all(self, scribe: Scribe, clock: Clock | None) -> None:
        reading: WallOffset | None = None
        due_s = time.monotonic()
        while True:
            if (left_s := due_s - time.monotonic()) <= 0:
                due_s = time.monotonic() + _SYNC_S
                reading = self._sync(scribe, clock, reading)
                continue
            try:
                note = self._waiting.get(timeout=left_s)
            except queue.Empty:
                continue
            if note is None:
                self._over = True
                break
            self._write(scribe, note)
        self._sync(scribe, clock, reading)
        scribe.file.finish(self._lost())
        self.written_bytes = self.path.stat().st_size

    def _sync(self, scribe: Scribe, clock: Clock | None, last: WallOffset | None) -> WallOffset | None:
        """What was lost and what the clocks say, then a chunk on disk."""
        if clock is not None:
            last = read_wall(clock, last)
            scribe.reading(last)
            if losses := self._lost():
                scribe.losses(losses, last.at_ns)
        scribe.file.sync()
        self.written_bytes = scribe.file.written_bytes
        return last

    def _lost(self) -> dict[str, int]:
        with self._lock:
            return dict(self.losses)

    def _write(self, scribe: Scribe, note: _Note) -> None:
        match note.what:
            case Sample():
                scribe.sample(note.what, note.at_ns, fits=note.media_bytes is not None)
            case Turn():
                scribe.turn(note.what, note.number)
            case Window():
                scribe.window(note.what)
            case Symbol():
                scribe.symbol(note.what, note.at_ns)
            case _Status(kind, text):
                scribe.status(kind, text, note.at_ns)
        if note.media_bytes:
            with self._lock:
                self._media_bytes -= note.media_bytes


def _kind(what: _What) -> str:
    return f"sample.{what.modality}" if isinstance(what, Sample) else type(what).__name__.strip("_").lower()


def _media_bytes(sample: Sample) -> int:
    match sample.data:
        case Frame(pixels):
            return pixels.nbytes
        case Sound(pcm, _):
            return pcm.nbytes
        case _:
            return 0
