"""Who listens to the agent: JSON lines for programs, MQTT for the house, one log line for the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from sensorium.clock import Clock
from sensorium.concepts import Vocabulary
from sensorium.episode import Episode, Episodes, Phase
from sensorium.event import Event, Sample
from sensorium.lines import Line, episode_line, event_line, status_line, symbol_line, window_line
from sensorium.symbol import Symbol
from sensorium.window import Window
from sensorium_agent._app.tally import Tally
from sensorium_agent.answer import Listener

if TYPE_CHECKING:
    from sensorium_agent._app.telemetry import Telemetry

log = logging.getLogger(__name__)


class Everyone:
    """Passes everything on to several listeners, in order."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = tuple(listeners)

    def on_sample(self, sample: Sample) -> None:
        """Pass it on."""
        for listener in self._listeners:
            listener.on_sample(sample)

    def on_event(self, event: Event) -> None:
        """Pass it on."""
        for listener in self._listeners:
            listener.on_event(event)

    def on_window(self, window: Window) -> None:
        """Pass it on."""
        for listener in self._listeners:
            listener.on_window(window)

    def on_symbol(self, symbol: Symbol) -> None:
        """Pass it on."""
        for listener in self._listeners:
            listener.on_symbol(symbol)

    def on_episode(self, episode: Episode) -> None:
        """Pass it on."""
        for listener in self._listeners:
            listener.on_episode(episode)

    def on_status(self, kind: str, **what: object) -> None:
        """Pass it on."""
        for listener in self._listeners:
            listener.on_status(kind, **what)


class Following(Everyone):
    """Passes everything on, and tells beside the symbols what episodes they make up."""

    def __init__(self, listeners: Sequence[Listener], vocabulary: Vocabulary, session_id: str) -> None:
        super().__init__(listeners)
        self._episodes = Episodes(vocabulary, session_id)

    def learn(self, vocabulary: Vocabulary) -> None:
        """Go by another vocabulary from now on."""
        self._episodes.learn(vocabulary)

    def on_symbol(self, symbol: Symbol) -> None:
        """The symbol first, then what it changes."""
        super().on_symbol(symbol)
        for episode in self._episodes.hear(symbol):
            self.on_episode(episode)

    def finish(self) -> None:
        """Nothing more will come: end what is open."""
        for episode in self._episodes.finish():
            self.on_episode(episode)


class Silent:
    """Hears everything and does nothing: what other listeners begin from."""

    def on_sample(self, sample: Sample) -> None:
        """Nothing."""

    def on_event(self, event: Event) -> None:
        """Nothing."""

    def on_window(self, window: Window) -> None:
        """Nothing."""

    def on_symbol(self, symbol: Symbol) -> None:
        """Nothing."""

    def on_episode(self, episode: Episode) -> None:
        """Nothing."""

    def on_status(self, kind: str, **what: object) -> None:
        """Nothing."""


class LineListener(Silent):
    """Writes a JSON line for each event, window and symbol, and with ``status`` for the rest too.

    It keeps the tally as well, since a symbol's line says how long after its window's close it came.
    """

    def __init__(
        self,
        write: Callable[[Line], None] | None,
        file: str | None,
        *,
        status: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.tally = Tally(clock)
        self.session: str | None = None
        """The session of ``file``: a symbol of another one was spooled by an earlier run."""
        self._write = write or _discard
        self._file = file
        self._status = status

    def on_sample(self, sample: Sample) -> None:
        """Counted only: media are never written."""
        self.tally.sample(sample)

    def on_event(self, event: Event) -> None:
        """One line."""
        self.tally.event(event)
        self._write(event_line(event, self._file))

    def on_window(self, window: Window) -> None:
        """One line."""
        self.tally.window(window)
        self._write(window_line(window, self._file))

    def on_symbol(self, symbol: Symbol) -> None:
        """One line."""
        if self.session not in (None, symbol.session_id):
            self.tally.earlier += 1
            self._write(symbol_line(symbol, None, None))
            return
        self._write(symbol_line(symbol, self._file, self.tally.symbol(symbol)))

    def on_episode(self, episode: Episode) -> None:
        """One line."""
        self._write(episode_line(episode, self._file))

    def on_status(self, kind: str, **what: object) -> None:
        """One line, if asked for."""
        if self._status:
            self._write(status_line(kind, **what))


class LogListener(Silent):
    """Writes what a person would want to find in the journal."""

    def on_episode(self, episode: Episode) -> None:
        """What began and what ended."""
        if episode.phase is not Phase.UPDATE:
            log.info("episode.%s concept=%s confidence=%.2f", episode.phase, episode.concept, episode.confidence)

    def on_status(self, kind: str, **what: object) -> None:
        """One event-like line; sensors and the link already tell their own."""
        if kind not in ("sensor", "link"):
            log.info("%s %s", kind, msgspec.json.encode(what, enc_hook=str).decode())


class TelemetryListener(Silent):
    """Publishes symbols, episodes and health over MQTT."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def on_symbol(self, symbol: Symbol) -> None:
        """Symbols that say something; silence is told by health."""
        if symbol.modalities:
            self._telemetry.publish_symbol(symbol)

    def on_episode(self, episode: Episode) -> None:
        """What begins, changes or ends."""
        self._telemetry.publish_episode(episode)

    def on_status(self, kind: str, **what: object) -> None:
        """Health."""
        self._telemetry.publish_health({"kind": kind, **what})


def _discard(line: Line) -> None:
    """Nobody wants lines."""
