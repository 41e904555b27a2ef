"""What a replay came to, against what was recorded: as a JSON line, or in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sensorium.symbol import Revision, Symbol
from sensorium.window import Window
from sensorium.wire import content_hash
from sensorium_agent._app.listeners import Silent
from sensorium_agent._app.tally import Tally
from sensorium_agent.record.faults import Fault
from sensorium_agent.record.inject import Toll, step_wall
from sensorium_agent.record.reader import Contents, SessionLog
from sensorium_agent.record.replay import Fingerprint, count_steps


class Compared(Silent):
    """Hears the windows and symbols, and compares them with those that were recorded."""

    def __init__(self, log: SessionLog) -> None:
        self.fingerprint = Fingerprint()
        self.recorded_windows = {(w.id, w.revision): content_hash(w) for w in log.windows()}
        self.recorded_symbols = {_name(s): s.concept for s in log.symbols() if s.revision is Revision.EDGE}
        self.same_windows = 0
        self.same_symbols = 0

    def on_window(self, window: Window) -> None:
        """One window."""
        self.fingerprint.add(window)
        self.same_windows += self.recorded_windows.get((window.id, window.revision)) == content_hash(window)

    def on_symbol(self, symbol: Symbol) -> None:
        """One symbol."""
        name = _name(symbol)
        self.same_symbols += name in self.recorded_symbols and self.recorded_symbols[name] == symbol.concept


def _name(symbol: Symbol) -> tuple[str, int]:
    return symbol.id, symbol.window_revision


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay came to.

    Attributes:
        log: what was replayed, and
        contents: what is in it.
        source: from its events, or from its samples.
        faults: what went wrong this time.
        tally: what was heard, counted.
        compared: the same against the recording.
        tolls: what each fault has done.
        streams: what became of each stream's events.
        took_s: how long it took.
    """

    log: SessionLog
    contents: Contents
    source: str
    faults: tuple[Fault, ...]
    tally: Tally
    compared: Compared
    tolls: Mapping[str, Toll] = field(default_factory=dict)
    streams: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    took_s: float = 0.0

    @property
    def lasted_s(self) -> float:
        """How long the session was."""
        return max(self.contents.end_ns - self.log.session.start_ns, 0) / 1e9

    def summary(self) -> dict[str, Any]:
        """Everything, in plain types."""
        readings, steps, moved_ns = self._clock()
        contents, compared = self.contents, self.compared
        return {
            **self.tally.summary(),
            "from": self.source,
            "lasted_s": round(self.lasted_s, 3),
            "took_s": round(self.took_s, 3),
            "windows_hash": compared.fingerprint.hexdigest(),
            "windows_given": compared.fingerprint.windows,
            "windows_recorded": len(compared.recorded_windows),
            "windows_as_recorded": compared.same_windows,
            "symbols_recorded": len(compared.recorded_symbols),
            "symbols_as_recorded": compared.same_symbols,
            "injected": {text: asdict(toll) for text, toll in self.tolls.items()},
            "streams": self.streams,
            "clock": {"readings": readings, "steps": steps, "moved_ns": moved_ns},
            "lost_while_recording": dict(contents.losses),
            "missing_turns": contents.missing_turns,
            "damaged_chunks": contents.damaged_chunks,
            "cut_off": not contents.whole,
        }

    def words(self) -> Iterator[str]:
        """For people, a line each."""
        session, compared = self.log.session, self.compared
        began = datetime.fromtimestamp((session.start_ns + session.wall_offset_ns) / 1e9, UTC)
        yield f"{self.log.path}: {self.lasted_s:.1f} s of {', '.join(session.modalities)}"
        yield f"  recorded   {began:%Y-%m-%d %H:%M:%S} UTC on {session.device} by {session.software}"
        yield f"  replayed   from {self.source} in {self.took_s:.2f} s{self._times()}"
        given, revisions = compared.fingerprint.windows, self.tally.revised_windows
        same = f"{compared.same_windows} of {len(compared.recorded_windows)} as recorded"
        yield f"  windows    {given}, {revisions} of them revisions; {same}"
        same = f"{compared.same_symbols} of {len(compared.recorded_symbols)} as recorded"
        yield f"  symbols    {self.tally.symbols[Revision.EDGE]}; {same}"
        yield f"  hash       {compared.fingerprint.hexdigest()}"
        yield from self._faults()
        yield from self._damage()

    def _times(self) -> str:
        return f", {self.lasted_s / self.took_s:.0f} times as fast as it happened" if self.took_s > 0 else ""

    def _faults(self) -> Iterator[str]:
        for text, toll in self.tolls.items():
            yield f"  injected   {text}: {toll.messages} of {toll.seen} messages, with {toll.events} events"
        if self.faults:
            readings, steps, moved_ns = self._clock()
            told = f"{steps} steps in {readings} readings, {moved_ns / 1e9:+.3f} s in all"
            yield f"  wall clock {told if readings else 'not read while recording: files were played at once'}"
            for stream, counts in self.streams.items():
                told = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
                yield f"  stream     {stream.partition('_')[0]}: {told}"

    def _damage(self) -> Iterator[str]:
        contents = self.contents
        if lost := ", ".join(f"{number} {kind}" for kind, number in contents.losses.items()):
            yield f"  lost       while recording: {lost}"
        if contents.missing_turns or contents.damaged_chunks:
            told = f"turns missing: {contents.missing_turns}, damaged chunks: {contents.damaged_chunks}"
            yield f"  damaged    {told}; windows may differ from those recorded"
        if not contents.whole:
            yield "  cut off    the file has no end; replayed up to its last whole chunk"

    def _clock(self) -> tuple[int, int, int]:
        readings = self.log.readings()
        return count_steps(step_wall(readings, self.faults, start_ns=self.log.session.start_ns))
